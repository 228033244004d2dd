"""What is no face: textures, objects, and heads that a face detector must not fall for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from debias.testbed.draws import Draws, Values

NON_FACE_KINDS: Mapping[str, float] = {
    "texture": 0.1,
    "objects": 0.12,
    "blank": 0.22,
    "scrambled": 0.22,
    "animal": 0.14,
    "off-centre": 0.1,
    "partial": 0.1,
}
"""Their shares. ``blank`` is a head that lacks most features, ``scrambled`` one whose features
are in wrong places, ``off-centre`` a face at the edge, ``partial`` a piece of a larger face."""
NON_FACE_SKIN_TONES = {"light": 0.2, "medium": 0.2, "dark": 0.6}
"""Shares of the tones of heads that are no faces: brown and black are an animal's colours."""
PLACES = {"eye_shift": 0.0, "nose_shift": 0.36, "mouth_shift": 0.62}
SCRAMBLED = {
    ("mouth_shift", "eye_shift", "nose_shift"): 0.46,
    ("mouth_shift", "nose_shift", "eye_shift"): 0.46,
    ("nose_shift", "mouth_shift", "eye_shift"): 0.08,
}
"""Whose place eyes, nose and mouth take, and how often. Eyes in the place of the nose are rarer:
they look like those of a bowed head."""


def make_non_faces(f: Values, d: Draws, shares: Mapping[str, float]) -> NDArray[np.object_]:
    """Turn faces into what is no face, in place, and return of what kind each is.

    Args:
        f: factors of whole faces, each (image,).
        d: random columns of the same images.
        shares: of kinds, by names of :data:`NON_FACE_KINDS`.
    """
    kinds = d.choice(shares)
    f["head"] = np.where(np.isin(kinds, ["texture", "objects"]), 0.0, f["head"])
    f["clutter"] = np.where(kinds == "objects", 1 + np.floor(d.even(0, 4.99)), f["clutter"])
    f["clutter"] = np.where(kinds == "texture", 0.0, f["clutter"])
    rough = np.maximum(f["scene_contrast"], d.even(0.3, 1))
    f["scene_contrast"] = np.where(kinds == "texture", rough, f["scene_contrast"])
    _remove_features(f, d, kinds == "blank")
    _scramble(f, d, kinds == "scrambled")
    _make_animal(f, d, kinds == "animal")
    _move_off_centre(f, d, kinds == "off-centre")
    _cut_out(f, d, kinds == "partial")
    return kinds


def _remove_features(f: Values, d: Draws, chosen: NDArray[np.bool_]) -> None:
    """Leave a head nothing, or its nose or mouth."""
    kept = d.choice({"none": 0.7, "nose": 0.15, "mouth": 0.15})
    for name in ("eyes", "brows", "nose", "mouth", "glasses"):
        f[name] = np.where(chosen & (kept != name), 0.0, f[name])


def _scramble(f: Values, d: Draws, chosen: NDArray[np.bool_]) -> None:
    """Put the features into each other's places, a little off."""
    plan = np.searchsorted(np.cumsum(list(SCRAMBLED.values()))[:-1], d.even(0, 1), side="right")
    for place, name in enumerate(PLACES):
        target = np.array([PLACES[order[place]] for order in SCRAMBLED])[plan]
        shift = target - PLACES[name] + d.normal(0, 0.04)
        f[name] = np.where(chosen, shift, f[name])
    f["brow_shift"] = np.where(chosen, f["eye_shift"] * d.below(0.5), f["brow_shift"])
    f["glasses"] = np.where(chosen, 0.0, f["glasses"])


def _make_animal(f: Values, d: Draws, chosen: NDArray[np.bool_]) -> None:
    """Give a head fur, an animal's ears and a snout; no brows, lips, hair or glasses."""
    changes = {
        "tufts": np.ones(len(chosen)),
        "snout": d.even(0.85, 1),
        "fur": np.ones(len(chosen)),
        "brows": np.zeros(len(chosen)),
        "hair": np.zeros(len(chosen)),
        "glasses": f["glasses"] * d.below(0.2),
        "hat": np.zeros(len(chosen)),
        "beard": np.zeros(len(chosen)),
        "moustache": np.zeros(len(chosen)),
        "eye_spacing": d.even(0.4, 0.5),
        "eye_size": d.even(0.9, 1.35),
        "nose_width": d.even(0.22, 0.3),
    }
    for name, value in changes.items():
        f[name] = np.where(chosen, value, f[name])


def _move_off_centre(f: Values, d: Draws, chosen: NDArray[np.bool_]) -> None:
    """Move the head so far that half of it, or more, is out of the middle of the picture."""
    angle = d.even(0, 2 * np.pi)
    reach = d.even(0.85, 1.2) / np.maximum(np.abs(np.cos(angle)), np.abs(np.sin(angle)))
    for name, along in (("shift_x", np.cos(angle)), ("shift_y", np.sin(angle))):
        f[name] = np.where(chosen, reach * along, f[name])


def _cut_out(f: Values, d: Draws, chosen: NDArray[np.bool_]) -> None:
    """Come so near that a piece of the face fills the picture, and not its middle."""
    scale = d.even(2, 3)
    angle = d.even(0, 2 * np.pi)
    reach = scale * d.even(0.45, 0.8)
    changes = {
        "scale": scale,
        "shift_x": reach * np.cos(angle),
        "shift_y": reach * np.sin(angle),
    }
    for name, value in changes.items():
        f[name] = np.where(chosen, value, f[name])
