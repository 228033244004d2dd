from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import debias.data.hash_partitions as hash_partitions
import debias.data.score_stream as score_stream
import debias.data.table_batches as table_batches
from debias.data.cell_codes import MAX_CELLS
from debias.data.id_hashes import hash_ids
from debias.data.joining import read_row_attributes
from debias.data.manifest import parse_where
from debias.data.predictions import read_predictions
from debias.data.score_stream import can_stream, stream_scores
from debias.errors import DataError, UsageError

GROUPS = {"tone": "tone", "gender": "gender"}


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many batches and parts of few rows, so that every seam is crossed."""
    monkeypatch.setattr(table_batches, "BATCH_ROWS", 7)
    monkeypatch.setattr(table_batches, "_BLOCK_BYTES", 256)
    monkeypatch.setattr(hash_partitions, "ROWS_A_PART", 16)
    monkeypatch.setattr(score_stream, "_CHUNK_ROWS", 5)


def table(num_rows: int = 60, *, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 30, num_rows)
    words = np.array(["dark", "light", None, " dark ", "", "é"], dtype=object)
    return pd.DataFrame(
        {
            "image_id": [f"{n:03d}" + "x" * k for n, k in enumerate(lengths)],
            "y_true": generator.integers(0, 2, num_rows),
            "y_score": generator.normal(size=num_rows),
            "tone": words[generator.integers(0, 6, num_rows)],
            "gender": words[generator.integers(0, 3, num_rows)],
        }
    )


def save(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        path.mkdir()
        for number, start in enumerate(range(0, len(frame), 25)):
            frame[start : start + 25].to_parquet(path / f"part-{number}.parquet")
    return path


def rows_of(path: Path, **settings: Any) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """All rows as (score, label, decision, values), sorted, and the facts of the stream."""
    settings = {"groups": GROUPS, **settings}
    with stream_scores(path, **settings) as stream:
        rows = [
            (float(score), bool(label), bool(answer), stream.cells[cell])
            for chunk in stream.chunks()
            for score, label, answer, cell in zip(
                chunk.y_score, chunk.y_true, chunk.y_pred, chunk.cells, strict=True
            )
        ]
        facts = {name: getattr(stream, name) for name in stream.__slots__}
    return sorted(rows, key=repr), facts


def expected_rows(
    path: Path,
    attributes: Path | None = None,
    *,
    where: Any = (),
    columns: Any = None,
    groups: Any = GROUPS,
) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """The same, from the table read whole."""
    whole = read_predictions(path, where=where, columns=columns or {})
    known = read_row_attributes(
        whole, attributes or path, columns=[f"{new}={old}" for new, old in groups.items()]
    )
    values = [tuple(None if pd.isna(v) else v for v in row) for row in known.table.to_numpy()]
    answers = whole.table["y_pred"] if "y_pred" in whole.table else [False] * len(values)
    scores = whole.table["y_score"] if "y_score" in whole.table else [np.nan] * len(values)
    rows = [
        (float(score), bool(label), bool(answer), value)
        for score, label, answer, value in zip(
            scores, whole.table["y_true"], answers, values, strict=True
        )
    ]
    negatives = known.negatives.notna()
    facts = {
        "path": path,
        "rows": whole.rows,
        "num_rows": whole.num_rows,
        "num_unlabelled": whole.num_unlabelled,
        "num_faces": len(whole.faces),
        "num_negatives": len(whole.negatives),
        "seen_splits": whole.seen_splits,
        "has_scores": whole.has_scores,
        "has_decisions": "y_pred" in whole.table,
        "columns": tuple(groups),
        "num_unknown": tuple(known.faces.table.isna().sum().tolist()),
        "num_faces_matched": known.num_faces_matched,
        "num_negatives_known": known.num_negatives_known,
        "num_negatives_grouped": int(negatives.all(axis="columns").sum()) if groups else 0,
        "num_attributes_unmatched": known.num_attributes_unmatched,
        "lookalikes": whole.lookalikes,
        "remarks": whole.remarks,
    }
    return sorted(rows, key=repr), facts


def assert_alike(path: Path, attributes: Path | None = None, **settings: Any) -> None:
    found, facts = rows_of(path, attributes=attributes, **settings)
    expected, whole = expected_rows(path, attributes, **settings)
    assert repr(found) == repr(expected)  # NaN is not equal to itself
    assert {name: facts[name] for name in whole} == whole


@pytest.mark.parametrize("name", ["p.csv", "p.parquet", "parts"])
def test_the_rows_are_those_of_the_table_read_whole(tmp_path: Path, name: str) -> None:
    assert_alike(save(table(), tmp_path / name))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_attributes_are_joined_from_another_file(tmp_path: Path, name: str) -> None:
    frame = table(80)
    people = frame[["image_id", "tone", "gender"]].sample(frac=1.0, random_state=0)[10:]
    people = pd.concat([people, people[:20], people[:3].assign(image_id=["u", "v", "w"])])
    path = save(frame.drop(columns=["tone", "gender"]), tmp_path / "p.parquet")
    assert_alike(path, save(people, tmp_path / name))


def test_parts_may_differ_in_types_that_one_type_holds(tmp_path: Path) -> None:
    folder = save(table(), tmp_path / "parts")
    last = pd.read_parquet(folder / "part-2.parquet")
    last = last.astype({"y_true": "int8", "y_score": "float32", "tone": "category"})
    last[last.columns[::-1]].to_parquet(folder / "part-2.parquet")
    assert_alike(folder)


def test_rows_of_one_image_complete_each_other(tmp_path: Path) -> None:
    frame = table(6).drop(columns=["tone", "gender"]).assign(y_true=1)
    first = frame[["image_id"]].assign(tone="dark", gender=None)
    second = frame[["image_id"]].assign(tone=None, gender="f")
    people = save(pd.concat([first, second]), tmp_path / "a.csv")
    found, _ = rows_of(save(frame, tmp_path / "p.parquet"), attributes=people)
    assert {row[3] for row in found} == {("dark", "f")}


def test_ids_meet_as_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"image_id": [1, 2, 3], "y_true": [1, 1, 0], "y_score": [0.5, 1, 2]})
    people = pd.DataFrame({"image_id": ["1", "2"], "tone": [5.0, 10.0]})
    path = save(frame, tmp_path / "p.parquet")
    assert_alike(path, save(people, tmp_path / "a.parquet"), groups={"tone": "tone"})
    assert rows_of(path, attributes=tmp_path / "a.parquet", groups={"tone": "tone"})[0][0][3] == (
        "5",
    )


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    frame = table().rename(columns={"image_id": "id", "y_true": "label", "tone": "race"})
    columns = {"image_id": "id", "y_true": "label"}
    people = frame[["id", "race", "gender"]].rename(columns={"id": "image_id"})
    path = save(frame.drop(columns=["race", "gender"]), tmp_path / "p.csv")
    groups = {"skin": "race", "gender": "gender"}
    assert_alike(path, save(people, tmp_path / "a.csv"), columns=columns, groups=groups)
    own = save(frame, tmp_path / "own.csv")
    assert rows_of(own, columns=columns, groups=groups)[0] == rows_of(
        path, attributes=tmp_path / "a.csv", columns=columns, groups=groups
    )[0]  # fmt: skip
    with pytest.raises(UsageError, match="no column of predictions"):
        rows_of(path, columns={"y_tru": "label"})


@pytest.mark.parametrize(
    "labels",
    [
        [True, False, None],
        [1.0, 0.0, np.nan],
        ["1", "0", ""],
        ["TRUE", "false", " "],
        ["1.0", " 0 ", None],
    ],
)
def test_labels_may_be_of_any_kind_and_missing(tmp_path: Path, labels: list[Any]) -> None:
    column = pd.Series((labels * 20), dtype=None if isinstance(labels[0], float) else object)
    frame = table().assign(y_true=column, y_pred=[1, 0, 1] * 20)
    assert_alike(save(frame, tmp_path / "p.parquet"))
    assert_alike(save(frame, tmp_path / "p.csv"))


def test_decisions_alone_will_do(tmp_path: Path) -> None:
    frame = table().drop(columns="y_score").assign(y_pred=[1, 0] * 30)
    path = save(frame, tmp_path / "p.parquet")
    assert_alike(path)
    with stream_scores(path, groups={}) as stream:
        counted = sum(int(scores.sum()) for scores, _, _ in stream.decisions())
    assert counted == 30


def test_contrary_decisions_are_counted(tmp_path: Path) -> None:
    frame = table().assign(y_score=np.linspace(0, 1, 60), y_pred=[0] * 30 + [1] * 30)
    with stream_scores(save(frame, tmp_path / "p.csv"), groups={}) as stream:
        assert stream.num_contrary(0.5) == 0
        assert stream.num_contrary(frame["y_score"][30]) == 0
        assert stream.num_contrary(np.nextafter(frame["y_score"][32], 1)) == 3
        negatives = np.sort(np.concatenate(list(stream.negative_scores())))
        assert np.array_equal(negatives, np.sort(frame.loc[frame.y_true == 0, "y_score"]))


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
@pytest.mark.parametrize(
    "where",
    [
        *([], ["split=val"], ["split!=test"], ["tone=dark,light"], ["split=", "tone="], ["n=1,2"]),
        *(["pose=front"], ["pose!="], ["pose="], ["pose=front", "n=1"], ["pose=side,", "n!=1"]),
        *(["some=x"], ["some!="], ["y_true=1"]),
    ],
)
def test_rows_are_chosen_alike(tmp_path: Path, name: str, where: list[str]) -> None:
    splits = np.array(["train", "test", "val", None], dtype=object)
    frame = table(90).assign(split=splits[np.arange(90) % 4], n=np.arange(90) % 3)
    poses = np.array([None, "front", "side", "front"], dtype=object)
    pose = pd.Series(poses[np.arange(90) % 4])
    frame["pose"] = pose.where(frame["y_true"] == 1)
    frame["some"] = pose.where(frame.index <= 70, "x")
    assert_alike(save(frame, tmp_path / name), where=parse_where(where))


@pytest.mark.parametrize("splits", [["train", "val"], ["train", None], ["val"]])
def test_splits_of_the_model_are_seen(tmp_path: Path, splits: list[str | None]) -> None:
    frame = table().assign(split=pd.Series((splits * 60)[:60], dtype=object))
    path = save(frame, tmp_path / "p.parquet")
    assert_alike(path)
    assert_alike(path, where=parse_where(["split!=test"]))


def _put(row: int, column: str, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: object})
        frame.loc[[row, row + 20], column] = value
        return frame

    return change


WRONG: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "missing column": lambda frame: frame.drop(columns="y_true"),
    "no answer": lambda frame: frame.drop(columns="y_score"),
    "no id": _put(30, "image_id", None),
    "blank id": _put(30, "image_id", "  "),
    "repeated id": _put(12, "image_id", "twin"),
    "repeated id, here and elsewhere": lambda frame: _put(12, "image_id", "twin")(frame).assign(
        split=["val"] * 20 + ["test"] * 40,
        image_id=lambda found: found["image_id"].mask(found.index == 50, "twin"),
    ),
    "bad label": _put(9, "y_true", "2"),
    "word": _put(9, "y_true", "face"),
    "no label at all": lambda frame: frame.assign(y_true=None),
    "bad score": _put(33, "y_score", "high"),
    "missing score": _put(33, "y_score", None),
    "infinite score": _put(33, "y_score", "inf"),
    "bad decision": lambda frame: _put(5, "y_pred", "maybe")(frame.assign(y_pred="1")),
    "no decision": lambda frame: _put(5, "y_pred", None)(frame.assign(y_pred="1")),
    "words": lambda frame: frame.assign(y_true=[f"w{row % 9}" for row in range(60)]),
    "a word in many places": lambda frame: frame.assign(y_true=["1", "no", "yes"] * 20),
    "decimal commas": _put(11, "y_score", "0,53"),
    "percent": _put(11, "y_score", "53%"),
    "bad decisions": lambda frame: frame.assign(y_pred=pd.Series(["1", "no", None] * 20)),
    "many": lambda frame: frame.assign(y_true="x"),
    "no rows": lambda frame: frame[:0],
}


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_what_is_refused_whole_is_refused_in_the_same_words(
    tmp_path: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    frame = change(table().drop(columns=["tone", "gender"]))
    if name.endswith(".parquet"):
        frame = frame.map(lambda cell: None if pd.isna(cell) else str(cell)).astype(object)
        pq.write_table(
            pa.table({c: pa.array(frame[c], type=pa.string()) for c in frame}), tmp_path / name
        )
    else:
        save(frame, tmp_path / name)
    with pytest.raises(DataError) as whole:
        read_predictions(tmp_path / name)
    with pytest.raises(DataError) as streamed:
        rows_of(tmp_path / name, groups={})
    assert str(streamed.value) == str(whole.value)


def test_flaws_of_rows_that_are_not_in_question_do_not_matter(tmp_path: Path) -> None:
    frame = table().assign(split="test").astype({"y_true": object, "y_score": object})
    frame.loc[3, ["split", "y_true", "image_id"]] = ["val", "x", "twin"]
    frame.loc[4, ["y_true", "y_score", "image_id"]] = [None, None, "twin"]
    path = save(frame, tmp_path / "p.csv")
    found, facts = rows_of(path)
    assert len(found) == 58
    assert (facts["num_unlabelled"], facts["rows"]) == (1, "split=test")


def test_no_row_is_left(tmp_path: Path) -> None:
    path = save(table().assign(n=np.arange(60)), tmp_path / "p.csv")
    for where, message in [
        (["tone=drak"], "no row is left by tone=drak. Did you mean 'dark'"),
        (["tone=dark", "n=x"], "by tone=dark and n=x. 'n' has 60 other values, such as '0'"),
        (["image_id=Ann"], "no row is left by image_id=Ann$"),
        (["ton=dark"], r"no column 'ton' to choose rows by. Did you mean 'tone'\? \(--where"),
    ]:
        for read in (rows_of, read_predictions):
            with pytest.raises(DataError, match=message):
                read(path, where=parse_where(where))


def test_a_condition_that_only_non_faces_without_a_value_pass_leaves_no_row(
    tmp_path: Path,
) -> None:
    frame = table()
    frame["pose"] = frame["y_true"].map({1: "front"})
    path = save(frame, tmp_path / "p.csv")
    for read in (rows_of, read_predictions):
        with pytest.raises(DataError, match="no row is left by pose=side"):
            read(path, where=parse_where(["pose=side"]))


@pytest.mark.parametrize("name", ["p.txt", "absent.csv"])
def test_files_that_are_no_tables_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "p.txt").write_text("image_id")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match=r"unknown kind|no such file"):
        rows_of(tmp_path / name)
    with pytest.raises(DataError, match="is empty"):
        rows_of(tmp_path / "empty.csv")
    (tmp_path / "p.parquet").write_text("no parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        rows_of(tmp_path / "p.parquet")
    (tmp_path / "long.csv").write_text("image_id,y_true,y_score\n1,1,0.5\n2,1,0.5,7\n")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        rows_of(tmp_path / "long.csv", groups={})
    (tmp_path / "twice.csv").write_text("image_id,y_true,y_true\n")
    with pytest.raises(DataError, match="more than once"):
        rows_of(tmp_path / "twice.csv", groups={})


def test_attributes_must_be_sound(tmp_path: Path) -> None:
    path = save(table().drop(columns=["tone", "gender"]), tmp_path / "p.csv")
    people = table()[["image_id", "tone", "gender"]]
    twice = pd.concat([people.assign(tone="dark"), people[:2].assign(tone="light")])
    with pytest.raises(DataError, match="2 images have rows that contradict each other: '000"):
        rows_of(path, attributes=save(twice, tmp_path / "twice.csv"))
    other = people.assign(image_id="z" + people["image_id"])
    with pytest.raises(DataError, match="has a row here") as error:
        rows_of(path, attributes=save(other, tmp_path / "other.csv"))
    assert "like 'z000" in str(error.value)
    assert "like '000" in str(error.value)
    empty = people.assign(image_id=people["image_id"].where(people.index != 3))
    with pytest.raises(DataError, match="1 rows have an empty image_id"):
        rows_of(path, attributes=save(empty, tmp_path / "empty.csv"))
    with pytest.raises(DataError, match="has no column 'tone'"):
        rows_of(path)


def test_windows_of_one_picture_are_refused(tmp_path: Path) -> None:
    frame = table()
    frame.loc[[5, 6], "image_id"] = ["n1#w01", "n1#w2"]
    frame.loc[7, "image_id"] = "n1#what"
    with pytest.raises(DataError, match=r"windows of one picture .* in 2 rows: row 6 \('n1#w01'\)"):
        rows_of(save(frame, tmp_path / "p.csv"))


def test_numbers_that_were_not_cut_into_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_batches, "BATCH_ROWS", 6_000)
    frame = pd.DataFrame({"image_id": np.arange(MAX_CELLS + 1), "y_true": 1, "y_score": 0.5})
    frame["age"] = np.arange(len(frame)) / 7
    with pytest.raises(DataError, match="'age' has more than 10,000 values"):
        rows_of(save(frame, tmp_path / "p.parquet"), groups={"age": "age"})


def test_only_many_rows_without_persons_are_streamed(tmp_path: Path) -> None:
    path = save(table(), tmp_path / "p.parquet")
    assert can_stream(path, min_rows=60)
    assert not can_stream(path, min_rows=61)
    for name in ("identity_id", "picture", "sample_weight", "seed"):
        named = save(table().assign(**{name: "1"}), tmp_path / f"{name}.parquet")
        assert not can_stream(named, min_rows=1)
    persons = save(table().assign(person="1"), tmp_path / "persons.csv")
    assert can_stream(persons, min_rows=1)
    assert not can_stream(persons, min_rows=1, columns={"identity_id": "person"})
    assert can_stream(save(table(), tmp_path / "parts"), min_rows=60)


def test_temporary_files_go_with_the_context(tmp_path: Path) -> None:
    path, folder = save(table(), tmp_path / "p.csv"), tmp_path / "temporary"
    folder.mkdir()
    with stream_scores(path, groups={}, folder=folder) as stream:
        assert all(file.is_file() for file in stream.files)
        assert list(folder.iterdir())
    assert not list(folder.iterdir())
    with pytest.raises(DataError), stream_scores(path, groups={"no": "no"}, folder=folder):
        pass
    assert not list(folder.iterdir())


def test_a_collision_of_hashes_only_costs_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import debias.data.prediction_batches as prediction_batches

    def weak(ids: pa.Array, *, salt: int = 0) -> tuple[Any, Any]:
        first, second = hash_ids(ids, salt=salt)
        return (first & np.uint64(15)) if salt < 2 else first, second

    monkeypatch.setattr(prediction_batches, "hash_ids", weak)
    frame = table()
    people = save(frame[["image_id", "tone", "gender"]], tmp_path / "a.csv")
    path = save(frame.drop(columns=["tone", "gender"]), tmp_path / "p.csv")
    assert_alike(path, people)
    assert_alike(path, groups={})
    monkeypatch.setattr(score_stream, "_NUM_SALTS", 2)
    with pytest.raises(DataError, match="cannot be told apart"):
        rows_of(path, attributes=people)


def test_different_ids_have_different_hashes() -> None:
    words = [f"{prefix}{n}" for prefix in ("", "img_", "00000000") for n in range(60_000)]
    words += ["a" * n for n in range(100)] + ["\0" * n for n in range(1, 20)]
    ids = pa.array(words)
    for hashes in (*hash_ids(ids), *hash_ids(ids, salt=1)):
        assert np.unique(hashes).size == len(set(words))
        bits = np.unpackbits(hashes.view(np.uint8)).reshape(len(words), 64).mean(axis=0)
        assert np.abs(bits - 0.5).max() < 0.01
    assert not np.any(hash_ids(ids)[0] == hash_ids(ids, salt=1)[0])


@given(st.lists(st.text(max_size=40), max_size=12), st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_a_hash_depends_on_the_id_alone(words: list[str], start: int) -> None:
    words = [word.encode("utf-8", "ignore").decode() for word in words]
    ids = pa.array(words, type=pa.string())
    first, second = hash_ids(ids)
    alone = [hash_ids(pa.array([word])) for word in words]
    assert first.tolist() == [int(pair[0][0]) for pair in alone]
    assert second.tolist() == [int(pair[1][0]) for pair in alone]
    assert hash_ids(ids[start:])[0].tolist() == first[start:].tolist()
    assert hash_ids(ids.cast(pa.large_string()))[0].tolist() == first.tolist()
