"""Who is drawn: a joint distribution of the factors, with a bias planted on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.errors import ConfigError, nearest
from debias.seeding import derive_seed, numpy_generator
from debias.testbed.draws import Draws, Values
from debias.testbed.factors import FACTORS, NAMES, SEED
from debias.testbed.non_faces import NON_FACE_KINDS, NON_FACE_SKIN_TONES, make_non_faces

SKIN_TONES: Mapping[str, tuple[float, float]] = {
    "light": (1.0, 4.5),
    "medium": (4.5, 7.5),
    "dark": (7.5, 10.0),
}
"""Ranges of ``tone``: the swatches 1 to 4, 5 to 7, and 8 to 10."""
GENDERS = ("female", "male")
MOST_ROUNDS = 1000
_BY_NAME = {factor.name: factor for factor in FACTORS}
_EVEN = {"light": 1 / 3, "medium": 1 / 3, "dark": 1 / 3}


def even_skin_tones() -> dict[str, float]:
    """Return a third of each skin tone."""
    return dict(_EVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """A joint distribution of the factors of faces.

    Without further settings it is balanced: a third of each skin tone, half of each gender, and
    everything else independent of both, but for what goes with gender and age in life. A bias
    is planted by the shares, by ranges, or by ``accept``, which can make any factors depend on
    any others.

    Args:
        skin_tones: the share of light, medium and dark; non-negative, summing to 1.
        female: the share of women; or one for each skin tone.
        ranges: for a factor, the least and the greatest value: it is drawn evenly between them,
            in place of its usual distribution.
        accept: given the factors (image, factor), with ``female`` (bool), the probability in
            [0, 1] that each is kept; those that are not are drawn anew. None keeps all.

    Raises:
        ConfigError: shares that are none, or a factor or range that is not known.
    """

    skin_tones: Mapping[str, float] = field(default_factory=even_skin_tones)
    female: float | Mapping[str, float] = 0.5
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    accept: Callable[[pd.DataFrame], NDArray[np.float64]] | None = None

    def __post_init__(self) -> None:
        for name in self.skin_tones:
            if name not in SKIN_TONES:
                raise ConfigError(
                    f"no skin tone is called {name!r}", hint=nearest(name, SKIN_TONES)
                )
        shares = list(self.skin_tones.values())
        if min(shares, default=0) < 0 or abs(sum(shares) - 1) > 1e-9:
            raise ConfigError(f"the shares of skin tones are {shares}", hint="They must sum to 1")
        by_tone = self.female_by_skin_tone()
        if not all(0 <= share <= 1 for share in by_tone.values()):
            raise ConfigError(f"female is {self.female}", hint="A share is from 0 to 1")
        for name, (low, high) in self.ranges.items():
            if name not in _BY_NAME:
                raise ConfigError(f"no factor is called {name!r}", hint=nearest(name, _BY_NAME))
            known = _BY_NAME[name]
            if not known.low <= low <= high <= known.high:
                raise ConfigError(
                    f"the range of {name} is {low} to {high}",
                    hint=f"It may lie in {known.low} to {known.high}",
                )

    def female_by_skin_tone(self) -> dict[str, float]:
        """Return the share of women of each skin tone."""
        if isinstance(self.female, Mapping):
            missing = [name for name in self.skin_tones if name not in self.female]
            if missing:
                raise ConfigError(f"female has no share for {missing[0]!r}")
            return {name: float(self.female[name]) for name in self.skin_tones}
        return dict.fromkeys(self.skin_tones, float(self.female))


def draw_faces(population: Population, indices: Sequence[int], *, seed: int) -> pd.DataFrame:
    """Return the factors of faces.

    Face i depends on the population, the seed and i alone, whichever others are asked for.

    Args:
        population: whom to draw.
        indices: which faces, whole numbers from 0.
        seed: another seed gives other people.

    Returns:
        A row a face: every factor (float32), ``noise_seed``, and ``gender``.

    Raises:
        ConfigError: the population accepts next to nothing.
    """
    wanted = np.asarray(indices, dtype=np.int64)
    result = _draw_round(population, wanted, seed, 0)
    open_rows = np.arange(len(wanted))
    for number in range(1, MOST_ROUNDS):
        drawn = result.iloc[open_rows]
        if population.accept is not None and len(drawn):
            chance = np.asarray(population.accept(drawn), dtype=np.float64)
            lot = [numpy_generator(seed, "lot", int(i), number).random() for i in wanted[open_rows]]
            open_rows = open_rows[np.asarray(lot) >= chance]
        else:
            open_rows = open_rows[:0]
        if not len(open_rows):
            return result
        anew = _draw_round(population, wanted[open_rows], seed, number)
        anew.index = result.index[open_rows]
        result.iloc[open_rows] = anew
    raise ConfigError(
        f"the population accepts none of {MOST_ROUNDS} drawn faces", hint="Let accept() give more"
    )


def draw_non_faces(indices: Sequence[int], *, seed: int) -> pd.DataFrame:
    """Return the factors of pictures without a whole face in the middle.

    They are the same for every population: whole faces of any tone are spoiled, or left out.

    Args:
        indices: which pictures, whole numbers from 0.
        seed: another seed gives other pictures.

    Returns:
        A row a picture: every factor, ``noise_seed``, and ``kind``, one of
        :data:`~debias.testbed.non_faces.NON_FACE_KINDS`.
    """
    numbers = np.asarray(indices, dtype=np.int64)
    draws = Draws.of(seed, "non-face", numbers)
    table = _usual_factors(_tones(draws, NON_FACE_SKIN_TONES), draws.below(0.5), draws)
    kinds = make_non_faces(table, draws)
    return _finish(table, seed, "non-face", numbers).assign(kind=kinds)


__all__ = ["NON_FACE_KINDS", "Population", "draw_faces", "draw_non_faces"]


def _draw_round(
    population: Population, indices: NDArray[np.int64], seed: int, number: int
) -> pd.DataFrame:
    name = "face" if number == 0 else f"face again {number}"
    draws = Draws.of(seed, name, indices)
    tones = _tones(draws, population.skin_tones)
    shares = population.female_by_skin_tone()
    by_tone = np.array([shares.get(group, 0.0) for group in skin_tone_groups(tones)])
    female = draws.below(by_tone)
    table = _usual_factors(tones, female, draws)
    for factor in NAMES:  # in one order, whatever that of the ranges
        if factor in population.ranges:
            table[factor] = draws.even(*population.ranges[factor])
    genders = np.where(female, *GENDERS)
    return _finish(table, seed, name, indices).assign(gender=genders)


def skin_tone_groups(tones: NDArray[np.float64]) -> NDArray[np.object_]:
    """Return light, medium or dark for tones on the Monk scale, of shape (image,)."""
    edges = [low for low, _ in list(SKIN_TONES.values())[1:]]
    return np.array(list(SKIN_TONES), dtype=object)[np.searchsorted(edges, tones, side="right")]


def _tones(draws: Draws, shares: Mapping[str, float]) -> NDArray[np.float64]:
    groups = list(shares)
    ends = np.cumsum([shares[group] for group in groups])
    ends[-1] = 1
    chosen = np.searchsorted(ends, draws.even(0, 1), side="right")
    low, high = np.array([SKIN_TONES[group] for group in groups])[chosen].T
    place = draws.even(0, 1)
    tones: NDArray[np.float64] = np.minimum(low + place * (high - low), np.nextafter(high, low))
    return tones


def _finish(table: Values, seed: int, name: str, indices: NDArray[np.int64]) -> pd.DataFrame:
    """Return a table of float32 factors, within their ranges, with the noise seeds."""
    columns = {
        factor.name: np.clip(table[factor.name], factor.low, factor.high).astype(np.float32)
        for factor in FACTORS
    }
    seeds = [derive_seed(seed, "noise", name, int(i)) for i in indices]
    return pd.DataFrame(columns).assign(**{SEED: np.array(seeds, dtype=np.int64)})


def _usual_factors(tones: NDArray[np.float64], female: NDArray[np.bool_], d: Draws) -> Values:
    """Return factors as in life: gender and age shift many of them, and decide none."""
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
