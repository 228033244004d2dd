"""Which images train, choose and test: the same for the same ids and seed, whatever their order.

No person and no picture is ever in two splits, and every split has its share of each label.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from debias.data.manifest import Manifest
from debias.errors import ConfigError, DataError
from debias.seeding import derive_seed

UNLABELLED = -1


def assign_splits(
    manifest: Manifest, *, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1), seed: int
) -> Manifest:
    """Return the manifest with the splits it lacks.

    Without any split, all rows are divided into train, val and test; where there is train but no
    val, val is carved out of train in the proportion of their fractions; whatever else is given
    stays as it is.

    Rows that share an identity or a picture (its path: the windows of one picture) move together.
    Such groups are taken in an order that depends on the seed and their ids alone, each label by
    itself: those that fit fill test to its share of the rows, then val, and the rest is train. So
    a group larger than the share of val or test is in train; where all are that large, each takes
    the smallest, rather than none. A group with faces and non-faces counts as faces.

    Args:
        manifest: an image set.
        fractions: of train, val and test; non-negative, train positive, summing to 1. A split of
            fraction 0 is left out.
        seed: another seed gives another division.

    Raises:
        ConfigError: the fractions are none.
        DataError: some rows have a split and others have none; or a label has fewer groups than
            there are splits to fill.
    """
    if min(fractions) < 0 or fractions[0] <= 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ConfigError(
            f"cannot divide images by the fractions {fractions}",
            hint="Give train, val and test so that they sum to 1, with some for train",
        )
    given = manifest.table["split"]
    known = set(given.dropna())
    if known and given.isna().any():
        raise DataError(
            f"{int(given.isna().sum())} of {len(given)} rows have no split",
            where=manifest.root,
            hint="Give every row a split, or none",
        )
    train, val, test = fractions
    if not known:
        free, shares = np.ones(len(manifest), dtype=bool), {"test": test, "val": val}
    elif "train" in known and "val" not in known:
        free, shares = manifest.in_split("train"), {"val": val / (train + val)}
    else:
        return manifest
    table = manifest.table.copy()
    part = _divide(table[free], {k: v for k, v in shares.items() if v > 0}, seed, manifest)
    table.loc[free, "split"] = part
    return replace(manifest, table=table)


def _divide(
    table: pd.DataFrame, shares: dict[str, float], seed: int, manifest: Manifest
) -> NDArray[np.object_]:
    """Return the split of each row; what no share claims is train."""
    row_groups = _groups(table)
    by_group = pd.DataFrame(
        {
            "label": table["label"].fillna(UNLABELLED).astype(int).to_numpy(),
            "identity": table["identity_id"].to_numpy(),
            "image": table["image_id"].to_numpy(),
        }
    ).groupby(row_groups)
    groups = by_group.agg(label=("label", "max"), identity=("identity", "min"))
    groups["image"] = by_group["image"].min()
    groups["size"] = by_group.size()
    groups["rank"] = [
        derive_seed(seed, "split", *(("image", image) if pd.isna(identity) else ("id", identity)))
        for identity, image in zip(groups["identity"], groups["image"], strict=True)
    ]
    groups = groups.sort_values(["rank", "image"])
    result = pd.Series("train", index=groups.index, dtype=object)
    for label, stratum in groups.groupby("label"):
        if len(stratum) < len(shares) + 1:
            raise DataError(
                f"{len(stratum)} separate {_name(int(str(label)))} cannot fill "
                f"{len(shares) + 1} splits",
                where=manifest.root,
                hint="Add images, or name the splits in the manifest",
            )
        sizes = stratum["size"].to_numpy()
        left = np.ones(len(sizes), dtype=bool)
        for place, (name, share) in enumerate(shares.items()):
            num_unfilled = len(shares) - place  # a group must remain for each later split
            quota = max(1, round(share * int(sizes.sum())))
            taken = _fill(sizes, left, quota, most=int(left.sum()) - num_unfilled)
            result[stratum.index[taken]] = name
            left[taken] = False
    return result.reindex(row_groups).to_numpy()


def _name(label: int) -> str:
    return {1: "faces or people", 0: "non-faces", UNLABELLED: "unlabelled images"}[label]


def _groups(table: pd.DataFrame) -> NDArray[np.int64]:
    """Return a number for each row, equal where rows are linked by a path or an identity."""
    num_rows = len(table)
    paths, _ = pd.factorize(table["path"])
    people, _ = pd.factorize(table["identity_id"])  # -1 = unknown
    known = people >= 0
    rows = np.arange(num_rows)
    first = np.concatenate([rows, rows[known]])
    second = np.concatenate([num_rows + paths, 2 * num_rows + people[known]])
    links = coo_array((np.ones(len(first)), (first, second)), shape=(3 * num_rows, 3 * num_rows))
    _, numbers = connected_components(links, directed=False)
    return np.asarray(numbers[:num_rows], dtype=np.int64)


def _fill(sizes: NDArray[np.int64], left: NDArray[np.bool_], quota: int, *, most: int) -> list[int]:
    """Return which groups fill ``quota`` rows: of those left, in order, the ones that fit.

    Args:
        sizes: rows in each group.
        left: which groups may be taken.
        quota: rows wanted.
        most: the number of groups that may be taken, at least 1.
    """
    candidates = np.flatnonzero(left)
    taken: list[int] = []
    room = quota
    for k in candidates:
        if room == 0 or len(taken) == most:
            break
        if sizes[k] <= room:
            taken.append(int(k))
            room -= int(sizes[k])
    return taken or [int(candidates[np.argmin(sizes[candidates])])]
