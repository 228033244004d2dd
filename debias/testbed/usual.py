"""Whom one meets: factors of faces and pictures, given skin tone and gender."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias.testbed.draws import Draws, Values


def usual_factors(tones: NDArray[np.float64], female: NDArray[np.bool_], d: Draws) -> Values:
    """Return factors as in life: skin tone, gender and age shift many of them, and decide none.

    Darker skin shifts the colours of iris and hair, the hair's curl, the width of the nose and the
    fullness of the lips; gender shifts the presentation, and through it shape, hair, beard and
    make-up; age shifts grey hair, baldness and glasses. All else is independent.

    Args:
        tones: on the Monk scale, of shape (image,).
        female: of shape (image,).
        d: random columns of the same images.
    """
    look = np.clip(np.where(female, 0.5, -0.5) + d.normal(0, 0.35), -1, 1)
    age = 18 + 62 * d.even(0, 1) ** 1.3
    old = np.clip((age - 35) / 45, 0, 1)
    dark = np.clip((tones - 1) / 9, 0, 1)
    f: Values = {"tone": tones, "presentation": look, "age": age}
    f["face_width"] = d.normal(0.77, 0.035) - 0.015 * look
    f["jaw_squareness"] = 0.2 - 0.15 * look + d.normal(0, 0.1)
    f["jaw_taper"] = 0.14 + 0.06 * look + d.normal(0, 0.05)
    f["eye_spacing"] = d.normal(0.42, 0.018)
    f["eye_size"] = d.normal(1.0, 0.08) + 0.06 * look
    f["eye_tilt"] = d.normal(0.005, 0.012)
    f["iris_dark"] = np.clip(0.25 + 0.9 * dark + d.normal(0, 0.3), 0, 1)
    f["brow_thickness"] = 0.05 - 0.012 * look + d.normal(0, 0.008)
    f["brow_height"] = 0.012 * look + d.normal(0, 0.012)
    f["brow_arch"] = 0.03 + 0.012 * look + d.normal(0, 0.012)
    f["nose_width"] = 0.19 + 0.03 * dark - 0.015 * look + d.normal(0, 0.018)
    f["nose_length"] = d.normal(0.4, 0.02)
    f["mouth_width"] = d.normal(0.33, 0.03)
    f["lip_fullness"] = 0.038 + 0.006 * look + 0.01 * dark + d.normal(0, 0.007)
    made_up = d.below(np.clip(0.05 + 0.75 * look, 0, 1))
    f["lip_colour"] = np.where(made_up, d.even(0.1, 1), d.even(0, 0.15))
    f["eye_make_up"] = np.where(made_up, d.even(0.1, 1), d.even(0, 0.2))
    bearded = d.below(np.clip(0.08 - 0.75 * look, 0, 0.7))
    f["beard"] = np.where(bearded, d.even(0.15, 1), 0)
    f["moustache"] = np.where(bearded | d.below(np.clip(-0.15 * look, 0, 1)), d.even(0.1, 1), 0)
    bald = d.below(np.clip(0.06 + 0.3 * old - 0.25 * look, 0.01, 1))
    f["hair"] = np.where(bald, 0.0, 1.0)
    f["hair_length"] = np.clip(0.25 + 0.6 * look + d.normal(0, 0.4), -0.1, 2)
    f["hair_volume"] = 0.08 + 0.04 * look + np.abs(d.normal(0, 0.06))
    f["hair_curl"] = np.clip(d.even(0, 1) ** 1.5 + 0.4 * dark * d.even(0, 1), 0, 1)
    f["hairline"] = -0.6 - 0.1 * old * d.even(0, 1) * (look < 0) + d.normal(0, 0.05)
    f["fringe"] = d.even(-1, 1) * d.below(0.5)
    f["hair_dark"] = np.clip(0.45 + 0.7 * dark + d.normal(0, 0.3), 0, 1)
    f["hair_red"] = d.even(0, 1)
    f["hair_grey"] = np.clip(2.2 * old * d.even(0, 1) - 0.3, 0, 1)
    f["hair_dye"] = np.where(d.below(0.05), d.even(0.3, 1), 0)
    glasses = d.below(0.15 + 0.15 * old)
    f["glasses"] = glasses.astype(np.float64)
    f["lens_dark"] = np.where(d.below(0.2), d.even(0.7, 1), d.even(0, 0.2))
    hat = d.below(0.08)
    f["hat"] = hat.astype(np.float64)
    f["hat_line"] = d.even(-0.62, -0.42)
    f["brim"] = d.below(0.5).astype(np.float64)
    f["hair_volume"] = np.where(hat, 0.3, 1.0) * f["hair_volume"]
    _draw_expression(f, d)
    _draw_pose(f, d)
    _draw_light(f, d)
    _draw_scene_and_camera(f, d)
    for name in ("head", "eyes", "brows", "nose", "mouth", "body"):
        f[name] = np.ones_like(tones)
    for name in (
        *("eye_shift", "brow_shift", "nose_shift", "mouth_shift"),
        *("tufts", "snout", "fur"),
    ):
        f[name] = np.zeros_like(tones)
    return f


def _draw_expression(f: Values, d: Draws) -> None:
    f["smile"] = np.clip(d.normal(0.25, 0.4), -0.6, 1)
    f["mouth_open"] = np.where(d.below(0.35), d.even(0, 1) ** 1.5, 0)
    f["eye_open"] = np.clip(d.normal(0.95, 0.15), 0.3, 1.3)
    f["brow_raise"] = d.normal(0, 0.3)
    f["gaze"] = d.normal(0, 0.02)


def _draw_pose(f: Values, d: Draws) -> None:
    f["yaw"] = np.clip(d.normal(0, 14), -40, 40)
    f["pitch"] = np.clip(d.normal(0, 5), -20, 20)
    f["roll"] = np.clip(d.normal(0, 8), -30, 30)
    f["scale"] = d.even(0.76, 0.94)
    f["shift_x"] = np.clip(d.normal(0, 0.05), -0.15, 0.15)
    f["shift_y"] = np.clip(d.normal(0, 0.05), -0.15, 0.15)


def _draw_light(f: Values, d: Draws) -> None:
    f["light_azimuth"] = np.clip(d.normal(0, 35), -90, 90)
    f["light_elevation"] = np.clip(d.normal(25, 18), -20, 70)
    f["light_strength"] = 1.2 * 0.5 ** d.even(0, 1)
    f["light_warmth"] = np.clip(d.normal(0.1, 0.4), -1, 1)
    f["ambient"] = d.even(0.25, 0.75)
    f["shadow"] = np.where(d.below(0.25), d.even(0.2, 0.6), 0)
    f["shadow_angle"] = d.even(0, 360)
    f["shadow_place"] = d.even(-0.3, 0.7)
    f["shine"] = d.even(0, 1) ** 1.5


def _draw_scene_and_camera(f: Values, d: Draws) -> None:
    f["scene_light"] = d.even(0.03, 0.95)
    f["scene_hue"] = d.even(0, 1)
    f["scene_saturation"] = d.even(0, 1) ** 2
    f["scene_contrast"] = d.even(0, 1) ** 1.5
    f["scene_roughness"] = d.even(0, 1)
    f["scene_gradient"] = d.even(0, 0.7)
    f["scene_angle"] = d.even(0, 360)
    f["stripes"] = np.where(d.below(0.2), d.even(0.1, 0.8), 0)
    f["stripe_density"] = d.even(1, 9)
    f["clutter"] = np.floor(d.even(0, 1) ** 1.5 * 5.99)
    f["blur"] = d.even(0.1, 0.8)
    f["noise"] = np.minimum(-1.5 * np.log1p(-d.even(0, 1)), 10)
    f["jpeg"] = d.even(55, 95)
