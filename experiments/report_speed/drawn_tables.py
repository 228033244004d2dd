"""Tables of predictions and attributes of any length, drawn and written part by part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

VALUES = {
    "skin_tone": ["I-II", "III", "IV", "V-VI"],
    "gender": ["female", "male"],
    "age": ["0-17", "18-64", "65+"],
    "glasses": ["no", "yes"],
}
UNKNOWN_SHARE = 0.02
PART_ROWS = 1_000_000


def write_tables(folder: Path, num_rows: int, *, attributes_apart: bool) -> None:
    """Write ``predictions`` and perhaps ``attributes`` as folders of Parquet parts.

    Ids are text of 14 characters. Attributes apart are in another order of parts and rows.

    Args:
        folder: an empty folder.
        num_rows: in each table.
        attributes_apart: whether attributes are a table of their own.
    """
    (folder / "predictions").mkdir()
    (folder / "attributes").mkdir()
    num_parts = -(-num_rows // PART_ROWS)
    for part in range(num_parts):
        generator = np.random.default_rng(part)
        first = part * PART_ROWS
        size = min(PART_ROWS, num_rows - first)
        numbers = np.char.zfill(np.arange(first, first + size).astype(str), 10)
        ids = pa.array(np.char.add("img_", numbers))
        labels = generator.random(size) < 0.5
        scores = 1 / (1 + np.exp(-generator.normal(np.where(labels, 2.0, -2.0))))
        answers = {"y_true": labels.astype(np.int8), "y_score": scores}
        known = pa.table({"image_id": ids})
        for name, values in VALUES.items():
            codes = generator.integers(0, len(values), size).astype(np.int8)
            cells = pa.array(codes, mask=generator.random(size) < UNKNOWN_SHARE)
            known = known.append_column(name, pa.DictionaryArray.from_arrays(cells, values))
        table = pa.table({"image_id": ids, **answers})
        if attributes_apart:
            shuffled = known.take(pa.array(generator.permutation(size)))
            pq.write_table(shuffled, folder / "attributes" / f"{num_parts - part:05d}.parquet")
        else:
            for name in VALUES:
                table = table.append_column(name, known[name])
        pq.write_table(table, folder / "predictions" / f"{part:05d}.parquet")


def rows_in_memory(num_rows: int) -> pd.DataFrame:
    """Return ``y_true``, ``y_pred`` and the attributes, all known, as categories."""
    generator = np.random.default_rng(0)
    labels = generator.random(num_rows) < 0.5
    table = pd.DataFrame({"y_true": labels.astype(np.int8)})
    table["y_pred"] = (generator.normal(np.where(labels, 2.0, -2.0)) >= 0.0).astype(np.int8)
    for name, values in VALUES.items():
        codes = generator.integers(0, len(values), num_rows)
        table[name] = pd.Categorical.from_codes(codes, categories=pd.Index(values))
    return table
