"""People and pictures that are in two splits: what is learned from the one helps in the other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.findings import Concerned, Finding
from debias.data.manifest_checks import SPLITS

KEPT_SPLITS = tuple(reversed(SPLITS))
"""Where there is a choice, the test keeps its images and training gives them up: so results stay
comparable with older ones on the same test."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Leakage:
    """What is in more than one split.

    Attributes:
        num_identified: images that can be read and whose person is known.
        num_people: people known in these.
        num_torn_people: of them in more than one split.
        num_torn_pictures: files of which windows are in more than one split.
        people_by_splits: how many people each pair of splits shares, by names such as
            ``train and test``.
        keep: whether an image can stay, shape (image,): of a torn person or picture only the
            images of one split can, of :data:`KEPT_SPLITS` the first that there is.
        findings: what was found.
    """

    num_identified: int
    num_people: int
    num_torn_people: int
    num_torn_pictures: int
    people_by_splits: dict[str, int]
    keep: NDArray[np.bool_]
    findings: tuple[Finding, ...]


def find_leakage(table: pd.DataFrame, *, readable: NDArray[np.bool_] | None = None) -> Leakage:
    """Return which people and pictures are in more than one split.

    An image without a split is in none, one whose person is unknown shows nobody else, and one
    that cannot be read shows nobody.

    Args:
        table: of a manifest that may be torn; see
            :func:`debias.data.manifest.manifest_from_table`.
        readable: which images can be decoded, shape (image,); None for all.
    """
    seen = np.ones(len(table), dtype=np.bool_) if readable is None else readable
    split, person = table["split"].where(seen), table["identity_id"].where(seen)
    torn_person, torn_picture = _torn(split, person), _torn(split, table["path"])
    num_torn_people = int(person[torn_person].nunique())
    num_torn_pictures = int(table["path"][torn_picture].nunique())
    by_splits = shared_by_splits(split[torn_person], person[torn_person])
    findings = []
    if num_torn_people:
        findings.append(
            Finding(
                kind="identity-across-splits",
                severity="serious",
                subject="people in two splits",
                message=f"{counted(num_torn_people, 'person', 'people')} with "
                f"{counted(int(torn_person.sum()), 'image')} are in more than one split"
                f" ({written(by_splits)}).",
                measure="people in more than one split",
                value=float(num_torn_people),
                limit=0.0,
                num_images=int(torn_person.sum()),
                images=_with_others(torn_person, person, split),
            )
        )
    if num_torn_pictures:
        shared = shared_by_splits(split[torn_picture], table["path"][torn_picture])
        findings.append(
            Finding(
                kind="duplicate-across-splits",
                severity="serious",
                subject="windows of one picture",
                message=f"Windows of {counted(num_torn_pictures, 'picture')}, "
                f"{counted(int(torn_picture.sum()), 'image')} in all, are in more than one split"
                f" ({written(shared)}).",
                measure="pictures with windows in more than one split",
                value=float(num_torn_pictures),
                limit=0.0,
                num_images=int(torn_picture.sum()),
                images=_with_others(torn_picture, table["path"], split),
            )
        )
    return Leakage(
        num_identified=int(person.notna().sum()),
        num_people=int(person.nunique()),
        num_torn_people=num_torn_people,
        num_torn_pictures=num_torn_pictures,
        people_by_splits=by_splits,
        keep=_in_kept_split(split, person) & _in_kept_split(split, table["path"]),
        findings=tuple(findings),
    )


def split_ranks(split: pd.Series[str]) -> NDArray[np.intp]:
    """Return the place of each image's split in :data:`KEPT_SPLITS`; no split comes last."""
    ranks = {name: rank for rank, name in enumerate(KEPT_SPLITS)}
    found: NDArray[np.intp] = split.map(ranks).fillna(len(ranks)).to_numpy().astype(np.intp)
    return found


def shared_by_splits(split: pd.Series[str], unit: pd.Series[str]) -> dict[str, int]:
    """Return how many units each pair of splits shares; pairs that share none are left out.

    Args:
        split: of each image.
        unit: what may be shared, such as the person of each image.
    """
    inside = {name: set(unit[(split == name).fillna(False)].dropna()) for name in SPLITS}
    shared = {
        f"{one} and {other}": len(inside[one] & inside[other])
        for one, other in combinations(SPLITS, 2)
    }
    return {name: count for name, count in shared.items() if count}


def counted(count: int, word: str, plural: str | None = None) -> str:
    """Return a count with its word, such as ``1 image`` or ``1,200 images``."""
    return f"{count:,} {word if count == 1 else plural or word + 's'}"


def written(shared: dict[str, int]) -> str:
    """Return what pairs of splits share, in words."""
    return ", ".join(f"{count:,} in {name}" for name, count in shared.items())


def _torn(split: pd.Series[str], unit: pd.Series[str]) -> NDArray[np.bool_]:
    num_splits = split.groupby(unit).transform("nunique")
    torn: NDArray[np.bool_] = ((num_splits > 1) & split.notna()).to_numpy(dtype=np.bool_)
    return torn


def _in_kept_split(split: pd.Series[str], unit: pd.Series[str]) -> NDArray[np.bool_]:
    ranks = pd.Series(split_ranks(split), index=split.index)
    best = ranks.groupby(unit).transform("min").fillna(ranks)
    kept: NDArray[np.bool_] = (split.isna() | (ranks == best)).to_numpy(dtype=np.bool_)
    return kept


def _with_others(torn: NDArray[np.bool_], unit: pd.Series[str], split: pd.Series[str]) -> Concerned:
    """Return the torn images, each with the first image of its unit in another split."""
    rows = np.flatnonzero(torn)
    own = pd.DataFrame({"unit": unit.iloc[rows].to_numpy(), "split": split.iloc[rows].to_numpy()})
    firsts = own.assign(row=rows).drop_duplicates(["unit", "split"])
    pairs = own.assign(row=rows).merge(firsts, on="unit", suffixes=("", "_other"))
    pairs = pairs[pairs["split"] != pairs["split_other"]].drop_duplicates("row")
    return Concerned.of(pairs["row"].to_numpy(), others=pairs["row_other"].to_numpy())
