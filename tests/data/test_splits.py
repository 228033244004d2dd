from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debias.data.manifest import Manifest, manifest_from_table
from debias.data.splits import assign_splits
from debias.data.windows import expand_windows
from debias.errors import ConfigError, DataError

ROOT = Path("/nowhere")


def listed(
    labels: Sequence[int | None],
    *,
    people: Sequence[str | None] | None = None,
    splits: Sequence[str | None] | None = None,
    paths: Sequence[str] | None = None,
) -> Manifest:
    num = len(labels)
    table = pd.DataFrame(
        {
            "image_id": [f"i{k:05d}" for k in range(num)],
            "path": paths or [f"{k}.jpg" for k in range(num)],
            "label": pd.array(labels, dtype="Int8"),
        }
    )
    if people is not None:
        table["identity_id"] = people
    if splits is not None:
        table["split"] = splits
    return manifest_from_table(table, root=ROOT)


def by_id(manifest: Manifest) -> dict[str, str]:
    return dict(zip(manifest.table["image_id"], manifest.table["split"], strict=True))


def test_single_images_are_divided_exactly_and_by_label() -> None:
    manifest = assign_splits(listed([1] * 1000 + [0] * 500), seed=0)
    counts = manifest.table.groupby(["label", "split"]).size().to_dict()
    assert counts == {
        (1, "train"): 800, (1, "val"): 100, (1, "test"): 100,
        (0, "train"): 400, (0, "val"): 50, (0, "test"): 50,
    }  # fmt: skip


PEOPLE = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.sampled_from([None, *"abcdefghijkl"])),
    min_size=20,
    max_size=80,
)


@given(rows=PEOPLE, seed=st.integers(0, 9), order=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_no_person_is_in_two_splits_and_order_does_not_matter(
    rows: list[tuple[int, str | None]], seed: int, order: np.random.RandomState
) -> None:
    manifest = listed(
        [label for label, _ in rows] + [0, 1] * 3, people=[p for _, p in rows] + [None] * 6
    )
    divided = assign_splits(manifest, seed=seed)
    table = divided.table
    assert table["split"].isin(["train", "val", "test"]).all()
    assert (table.groupby("identity_id")["split"].nunique() <= 1).all()
    positions = list(range(len(manifest)))
    order.shuffle(positions)
    shuffled = Manifest(root=ROOT, table=manifest.table.iloc[positions].reset_index(drop=True))
    assert by_id(assign_splits(shuffled, seed=seed)) == by_id(divided)
    assert by_id(assign_splits(divided, seed=seed + 1)) == by_id(divided)


@given(
    num_faces=st.integers(3, 90),
    num_others=st.integers(3, 90),
    fractions=st.sampled_from(
        [(0.8, 0.1, 0.1), (0.5, 0.25, 0.25), (0.1, 0.45, 0.45), (0.9, 0.1, 0.0)]
    ),
)
@settings(max_examples=60, deadline=None)
def test_every_split_has_its_share_of_each_label(
    num_faces: int, num_others: int, fractions: tuple[float, float, float]
) -> None:
    manifest = assign_splits(
        listed([1] * num_faces + [0] * num_others), fractions=fractions, seed=1
    )
    for mask, num in ((manifest.faces, num_faces), (manifest.non_faces, num_others)):
        for name, fraction in zip(("train", "val", "test"), fractions, strict=True):
            count = int((mask & manifest.in_split(name)).sum())
            assert count >= (fraction > 0)
            if fraction == 0:
                assert count == 0
            elif num >= 20:
                assert abs(count - fraction * num) <= 1


def test_another_seed_gives_another_division() -> None:
    manifest = listed([1] * 50 + [0] * 50)
    assert by_id(assign_splits(manifest, seed=0)) != by_id(assign_splits(manifest, seed=1))
    assert by_id(assign_splits(manifest, seed=0)) == by_id(assign_splits(manifest, seed=0))


def test_a_few_more_images_move_few_others() -> None:
    before = by_id(assign_splits(listed([1] * 1000), seed=0))
    after = by_id(assign_splits(listed([1] * 1010), seed=0))
    assert sum(after[image_id] != split for image_id, split in before.items()) <= 10


def test_other_images_of_the_other_label_move_none() -> None:
    before = by_id(assign_splits(listed([1] * 100 + [0] * 10), seed=0))
    after = by_id(assign_splits(listed([1] * 100 + [0] * 60), seed=0))
    assert all(before[f"i{k:05d}"] == after[f"i{k:05d}"] for k in range(100))


def test_windows_of_one_picture_stay_together() -> None:
    plain = listed([1] * 40 + [0] * 40)
    wide = expand_windows(plain, num_windows=5, seed=0)
    divided = assign_splits(wide, seed=0).table
    assert (divided.groupby("path")["split"].nunique() == 1).all()
    num_test = int(((divided["split"] == "test") & (divided["label"] == 0)).sum())
    assert num_test == 20


def test_people_linked_by_a_picture_stay_together() -> None:
    # a and b are in one photograph, b and c in another.
    people = [*"abbcac", *[None] * 30]
    paths = ["1.jpg", "1.jpg", "2.jpg", "2.jpg", "3.jpg", "4.jpg"] + [
        f"x{k}.jpg" for k in range(30)
    ]
    table = assign_splits(listed([1] * 36, people=people, paths=paths), seed=4).table
    assert table["split"].iloc[:6].nunique() == 1


@pytest.mark.parametrize("seed", range(5))
def test_someone_with_more_images_than_a_split_holds_is_in_train(seed: int) -> None:
    people = ["many"] * 60 + [f"p{k}" for k in range(40)]
    table = assign_splits(listed([1] * 100, people=people), seed=seed).table
    assert set(table.loc[table["identity_id"] == "many", "split"]) == {"train"}
    assert table["split"].value_counts().to_dict() == {"train": 80, "val": 10, "test": 10}


def test_if_all_are_that_large_each_split_still_gets_one() -> None:
    people = ["a"] * 30 + ["b"] * 20 + ["c"] * 25
    table = assign_splits(listed([1] * 75, people=people), seed=0).table
    split = table.groupby("identity_id")["split"].first().to_dict()
    assert split == {"a": "train", "b": "test", "c": "val"}


def test_val_is_carved_out_of_train() -> None:
    splits = ["train"] * 90 + ["test"] * 30
    manifest = listed([1, 0] * 60, splits=splits)
    table = assign_splits(manifest, seed=0).table
    assert (table["split"].iloc[90:] == "test").all()
    counts = table.iloc[:90].groupby(["split", "label"]).size().to_dict()
    assert counts == {("train", 0): 40, ("train", 1): 40, ("val", 0): 5, ("val", 1): 5}


def test_val_takes_whole_pictures_out_of_train() -> None:
    wide = expand_windows(
        listed([1, 0] * 40, splits=["train"] * 70 + ["test"] * 10), num_windows=6, seed=0
    )
    table = assign_splits(wide, seed=0).table
    assert (table.groupby("path")["split"].nunique() == 1).all()
    assert set(table["split"]) == {"train", "val", "test"}


@pytest.mark.parametrize(
    "splits",
    [["train", "val", "test"], ["train", "val", "val"], ["test"] * 3, ["val", "test", "test"]],
)
def test_what_is_given_stays(splits: list[str | None]) -> None:
    manifest = listed([1, 1, 0], splits=splits)
    assert assign_splits(manifest, seed=0).table["split"].tolist() == splits


def test_the_given_manifest_is_left_as_it_was() -> None:
    manifest = listed([1] * 10)
    assign_splits(manifest, seed=0)
    assert manifest.table["split"].isna().all()


def test_unlabelled_images_are_divided_too() -> None:
    table = assign_splits(listed([None] * 20), seed=0).table
    assert table["split"].value_counts().to_dict() == {"train": 16, "val": 2, "test": 2}


def test_half_a_split_column_is_refused() -> None:
    with pytest.raises(DataError, match="1 of 3 rows have no split"):
        assign_splits(listed([1, 1, 0], splits=["train", None, "test"]), seed=0)


def test_too_few_images_are_refused() -> None:
    with pytest.raises(DataError, match="2 separate non-faces cannot fill 3 splits"):
        assign_splits(listed([1] * 20 + [0] * 2), seed=0)
    with pytest.raises(DataError, match="1 separate faces or people"):
        assign_splits(listed([1] * 20, people=["one"] * 20), seed=0)
    assert len(assign_splits(listed([1] * 2), fractions=(0.5, 0.5, 0.0), seed=0)) == 2


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.2), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)])
def test_fractions_that_are_none_are_refused(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="sum to 1"):
        assign_splits(listed([1] * 9), fractions=fractions, seed=0)
