from __future__ import annotations

import numpy as np
from audit.made_images import made_images

from debias.audit.leakage import find_leakage


def test_people_in_two_splits() -> None:
    images = made_images(
        {},
        num_images=8,
        split=["train", "train", "test", "val", "train", None, "val", "train"],
        identity_id=["p", "p", "p", "q", "q", "q", "r", None],
    )
    leakage = find_leakage(images.manifest.table)
    assert (leakage.num_people, leakage.num_identified, leakage.num_torn_people) == (3, 7, 2)
    assert leakage.people_by_splits == {"train and val": 1, "train and test": 1}
    assert leakage.keep.tolist() == [False, False, True, True, False, True, True, True]
    (finding,) = leakage.findings
    assert (finding.kind, finding.severity) == ("identity-across-splits", "serious")
    assert finding.message == (
        "2 people with 5 images are in more than one split "
        "(1 in train and val, 1 in train and test)."
    )
    assert finding.images.rows.tolist() == [0, 1, 2, 3, 4]
    assert finding.images.others.tolist() == [2, 2, 0, 4, 3]


def test_windows_of_a_picture_in_two_splits() -> None:
    images = made_images(
        {}, num_images=4, split=["train", "test", "train", "train"], path=["a", "a", "b", "b"]
    )
    leakage = find_leakage(images.manifest.table)
    assert leakage.num_torn_pictures == 1
    assert [finding.kind for finding in leakage.findings] == ["duplicate-across-splits"]
    assert leakage.findings[0].images.others.tolist() == [1, 0]
    assert leakage.keep.tolist() == [False, True, True, True]


def test_what_cannot_be_read_shows_nobody() -> None:
    images = made_images(
        {},
        num_images=5,
        split=["train", "test", "train", "val", "test"],
        identity_id=["p", "p", "q", "q", "r"],
        path=["a", "b", "c", "c", "d"],
    )
    table = images.manifest.table
    assert find_leakage(table).keep.tolist() == [False, True, False, True, True]
    leakage = find_leakage(table, readable=np.array([True, False, True, False, False]))
    assert leakage.findings == ()
    assert leakage.keep.all()
    assert (leakage.num_people, leakage.num_identified) == (2, 2)
    assert (leakage.num_torn_people, leakage.num_torn_pictures) == (0, 0)


def test_nothing_leaks() -> None:
    for split in ([None, None, None], ["train", None, "test"]):
        images = made_images({}, num_images=3, split=split, identity_id=["p", "p", None])
        leakage = find_leakage(images.manifest.table)
        assert leakage.findings == ()
        assert leakage.keep.all()
        assert leakage.num_torn_people == 0
