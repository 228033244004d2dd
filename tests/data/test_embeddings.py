from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from debias.data.embeddings import read_embedding
from debias.errors import DataError

IDS = ["003", "001", "002"]
VECTORS = np.array([[3.0, 30.5], [1.0, 10.5], [2.0, 20.5]], dtype=np.float32)


def write(folder: Path, kind: str, ids: list[str] = IDS, vectors: np.ndarray = VECTORS) -> Path:
    path = folder / f"e.{kind.removesuffix(' of lists')}"
    if kind == "npz":
        np.savez(path, image_id=np.array(ids), embedding=vectors)
    elif kind == "parquet of lists":
        pq.write_table(pa.table({"image_id": ids, "embedding": list(vectors)}), path)
    else:
        table = pd.DataFrame(vectors, columns=[f"z{k}" for k in range(vectors.shape[1])])
        table.insert(0, "image_id", ids)
        if kind == "csv":
            table.to_csv(path, index=False)
        else:
            table.to_parquet(path, index=False)
    return path


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet", "parquet of lists"])
def test_rows_are_joined_by_id_in_the_order_asked_for(kind: str, tmp_path: Path) -> None:
    found = read_embedding(write(tmp_path, kind), image_ids=["001", "absent", "003"])
    assert found.vectors.tolist() == [[1.0, 10.5], [3.0, 30.5]]
    assert found.vectors.dtype == np.float32
    assert found.positions.tolist() == [0, 2]
    assert found.num_unmatched == 1


def test_a_folder_of_parquet_parts_is_one_table(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for k in range(3):
        path = write(tmp_path, "parquet", [IDS[k]], VECTORS[k : k + 1])
        path.rename(tmp_path / "parts" / f"{k}.parquet")
    found = read_embedding(tmp_path / "parts", image_ids=IDS)
    np.testing.assert_array_equal(found.vectors, VECTORS)


def test_numbers_as_ids_mean_what_they_say(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", image_id=np.array([7, 12]), embedding=VECTORS[:2])
    assert read_embedding(tmp_path / "e.npz", image_ids=["12"]).vectors.tolist() == [[1.0, 10.5]]


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet", "parquet of lists"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_must_be_finite(kind: str, value: float, tmp_path: Path) -> None:
    vectors = VECTORS.astype(np.float64)
    vectors[1, 0] = value
    with pytest.raises(DataError, match=r"not finite in 1 rows, first that of '001'"):
        read_embedding(write(tmp_path, kind, vectors=vectors), image_ids=IDS)


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet"])
def test_an_id_comes_once(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="image_id is repeated: '001'"):
        read_embedding(write(tmp_path, kind, ["001", "001", "002"]), image_ids=IDS)


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet"])
def test_an_id_is_not_empty(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="image_id is missing in 1 rows"):
        read_embedding(write(tmp_path, kind, ["001", "", "002"]), image_ids=IDS)


def test_nothing_asked_for_is_nothing_found(tmp_path: Path) -> None:
    assert read_embedding(write(tmp_path, "csv"), image_ids=[]).vectors.shape == (0, 2)


def test_too_few_images_are_refused_and_ids_shown(tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    wanted = ["001", "a.jpg", "b.jpg"]
    with pytest.raises(DataError, match=r"1 of 3 images. Ids look like '003' here and like '001'"):
        read_embedding(path, image_ids=wanted)
    assert read_embedding(path, image_ids=wanted, min_share_matched=0.3).positions.tolist() == [0]
    with pytest.raises(DataError, match="0 of 1 images"):
        read_embedding(path, image_ids=["c"], min_share_matched=0.0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"z0": [1.0]}, "no column 'image_id'"),
        ({"image_id": ["a"], "z0": ["x"]}, "'z0' is not of numbers"),
        ({"image_id": ["a"], "z0": [True]}, "'z0' is not of numbers"),
        ({"image_id": ["a"]}, "has no dimensions"),
        ({"image_id": ["a"], "z0": [1.0], "y_score": [0.5]}, "'y_score', which is no dimension"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_hold_ids_and_numbers(
    columns: dict[str, list[Any]], message: str, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / f"e.{kind}"
    table = pd.DataFrame(columns)
    if kind == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    with pytest.raises(DataError, match=message):
        read_embedding(path, image_ids=["a"])


def test_a_column_comes_once(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("image_id,z,z\na,1,2\n")
    with pytest.raises(DataError, match="'z' more than once"):
        read_embedding(tmp_path / "e.csv", image_ids=["a"])


def test_lists_are_of_one_length(tmp_path: Path) -> None:
    table = pa.table({"image_id": ["a", "b"], "embedding": [[1.0], [1.0, 2.0]]})
    pq.write_table(table, tmp_path / "e.parquet")
    with pytest.raises(DataError, match="differ in length"):
        read_embedding(tmp_path / "e.parquet", image_ids=["a", "b"])


class _Trap:
    """What would leave a trace if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    ids = np.array([_Trap(tmp_path / "sprung")], dtype=object)
    np.savez(tmp_path / "e.npz", image_id=ids, embedding=VECTORS[:1])
    with pytest.raises(DataError, match="not of objects"):
        read_embedding(tmp_path / "e.npz", image_ids=["a"])
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image_id": np.array(["a"])}, "no column 'embedding'"),
        ({"image_id": np.array(["a"]), "embedding": np.ones((2, 2))}, "does not fit"),
        ({"image_id": np.array(["a"]), "embedding": np.ones(1)}, "does not fit"),
        ({"image_id": np.array(["a"]), "embedding": np.array([["x"]])}, "embedding is of"),
    ],
)
def test_arrays_fit_each_other(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        read_embedding(tmp_path / "e.npz", image_ids=["a"])


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_torn_arrays_are_told(share: float, tmp_path: Path) -> None:
    path, generator = tmp_path / "e.npz", np.random.default_rng(0)
    ids = np.array([f"i{n}" for n in range(99)])
    np.savez_compressed(path, image_id=ids, embedding=generator.normal(size=(99, 8)))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"e\.npz: is torn, or no \.npz file"):
        read_embedding(path, image_ids=["i1"])
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    with pytest.raises(DataError, match=r"e\.npz: is torn, or no \.npz file"):
        read_embedding(path, image_ids=["i1"])


@pytest.mark.parametrize("name", ["e.npz", "e.csv", "e.parquet", "e.txt"])
def test_files_that_are_none_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=name):
        read_embedding(tmp_path / name, image_ids=["a"])
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=name):
        read_embedding(tmp_path / name, image_ids=["a"])
