"""From factors to what the renderer draws with: places, directions and colours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from debias.testbed.colour import linear_from_srgb, rgb_from_hex, skin_light
from debias.testbed.scene import NUM_OBJECTS

Bytes = NDArray[np.uint8]
Values = Mapping[str, NDArray[np.float64]]
NUM_FREE_BYTES, NUM_OBJECT_BYTES = 24, 16

_HAIR = tuple(linear_from_srgb(rgb_from_hex(c)) for c in ("#d9bb86", "#14100e"))
_HAIR_RED, _HAIR_GREY, _HAIR_DYE = (
    linear_from_srgb(rgb_from_hex(c)) for c in ("#8c3a1b", "#b9b6b2", "#7a2f63")
)
_IRIS = tuple(linear_from_srgb(rgb_from_hex(c)) for c in ("#7fa3b8", "#2b170c"))
_LIPSTICK, _MOUTH, _TEETH, _SCLERA, _FLESH = (
    linear_from_srgb(rgb_from_hex(c))
    for c in ("#a01c35", "#2a0f10", "#e6e0d4", "#ddd6cf", "#b4615a")
)


def parameters(
    factors: Values, random: Bytes, size: float | NDArray[np.float64]
) -> NDArray[np.void]:
    """Return what the renderer draws with: a record an image, of float32 fields.

    A colour is a field of three, what objects have is a field of :data:`NUM_OBJECTS`. Rounding to
    single precision hides that machines differ in the last digit of a sine.

    Args:
        factors: a column (image,) for each factor.
        random: bytes that decide what the factors leave open, (image, byte).
        size: height and width of the pictures in pixels, one or one a picture.
    """
    f = {name: np.asarray(column, dtype=np.float64) for name, column in factors.items()}
    free = random.astype(np.float64) / 255
    fields = {
        **_pose(f, size),
        **_shape(f),
        **_light(f),
        **_worn(f, free),
        **_scene(f),
        **_person_colours(f, free),
        **_objects(f, free),
    }
    kinds = [(name, np.float32, column.shape[1:]) for name, column in fields.items()]
    records = np.empty(len(free), dtype=kinds)
    for name, column in fields.items():
        records[name] = column
    return records


def num_random_bytes() -> int:
    """Return how many random bytes :func:`parameters` takes for an image."""
    return NUM_FREE_BYTES + NUM_OBJECTS * NUM_OBJECT_BYTES


def _pose(f: Values, size: float | NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    yaw, pitch, roll = (np.radians(f[name]) for name in ("yaw", "pitch", "roll"))
    return {
        "sin_yaw": np.sin(yaw),
        "cos_yaw": np.cos(yaw),
        "sin_pitch": np.sin(pitch),
        "cos_pitch": np.cos(pitch),
        "sin_roll": np.sin(roll),
        "cos_roll": np.cos(roll),
        "scale": f["scale"],
        "shift_x": f["shift_x"],
        "shift_y": f["shift_y"],
        "pixel": 2 / size / f["scale"],
        "frame_pixel": np.full_like(f["scale"], 2 / size),
        "softness": np.maximum(2 / size / f["scale"], 0.012),
        "nose_lean": 0.28 * np.sin(yaw),
    }


def _shape(f: Values) -> dict[str, NDArray[np.float64]]:
    nose_v = f["nose_length"] + f["nose_shift"]
    return {
        "face_width": f["face_width"],
        "jaw_squareness": f["jaw_squareness"],
        "jaw_taper": f["jaw_taper"],
        "eye_u": f["eye_spacing"],
        "eye_v": f["eye_shift"],
        "eye_width": 0.19 * f["eye_size"],
        "eye_height": 0.078 * f["eye_size"] * f["eye_open"],
        "eye_tilt": f["eye_tilt"],
        "iris_size": 0.088 * f["eye_size"],
        "gaze": f["gaze"],
        "brow_v": -0.2 - f["brow_height"] - 0.05 * f["brow_raise"] + f["brow_shift"],
        "brow_arch": f["brow_arch"],
        "brow_thickness": f["brow_thickness"],
        "nose_v": np.where(nose_v == 0, 1e-6, nose_v),  # what the head divides by
        "nose_width": f["nose_width"],
        "mouth_v": 0.62 + f["mouth_shift"],
        "mouth_width": f["mouth_width"],
        "lip_height": f["lip_fullness"],
        "smile": f["smile"],
        "mouth_open": f["mouth_open"],
        "teeth": np.clip(f["smile"] * 1.5, 0, 1),
        "lips_visible": 0.75 * f["mouth"] * (1 - f["fur"]),
        "socket": np.full_like(f["tone"], 0.34),
        "wrinkles": np.clip((f["age"] - 30) / 50, 0, 1) * (1 - f["fur"]),
        "eyes_on": f["eyes"],
        "brows_on": f["brows"],
        "nose_on": f["nose"],
        "mouth_on": f["mouth"],
        "lash": 0.25 + 0.6 * f["eye_make_up"],
        "beard": f["beard"] * 0.92,
        "moustache": f["moustache"] * 0.5,
        "snout": f["snout"],
        "fur": f["fur"],
    }


def _light(f: Values) -> dict[str, NDArray[np.float64]]:
    azimuth, elevation = np.radians(f["light_azimuth"]), np.radians(f["light_elevation"])
    angle = np.radians(f["shadow_angle"])
    return {
        "light_x": np.sin(azimuth) * np.cos(elevation),
        "light_y": -np.sin(elevation),
        "light_z": np.cos(azimuth) * np.cos(elevation),
        "ambient": f["ambient"],
        "shadow": f["shadow"],
        "shadow_cos": np.cos(angle),
        "shadow_sin": np.sin(angle),
        "shadow_place": f["shadow_place"],
        "shine": f["shine"],
        "half_length": np.sqrt(2 + 2 * np.cos(azimuth) * np.cos(elevation)),
        "glint": np.clip(f["light_strength"], 0, 1) * (1 - f["shadow"] * 0.5),
    }


def _worn(f: Values, free: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return {
        "hair_on": f["hair"],
        "hair_length": np.maximum(f["hair_length"], -0.2),
        "hair_volume": f["hair_volume"],
        "hair_round": (f["face_width"] + f["hair_volume"]) * (0.6 + 0.35 * free[:, 22]),
        "hair_curl": f["hair_curl"],
        "hairline": f["hairline"],
        "fringe": f["fringe"],
        "side_line": 0.72 + 0.2 * free[:, 0],
        "sideburn": 0.1 + 0.3 * np.clip(f["hair_length"], 0, 1),
        "hair_light": 0.8 + 0.5 * free[:, 1],
        "ears_on": np.where((f["hair_length"] > 0.4) & (f["hair"] > 0.5), 0.0, 1.0)
        * (1 - f["tufts"]),
        "tufts_on": f["tufts"],
        "tuft_height": 0.5 + 0.4 * free[:, 2],
        "tuft_round": 0.6 + 0.8 * free[:, 3],
        "body_on": f["body"],
        "shoulder_width": 1.5 + 0.4 * free[:, 5] - 0.2 * f["presentation"],
        "glasses_on": f["glasses"],
        "lens_dark": f["lens_dark"],
        "lens_width": 0.27 + 0.06 * free[:, 6],
        "lens_shape": 0.6 + 0.3 * free[:, 7],
        "rim": 0.012 + 0.03 * free[:, 8],
        "hat_on": f["hat"],
        "hat_line": f["hat_line"],
        "hat_round": 0.5 + 0.5 * free[:, 9],
        "brim_on": f["brim"],
        "brim_width": f["face_width"] * (1.15 + 0.5 * free[:, 10]),
        "head_on": f["head"],
    }


def _scene(f: Values) -> dict[str, NDArray[np.float64]]:
    angle = np.radians(f["scene_angle"])
    return {
        "scene_cos": np.cos(angle),
        "scene_sin": np.sin(angle),
        "scene_colour": _vivid(f["scene_hue"], f["scene_saturation"], f["scene_light"] ** 2.2),
        "scene_gradient": f["scene_gradient"],
        "scene_contrast": f["scene_contrast"],
        "scene_roughness": f["scene_roughness"],
        "stripes": f["stripes"],
        "stripe_density": f["stripe_density"],
        "stripe_warp": 2 * f["scene_contrast"],
    }


def _mix(
    first: NDArray[np.float64], second: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``first`` with a share (image,) of ``second``: (image, channel)."""
    return first + (second - first) * share[:, None]


def _person_colours(f: Values, free: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    skin = skin_light(f["tone"]).astype(np.float64)
    hair = _mix(_HAIR[0], _HAIR[1], np.sqrt(f["hair_dark"]))
    hair = _mix(hair, _HAIR_RED, 0.7 * f["hair_red"] * (1 - f["hair_dark"] * 0.8))
    hair = _mix(hair, _HAIR_DYE, 0.8 * f["hair_dye"])
    hair = _mix(hair, _HAIR_GREY, f["hair_grey"])
    fur = _mix(skin, hair, 0.5 * free[:, 11])
    skin = _mix(skin, fur, f["fur"])
    iris = _mix(_IRIS[0], _IRIS[1], np.sqrt(f["iris_dark"]))
    iris = _mix(iris, np.full(3, 0.01), f["fur"])
    lip = _mix(skin * 0.62, _FLESH, np.full_like(f["tone"], 0.3) * (11 - f["tone"]) / 10)
    lip = _mix(lip, _LIPSTICK, 0.85 * f["lip_colour"])
    brow = _mix(hair, skin * 0.25, np.full_like(f["tone"], 0.5)) * 0.7
    cool = np.stack([1 + 0.22 * f["light_warmth"], np.ones_like(f["tone"])], axis=-1)
    light = np.concatenate([cool, 1 - 0.3 * f["light_warmth"][:, None]], axis=-1)
    return {
        "skin_colour": skin,
        "muzzle_colour": _mix(skin, np.full(3, 0.7), 0.6 * free[:, 23]),
        "hair_colour": hair,
        "brow_colour": brow,
        "lash_colour": skin * 0.12,
        "lip_colour": lip,
        "mouth_colour": np.broadcast_to(_MOUTH, skin.shape),
        "teeth_colour": np.broadcast_to(_TEETH, skin.shape),
        "sclera_colour": _mix(np.broadcast_to(_SCLERA, skin.shape), skin, 0.15 + 0.7 * f["fur"]),
        "iris_colour": iris,
        "pupil_colour": np.full_like(skin, 0.004),
        "glint_colour": np.full_like(skin, 0.9),
        "light_colour": light * f["light_strength"][:, None],
        "lens_colour": _vivid(free[:, 12], 0.3 * free[:, 13], 0.05 + 0.05 * free[:, 14]),
        "rim_colour": _vivid(free[:, 12], 0.6 * free[:, 13], 0.02 + 0.3 * free[:, 15] ** 3),
        "hat_colour": _vivid(free[:, 16], free[:, 17], 0.03 + 0.6 * free[:, 18] ** 2),
        "cloth_colour": _vivid(free[:, 19], 0.8 * free[:, 20], 0.03 + 0.7 * free[:, 21] ** 2),
    }


def _objects(f: Values, free: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return places and colours of the objects; some have the colours of skin."""
    start = NUM_FREE_BYTES
    r = free[:, start:].reshape(len(free), NUM_OBJECTS, NUM_OBJECT_BYTES)
    angle = 2 * np.pi * r[..., 2]
    hue, saturation, value = r[..., 6].ravel(), r[..., 7].ravel(), r[..., 8].ravel()
    vivid = _vivid(hue, saturation, 0.02 + 0.7 * value**2)
    skin = skin_light(1 + 9 * r[..., 9].ravel()) * (0.3 + 0.9 * r[..., 10].reshape(-1, 1))
    colour = _mix(vivid, skin, (r[..., 11].ravel() < 0.4).astype(np.float64))
    return {
        "object_x": 2.2 * r[..., 0] - 1.1,
        "object_y": 2.2 * r[..., 1] - 1.1,
        "object_w": 0.06 + 0.7 * r[..., 3] ** 2,
        "object_h": 0.06 + 0.7 * r[..., 4] ** 2,
        "object_round": r[..., 5],
        "object_cos": np.cos(angle),
        "object_sin": np.sin(angle),
        "object_on": np.clip(f["clutter"][:, None] - np.arange(NUM_OBJECTS), 0, 1),
        "object_colour": colour.reshape(len(free), NUM_OBJECTS, 3),
    }


def _vivid(
    hue: NDArray[np.float64], saturation: NDArray[np.float64], value: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return linear RGB (image, channel) of hue once round the circle, saturation and light."""
    place = hue[:, None] * 6 + np.array([0.0, 4.0, 2.0])
    ramp = np.clip(np.abs(place % 6 - 3) - 1, 0, 1)
    light: NDArray[np.float64] = value[:, None] * (1 - saturation[:, None] * (1 - ramp))
    return light
