"""Embeddings of images by id, from whatever model: where a search for slices looks."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from debias.data.table_files import open_table, readable
from debias.data.tables import as_text, read_table, require_columns
from debias.errors import DataError

ID, VECTORS = "image_id", "embedding"
NO_DIMENSIONS = frozenset(
    {"y_true", "y_score", "y_pred", "label", "split", "seed", "identity_id", "sample_weight"}
)
"""Columns of other tables, which would give away what an embedding must not know."""
MIN_SHARE_MATCHED = 0.5
_KINDS = "Embeddings are .npz, .parquet or .csv"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedding:
    """The embedding of those images that have one.

    Attributes:
        vectors: finite, shape (image, dimension), in the order of the ids asked for.
        positions: which of the ids asked for these are, ascending, shape (image,).
        num_unmatched: rows of the file whose image was not asked for.
    """

    vectors: NDArray[np.float32]
    positions: NDArray[np.intp]
    num_unmatched: int


def read_embedding(
    path: Path, *, image_ids: Sequence[str], min_share_matched: float = MIN_SHARE_MATCHED
) -> Embedding:
    """Return the embedding of images, joined strictly on ``image_id``.

    Args:
        path: ``.npz`` with the arrays ``image_id`` (image,) and ``embedding`` (image, dimension),
            never unpickled; or CSV or Parquet with ``image_id`` and either a column of numbers
            for each dimension or, in Parquet, one column ``embedding`` of lists.
        image_ids: which images, each once.
        min_share_matched: with fewer of them in the file it is refused: what is found in a part
            that somebody chose need not hold for the whole.

    Raises:
        DataError: the file is not what it must be, a value is not finite, an id is empty or
            comes twice, or too few images have a row.
    """
    path = Path(path)
    ids, vectors = _read_arrays(path) if path.suffix.lower() == ".npz" else _read_columns(path)
    _check(ids, vectors, path)
    found = pd.Index(ids.to_numpy(dtype=object)).get_indexer(np.array(image_ids, dtype=object))
    positions = np.flatnonzero(found >= 0)
    if len(image_ids) and positions.size < max(min_share_matched * len(image_ids), 1):
        examples = f"{ids.iloc[0]!r} here and like {image_ids[0]!r} in the predictions"
        raise DataError(
            f"holds {positions.size:,} of {len(image_ids):,} images",
            where=path,
            hint=f"Ids look like {examples}",
        )
    return Embedding(
        vectors=vectors[found[positions]],
        positions=positions,
        num_unmatched=len(ids) - positions.size,
    )


def _read_arrays(path: Path) -> tuple[pd.Series[Any], NDArray[np.float32]]:
    """Read the two arrays of an ``.npz`` file."""
    if not path.is_file():
        raise DataError("there is no such file", where=path, hint="Check the path")
    try:
        with path.open("rb") as opened, NpzFile(opened, allow_pickle=False) as file:
            require_columns(file.files, [ID, VECTORS], where=path)
            ids, vectors = file[ID], file[VECTORS]
    except DataError:
        raise
    except (EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise DataError(
            "is torn, or no .npz file", where=path, hint="Copy or save it once more, whole"
        ) from problem
    except (OSError, ValueError, NotImplementedError) as problem:
        raise DataError(
            f"cannot be read as arrays: {' '.join(str(problem).split())[:200]}",
            where=path,
            hint="Save image_id as an array of text or whole numbers, not of objects",
        ) from problem
    if ids.ndim != 1 or vectors.ndim != 2 or len(ids) != len(vectors):
        raise DataError(
            f"image_id of shape {ids.shape} does not fit embedding of shape {vectors.shape}",
            where=path,
            hint="They are (image,) and (image, dimension)",
        )
    if ids.dtype.kind not in "UiufS" or vectors.dtype.kind not in "iuf":
        raise DataError(f"embedding is of {vectors.dtype}, image_id of {ids.dtype}", where=path)
    words = ids.astype(str) if ids.dtype.kind == "S" else ids
    return as_text(pd.Series(words)), _single(vectors)


def _read_columns(path: Path) -> tuple[pd.Series[Any], NDArray[np.float32]]:
    """Read the columns of a table: the ids, and one dimension each or all in one of lists."""
    table = _read_csv(path) if path.suffix.lower() == ".csv" else read_table(path)
    require_columns(table.columns, [ID], where=path)
    names = [name for name in table.columns if name != ID]
    stray = sorted(NO_DIMENSIONS.intersection(names))
    if stray:
        raise DataError(
            f"has the column {stray[0]!r}, which is no dimension of an embedding",
            where=path,
            hint="Give a file of image_id and the dimensions alone",
        )
    if names == [VECTORS] and table[VECTORS].dtype == object:
        return as_text(table[ID]), _stacked(table[VECTORS], path)
    for name in names:
        kind = table[name].dtype
        if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
            raise DataError(f"the column {name!r} is not of numbers", where=path)
    return as_text(table[ID]), _single(table[names].to_numpy(dtype=np.float64, na_value=np.nan))


def _read_csv(path: Path) -> pd.DataFrame:
    """Read ids as text and all else as the numbers it is."""
    open_table(path)  # refuses what is no CSV file
    with readable(path):
        table = pa_csv.read_csv(
            path, convert_options=pa_csv.ConvertOptions(column_types={ID: pa.string()})
        )
    if table.num_rows == 0:
        raise DataError("holds no rows", where=path)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _stacked(lists: pd.Series[Any], path: Path) -> NDArray[np.float32]:
    """Return a column of lists, all of one length, as an array."""
    try:
        vectors = _single(np.stack(lists.to_list()))
    except (TypeError, ValueError) as problem:
        raise DataError(
            "the lists in 'embedding' are not of numbers, or differ in length", where=path
        ) from problem
    if vectors.ndim != 2:
        raise DataError("'embedding' is not of lists of numbers", where=path)
    return vectors


def _single(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Return numbers as float32; what is too large for it becomes infinite, and is refused."""
    with np.errstate(over="ignore"):
        return vectors.astype(np.float32, copy=False)


def _check(ids: pd.Series[Any], vectors: NDArray[np.float32], path: Path) -> None:
    """Refuse ids that are missing or repeated, and vectors that are empty or not finite."""
    if ids.isna().any():
        raise DataError(f"image_id is missing in {int(ids.isna().sum()):,} rows", where=path)
    repeated = ids[ids.duplicated()]
    if len(repeated):
        raise DataError(
            f"image_id is repeated: {repeated.iloc[0]!r}", where=path, hint="Give one row an image"
        )
    if vectors.shape[1] == 0:
        raise DataError("has no dimensions", where=path, hint=_KINDS)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        raise DataError(
            f"the embedding is not finite in {bad.size:,} rows, first that of {ids.iloc[bad[0]]!r}",
            where=path,
        )
