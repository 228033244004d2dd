"""What a table of predictions must be: every check names the rows that fail it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from debias.data.tables import TEXT, as_labels, as_text
from debias.errors import DataError

WINDOW_MARK = r"#w\d+$"
"""What the id of a window adds to that of the picture it was cut from."""

PERSON = "person "
"""How a cluster starts that is a person, and neither a picture nor an image by itself."""
NUM_SHOWN = 3
NUM_SEEN = 5
"""Words that stand where 0 or 1 must, of which a message lists no more."""


def check_predictions(
    table: pd.DataFrame, *, path: Path | None, names: Mapping[str, str]
) -> pd.DataFrame:
    """Return the labelled rows with the columns of :class:`~debias.data.predictions.Predictions`.

    Args:
        table: ``image_id`` and ``y_true``, and the other columns of predictions where known; its
            index, which the result keeps, numbers the rows from 0.
        path: the file, for messages; None for arguments of a call, which name themselves.
        names: what a column is called in the file, where that is another name.

    Raises:
        DataError: see :func:`debias.data.predictions.read_predictions`.
    """
    refuse = _Refusal(path, names)
    seed = _checked_seeds(table, refuse)
    ids = _checked_ids(table["image_id"], seed, refuse)
    y_true = _zero_or_one(table["y_true"], refuse, missing_allowed=True).dropna()
    if y_true.empty:
        raise DataError("no row has a label in 'y_true'", where=path, hint="A face is 1, else 0")
    table = table.loc[y_true.index]
    clean = pd.DataFrame({"image_id": ids[y_true.index], "y_true": y_true.astype(bool)})
    if "y_score" in table:
        clean["y_score"] = _finite(table["y_score"], refuse, ids=None if path is None else ids)
    if "y_pred" in table:
        answers = _zero_or_one(table["y_pred"], refuse, missing_allowed=False)
        clean["y_pred"] = answers.astype(bool)
    identity, picture = (optional_text(table, name) for name in ("identity_id", "picture"))
    clean["cluster"] = _clusters(clean, identity, picture)
    if "sample_weight" in table:
        clean["sample_weight"] = _weights(table["sample_weight"], refuse)
    if seed is not None:
        clean["seed"] = seed[y_true.index]
        _check_same_images(clean, path)
    return clean


def optional_text(table: pd.DataFrame, name: str) -> pd.Series[Any]:
    """Return a column as text, missing throughout where the table lacks it."""
    if name not in table:
        return pd.Series(np.nan, index=table.index, dtype=TEXT)
    return as_text(table[name])


def label_hint(words: Iterable[str]) -> str:
    """Return what to do about labels or answers that are not 0 or 1.

    Args:
        words: those that were found instead, empty cells left out.
    """
    seen = sorted(set(words))
    if not seen:
        return "Every labelled row needs a 1 or a 0"
    more = ", ..." if len(seen) > NUM_SEEN else ""
    listed = ", ".join(map(repr, seen[:NUM_SEEN])) + more
    return f"Found {listed}; write 1 for a face and 0 for anything else"


def score_hint(image_id: str, value: object) -> str:
    """Return what to do about scores that are not finite numbers.

    Args:
        image_id: of the first such row.
        value: of the first such row.
    """
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d*,\d+\s*", value):
        return "Write decimal numbers with a point"
    if isinstance(value, str) and value.strip().endswith("%"):
        return "Write numbers alone, without a percent sign"
    return f"The first is image {image_id!r}; give every image a score"


class _Refusal:
    """Names the bad rows of a table in messages.

    Args:
        path: the file, or None.
        names: what a column is called in the file, where that is another name.
    """

    def __init__(self, path: Path | None, names: Mapping[str, str]) -> None:
        self._path = path
        self._names = names

    def __call__(
        self,
        bad: pd.Series[Any],
        column: str,
        what: str,
        values: pd.Series[Any],
        hint: str | None = None,
    ) -> None:
        """Raise a DataError if any row is bad, showing the first three; rows count from 1."""
        if not bad.any():
            return
        flagged = bad[bad].index
        first = values[flagged[:NUM_SHOWN]].tolist()  # NumPy's numbers say that they are NumPy's
        shown = ", ".join(
            f"row {row + 1} ({value!r})" for row, value in zip(flagged, first, strict=False)
        )
        more = f" and {len(flagged) - NUM_SHOWN:,} more" if len(flagged) > NUM_SHOWN else ""
        old = self._names.get(column, column)
        called = column if old == column else f"{column} (column {old!r})"
        raise DataError(
            f"{called} {what} in {num(len(flagged), 'row')}: {shown}{more}",
            where=self._path,
            hint=hint,
        )


def _checked_seeds(table: pd.DataFrame, refuse: _Refusal) -> pd.Series[Any] | None:
    if "seed" not in table:
        return None
    seed = as_text(table["seed"]).str.strip()
    refuse(seed.isna(), "seed", "is missing", seed)
    return seed


def _checked_ids(
    column: pd.Series[Any], seed: pd.Series[Any] | None, refuse: _Refusal
) -> pd.Series[Any]:
    ids = as_text(column)
    refuse(ids.isna(), "image_id", "is missing", ids)
    if seed is None:
        twice, hint = ids.duplicated(keep=False), "Give one row an image"
    else:
        twice = pd.DataFrame({"seed": seed, "image_id": ids}).duplicated(keep=False)
        hint = "Give one row an image for each seed"
    refuse(twice, "image_id", "is repeated", ids, hint)
    return ids


def _zero_or_one(
    column: pd.Series[Any], refuse: _Refusal, *, missing_allowed: bool
) -> pd.Series[Any]:
    """Return a column of 0, 1 and, where allowed, NA, from numbers, truth values or their text."""
    words = as_text(column)
    values = as_labels(words)
    bad = values.isna() & words.notna() if missing_allowed else values.isna()
    hint = label_hint(words[bad].dropna()) if bad.any() else None
    refuse(bad, str(column.name), "is not 0 or 1", words, hint)
    return values


def _finite(
    column: pd.Series[Any], refuse: _Refusal, *, ids: pd.Series[Any] | None = None
) -> pd.Series[Any]:
    """Return a column of finite numbers; a message names the first bad row's id, if it is told."""
    values = pd.to_numeric(column, errors="coerce").astype("float64")
    bad = pd.Series(~np.isfinite(values.to_numpy(dtype=np.float64)), index=values.index)
    hint = None
    if ids is not None and bad.any():
        first = int(bad.to_numpy().argmax())
        hint = score_hint(ids[bad.index].iloc[first], column.iloc[first])
    refuse(bad, str(column.name), "is not a finite number", column, hint)
    return values


def _weights(column: pd.Series[Any], refuse: _Refusal) -> pd.Series[Any]:
    values = _finite(column, refuse)
    refuse(values < 0.0, "sample_weight", "is negative", column)
    refuse((values == 0.0) & (values.max() == 0.0), "sample_weight", "is 0 throughout", column)
    return values


def _clusters(
    table: pd.DataFrame, identity: pd.Series[Any], picture: pd.Series[Any]
) -> pd.Series[Any]:
    """Return what each row shares with others: its person where that is known, else its picture.

    The rows of one image by several seeds always share it.
    """
    source = table["image_id"].str.replace(WINDOW_MARK, "", regex=True)
    picture = ("picture " + picture).fillna("id " + source)
    return (PERSON + identity).fillna(picture)


def _check_same_images(table: pd.DataFrame, path: Path | None) -> None:
    """See that every seed has the same images with the same labels."""
    seeds = table["seed"].unique()
    by_image = table.groupby("image_id", sort=False)
    times = by_image.size()
    partial = times[times < len(seeds)].index
    if len(partial):
        shown = [_not_by(image, table, list(seeds)) for image in partial[:NUM_SHOWN]]
        raise DataError(
            f"not every seed judges the same images: {num(len(partial), 'image')} by some seeds "
            f"only: {_listed(shown, len(partial))}",
            where=path,
            hint="Give the predictions of every seed for the same images",
        )
    contrary = times.index[by_image["y_true"].nunique().to_numpy() > 1]
    if len(contrary):
        raise DataError(
            f"y_true differs between seeds for {num(len(contrary), 'image')}: "
            f"{_listed([repr(image) for image in contrary[:NUM_SHOWN]], len(contrary))}",
            where=path,
        )


def _not_by(image: str, table: pd.DataFrame, seeds: Sequence[str]) -> str:
    judged = set(table.loc[table["image_id"] == image, "seed"])
    lacking = next(seed for seed in seeds if seed not in judged)
    return f"{image!r} not by seed {lacking!r}"


def _listed(shown: Sequence[str], total: int) -> str:
    return ", ".join(shown) + (", ..." if total > len(shown) else "")


def num(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural unless it is one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
