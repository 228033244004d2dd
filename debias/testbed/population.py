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
from debias.testbed.usual import usual_factors

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
    everything else independent of both, but for what goes with them and with age in life: darker
    skin comes with darker eyes and hair, more curls, wider noses and fuller lips, gender with
    shape, hair and make-up; see :func:`~debias.testbed.usual.usual_factors`. A bias is planted by
    the shares, by ranges, or by ``accept``, which can make any factors depend on any others.

    Args:
        skin_tones: the share of light, medium and dark; non-negative, summing to 1.
        female: the share of women; or one for each skin tone.
        ranges: for a factor other than ``tone``, the least and the greatest value: it is drawn
            evenly between them, in place of its usual distribution, and no other factor follows
            it: a range of ``age`` greys nobody. For that use ``accept``.
        accept: given a row a face, with a column for each factor, ``noise_seed`` and ``gender``
            (female or male), the probability in [0, 1] that each is kept, of shape (face,); those
            that are not are drawn anew, whole. So the shares of skin tone and gender are then
            those of the faces kept. None keeps all.

    Raises:
        ConfigError: shares that are none, a skin tone, factor or range that is not known, or a
            range of ``tone``, whose shares are ``skin_tones``.
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
        # Put so that shares that are no numbers (NaN) are refused too.
        if not (all(share >= 0 for share in shares) and abs(sum(shares) - 1) <= 1e-9):
            raise ConfigError(
                f"the shares of skin tones are {shares}",
                hint="They must sum to 1, and none may be negative",
            )
        by_tone = self.female_by_skin_tone()
        if not all(0 <= share <= 1 for share in by_tone.values()):
            raise ConfigError(f"female is {self.female}", hint="A share is from 0 to 1")
        for name, (low, high) in self.ranges.items():
            if name not in _BY_NAME:
                raise ConfigError(f"no factor is called {name!r}", hint=nearest(name, _BY_NAME))
            if name == "tone":
                raise ConfigError(
                    "the range of tone cannot be set", hint="Set skin_tones, or use accept"
                )
            known = _BY_NAME[name]
            if not known.low <= low <= high <= known.high:
                raise ConfigError(
                    f"the range of {name} is {low} to {high}",
                    hint=f"It may lie in {known.low} to {known.high}",
                )

    def female_by_skin_tone(self) -> dict[str, float]:
        """Return the share of women of each skin tone."""
        if isinstance(self.female, Mapping):
            for name in self.female:
                if name not in SKIN_TONES:
                    raise ConfigError(
                        f"female has a share for {name!r}, which is no skin tone",
                        hint=nearest(name, SKIN_TONES),
                    )
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
        ConfigError: the population accepts next to nothing, or its ``accept`` gives no
            probabilities.
    """
    wanted = np.asarray(indices, dtype=np.int64)
    result = _draw_round(population, wanted, seed, 0)
    open_rows = np.arange(len(wanted))
    for number in range(1, MOST_ROUNDS):
        drawn = result.iloc[open_rows]
        if population.accept is not None and len(drawn):
            chance = _checked_chances(population.accept(drawn), len(drawn))
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


def _checked_chances(chances: NDArray[np.float64], num_faces: int) -> NDArray[np.float64]:
    """Return what ``accept`` gave, if it is a probability for each face."""
    given = np.asarray(chances)
    numbers = given.dtype.kind in "buif"
    if not numbers or given.shape != (num_faces,) or not ((given >= 0) & (given <= 1)).all():
        raise ConfigError(
            "accept() gave no probability for each face",
            hint=f"Here it must return {num_faces} numbers from 0 to 1, of shape ({num_faces},)",
        )
    return given.astype(np.float64)


def draw_non_faces(
    indices: Sequence[int], *, seed: int, kinds: Mapping[str, float] = NON_FACE_KINDS
) -> pd.DataFrame:
    """Return the factors of pictures without a whole face in the middle.

    They are the same for every population: whole faces of any tone are spoiled, or left out.

    Args:
        indices: which pictures, whole numbers from 0.
        seed: another seed gives other pictures.
        kinds: how often each is drawn, by some of the names of
            :data:`~debias.testbed.non_faces.NON_FACE_KINDS`.

    Returns:
        A row a picture: every factor, ``noise_seed``, and ``kind``.

    Raises:
        ConfigError: a kind is not known.
    """
    for name in kinds:
        if name not in NON_FACE_KINDS:
            hint = nearest(name, NON_FACE_KINDS)
            raise ConfigError(f"no kind of non-face is called {name!r}", hint=hint)
    numbers = np.asarray(indices, dtype=np.int64)
    draws = Draws.of(seed, "non-face", numbers)
    table = usual_factors(_tones(draws, NON_FACE_SKIN_TONES), draws.below(0.5), draws)
    drawn = make_non_faces(table, draws, kinds)
    return _finish(table, seed, "non-face", numbers).assign(kind=drawn)


def _draw_round(
    population: Population, indices: NDArray[np.int64], seed: int, number: int
) -> pd.DataFrame:
    name = "face" if number == 0 else f"face again {number}"
    draws = Draws.of(seed, name, indices)
    tones = _tones(draws, population.skin_tones)
    shares = population.female_by_skin_tone()
    by_tone = np.array([shares.get(group, 0.0) for group in skin_tone_groups(tones)])
    female = draws.below(by_tone)
    table = usual_factors(tones, female, draws)
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
