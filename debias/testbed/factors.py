"""What is known of every drawn image: its factors, their ranges and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from debias.errors import DataError, nearest


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor.

    Args:
        name: the column.
        low: its least value.
        high: its greatest value.
        neutral: its value in the plainest picture of a face.
        meaning: what it is, and its unit.
    """

    name: str
    low: float
    high: float
    neutral: float
    meaning: str


FACTORS = (
    # The person.
    Factor("tone", 1, 10, 5, "skin tone on the Monk scale, lightest to darkest"),
    Factor("presentation", -1, 1, 0, "gender presentation: -1 masculine, 1 feminine"),
    Factor("age", 18, 85, 30, "age in years"),
    Factor("face_width", 0.62, 0.92, 0.76, "width of the face by its height"),
    Factor("jaw_squareness", 0, 0.6, 0.2, "how square the jaw is"),
    Factor("jaw_taper", 0, 0.35, 0.12, "how much the face narrows to the chin"),
    Factor("eye_spacing", 0.34, 0.5, 0.42, "eye from the middle, in half widths of the face"),
    Factor("eye_size", 0.7, 1.35, 1, "size of the eyes, 1 is usual"),
    Factor("eye_tilt", -0.03, 0.04, 0.005, "outer corners of the eyes raised"),
    Factor("iris_dark", 0, 1, 0.7, "colour of the iris: 0 light blue, 1 dark brown"),
    Factor("brow_thickness", 0.025, 0.09, 0.05, "half height of the brows"),
    Factor("brow_height", -0.05, 0.06, 0, "brows above their usual place"),
    Factor("brow_arch", 0, 0.08, 0.03, "arch of the brows"),
    Factor("nose_width", 0.13, 0.3, 0.2, "half width of the nose"),
    Factor("nose_length", 0.32, 0.48, 0.4, "base of the nose below the eyes"),
    Factor("mouth_width", 0.22, 0.46, 0.33, "half width of the mouth"),
    Factor("lip_fullness", 0.02, 0.075, 0.042, "half height of the lips"),
    Factor("lip_colour", 0, 1, 0.15, "make-up on the lips"),
    Factor("eye_make_up", 0, 1, 0.15, "dark lids and lashes"),
    Factor("beard", 0, 1, 0, "beard on chin and cheeks: 0.2 stubble, 1 full"),
    Factor("moustache", 0, 1, 0, "moustache"),
    Factor("hair", 0, 1, 1, "0 bald, 1 hair"),
    Factor("hair_length", -0.2, 2.2, 0.2, "where the hair ends: 0 the eyes, 1 the chin"),
    Factor("hair_volume", 0.01, 0.35, 0.1, "how far the hair stands off the head"),
    Factor("hair_curl", 0, 1, 0.2, "0 straight hair, 1 curls"),
    Factor("hairline", -0.85, -0.4, -0.6, "where the forehead begins"),
    Factor("fringe", -1, 1, 0, "hair to one side of the forehead"),
    Factor("hair_dark", 0, 1, 0.8, "colour of the hair: 0 blond, 1 black"),
    Factor("hair_red", 0, 1, 0.2, "redness of the hair"),
    Factor("hair_grey", 0, 1, 0, "share of grey hair"),
    Factor("hair_dye", 0, 1, 0, "a dyed hue over the hair"),
    # What is worn and done.
    Factor("glasses", 0, 1, 0, "1 with glasses"),
    Factor("lens_dark", 0, 1, 0, "darkness of the lenses"),
    Factor("hat", 0, 1, 0, "1 with a hat"),
    Factor("hat_line", -0.75, -0.4, -0.55, "the lower edge of the hat"),
    Factor("brim", 0, 1, 0, "1 with a brim"),
    Factor("smile", -0.6, 1, 0.2, "corners of the mouth: down to up"),
    Factor("mouth_open", 0, 1, 0, "how open the mouth is"),
    Factor("eye_open", 0.15, 1.3, 1, "how open the eyes are"),
    Factor("brow_raise", -0.6, 1, 0, "brows lowered or raised"),
    Factor("gaze", -0.06, 0.06, 0, "the eyes look to the left or right"),
    # Pose and place.
    Factor("yaw", -60, 60, 0, "head turned to its left, degrees"),
    Factor("pitch", -35, 35, 0, "head bowed, degrees"),
    Factor("roll", -180, 180, 0, "person and light turned clockwise in the picture, degrees"),
    Factor("scale", 0.2, 3, 0.68, "half height of the head in half heights of the picture"),
    Factor("shift_x", -2.5, 2.5, 0, "the head's centre to the right, in half widths"),
    Factor("shift_y", -2.5, 2.5, 0.02, "the head's centre downwards, in half heights"),
    # Light.
    Factor("light_azimuth", -100, 100, 0, "light from the camera's right before roll, degrees"),
    Factor("light_elevation", -40, 80, 20, "light from above before roll, degrees"),
    Factor("light_strength", 0.05, 2, 1, "exposure: 1 shows skin as its swatch"),
    Factor("light_warmth", -1, 1, 0, "colour of the light: blue to orange"),
    Factor("ambient", 0, 1, 0.45, "share of the light that comes from everywhere"),
    Factor("shadow", 0, 0.9, 0, "darkness of a shadow cast on the face"),
    Factor("shadow_angle", 0, 360, 0, "side that the shadow falls on before roll, degrees"),
    Factor("shadow_place", -0.8, 0.8, 0.2, "where the shadow begins before roll"),
    Factor("shine", 0, 1, 0.25, "shininess of the skin"),
    # Behind the face.
    Factor("scene_light", 0, 1, 0.3, "lightness of the background"),
    Factor("scene_hue", 0, 1, 0.5, "hue of the background, once round the circle"),
    Factor("scene_saturation", 0, 1, 0.2, "saturation of the background"),
    Factor("scene_contrast", 0, 1, 0.3, "contrast of its texture"),
    Factor("scene_roughness", 0, 1, 0.3, "share of fine texture"),
    Factor("scene_gradient", 0, 0.8, 0.2, "a gradient across it"),
    Factor("scene_angle", 0, 360, 30, "direction of gradient and stripes, degrees"),
    Factor("stripes", 0, 0.8, 0, "strength of stripes"),
    Factor("stripe_density", 1, 9, 4, "stripes across half the picture"),
    Factor("clutter", 0, 5, 0, "number of objects"),
    # The camera.
    Factor("blur", 0, 3, 0.4, "blur of the lens, hundredths of the picture's width"),
    Factor("noise", 0, 25, 1.5, "noise of the sensor, grey levels of 255"),
    Factor("jpeg", 15, 95, 90, "JPEG quality"),
    # What makes a head no face.
    Factor("head", 0, 1, 1, "0 leaves the head out"),
    Factor("eyes", 0, 1, 1, "strength of the eyes; 0 leaves them out"),
    Factor("brows", 0, 1, 1, "strength of the brows"),
    Factor("nose", 0, 1, 1, "strength of the nose"),
    Factor("mouth", 0, 1, 1, "strength of the mouth"),
    Factor("eye_shift", -0.8, 0.8, 0, "eyes below their place"),
    Factor("brow_shift", -0.8, 0.8, 0, "brows below their place"),
    Factor("nose_shift", -0.8, 0.8, 0, "nose below its place"),
    Factor("mouth_shift", -0.9, 0.8, 0, "mouth below its place"),
    Factor("tufts", 0, 1, 0, "1 with an animal's ears"),
    Factor("snout", 0, 1, 0, "an animal's snout"),
    Factor("fur", 0, 1, 0, "fur in place of skin"),
    Factor("body", 0, 1, 1, "0 leaves out neck and shoulders"),
)
NAMES = tuple(factor.name for factor in FACTORS)
SEED = "noise_seed"
"""The column that decides textures, objects and noise: a whole number below 2^63."""
_MOST_SEED = 2**63 - 1


def neutral_factors(num_images: int, **changes: object) -> pd.DataFrame:
    """Return the factors of plain pictures of a face.

    Args:
        num_images: rows.
        **changes: other values of named factors, one or one an image.

    Raises:
        DataError: no factor has that name, or a noise seed is no whole number below 2^63.
    """
    table = pd.DataFrame(
        {factor.name: np.full(num_images, factor.neutral, np.float32) for factor in FACTORS}
    )
    table[SEED] = np.arange(num_images, dtype=np.int64)
    for name, value in changes.items():
        if name not in table.columns:
            raise DataError(f"no factor is called {name!r}", hint=nearest(name, table.columns))
        if name == SEED:
            _check_seeds(np.asarray(value).reshape(-1))
        table[name] = np.asarray(value).astype(np.int64 if name == SEED else np.float32)
    return table


def check_factors(factors: Mapping[str, np.ndarray] | pd.DataFrame) -> None:
    """Refuse a table that lacks a factor or a noise seed, or has one out of its range.

    Raises:
        DataError: it says which, and the range.
    """
    for name in (*NAMES, SEED):
        if name not in factors:
            raise DataError(f"the factors lack {name!r}", hint="Start from neutral_factors()")
    for factor in FACTORS:
        values = np.asarray(factors[factor.name], dtype=np.float64)
        wrong = ~((values >= factor.low - 1e-5) & (values <= factor.high + 1e-5))
        if wrong.any():
            raise DataError(
                f"{factor.name} is {values[wrong][0]:g} in image {int(np.flatnonzero(wrong)[0])}",
                hint=f"It may be {factor.low:g} to {factor.high:g}: {factor.meaning}",
            )
    _check_seeds(np.asarray(factors[SEED]))


def _check_seeds(seeds: np.ndarray) -> None:
    """Refuse noise seeds (image,) that are not whole numbers below 2^63, or not stored as such."""
    whole = seeds.dtype.kind in "iu"
    wrong = (seeds < 0) | (seeds > _MOST_SEED) if whole else np.ones(len(seeds), dtype=np.bool_)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{SEED} is {seeds[first]} in image {first}",
            hint="It may be a whole number from 0 to 2^63 - 1, in a column of whole numbers",
        )
