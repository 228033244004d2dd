from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from audit.copied_images import (
    NUM_FACES,
    cut,
    faces,
    measured,
    recompressed,
    thumbnail,
    thumbnails,
)
from audit.made_images import made_images
from numpy.typing import NDArray
from PIL import Image

from debias.audit import near_copies
from debias.audit.duplicates import Duplicates, DuplicateSettings, find_duplicates
from debias.audit.near_copies import CopyPairs, CopySettings, stars
from debias.errors import ConfigError

Pixels = NDArray[np.uint8]


def with_copies(*copies: Pixels) -> Pixels:
    """Return the thumbnails of all faces, then of pictures."""
    return np.concatenate([thumbnails(faces()), np.stack([thumbnail(each) for each in copies])])


def found(pictures: Pixels, **known: object) -> Duplicates:
    images = made_images({}, num_images=len(pictures), **known)  # type: ignore[arg-type]
    return find_duplicates(measured(pictures), images)


def kinds(result: Duplicates) -> list[tuple[str, str]]:
    return [(finding.kind, finding.severity) for finding in result.findings]


def test_different_people_are_no_copies() -> None:
    result = found(thumbnails(faces()))
    assert result.findings == ()
    assert result.keep.all()
    assert (result.copies == 1).all()
    assert (result.groups.how == "").all()
    assert np.isnan(result.groups.likeness).all()
    assert (result.num_compared, result.num_plain, result.num_unreadable) == (NUM_FACES, 0, 0)
    assert (result.exact.groups, result.near.groups, result.across_splits.groups) == (0, 0, 0)
    assert result.conflicts["label"].groups == 0


def test_copies_of_each_kind_are_found() -> None:
    people = faces()
    rng = np.random.default_rng(2)
    noise = np.clip(people[3] + rng.normal(0, 6, people[3].shape), 0, 255).astype(np.uint8)
    marked = people[4].copy()
    marked[56:60, 40:62] = 255
    marked_and_mirrored = people[11].copy()
    marked_and_mirrored[4:8, 2:26] = 255
    framed = np.zeros_like(people[5])
    framed[2:-2, 2:-2] = people[5][2:-2, 2:-2]
    copies = [
        recompressed(people[0], 30),
        np.asarray(Image.fromarray(people[1]).resize((128, 128), Image.Resampling.BICUBIC)),
        people[2][:, ::-1],
        noise,
        marked,
        framed,
        cut(people[6], 0.025, 0.025, 0.025, 0.025),
        cut(people[7], 0.0, 0.0, 0.05, 0.0),
        cut(people[8], 0.04, 0.01, 0.01, 0.04)[:, ::-1],
        (people[9] * 0.7).astype(np.uint8),
        (255 * (people[10] / 255.0) ** 0.7).astype(np.uint8),
        marked_and_mirrored[:, ::-1],
    ]
    result = found(with_copies(*copies))
    expected = np.arange(NUM_FACES + len(copies))
    expected[NUM_FACES:] = np.arange(len(copies))
    np.testing.assert_array_equal(result.groups.representative, expected)
    how = dict(zip(range(len(copies)), result.groups.how[NUM_FACES:].tolist(), strict=True))
    assert {k for k, word in how.items() if word == "mirrored"} == {2, 8, 11}
    assert result.near.groups == len(copies)
    assert result.near.images == 2 * len(copies)
    assert (result.copies[: len(copies)] == 2).all()
    assert result.keep.sum() == NUM_FACES
    (finding,) = result.findings
    assert (finding.kind, finding.severity) == ("near-duplicate", "warning")
    assert finding.num_images == len(finding.images.rows) == 2 * len(copies)
    np.testing.assert_array_equal(finding.images.others[:3], NUM_FACES + np.arange(3))
    np.testing.assert_array_equal(finding.images.others[-3:], len(copies) - 3 + np.arange(3))
    assert "24 images" in finding.message
    assert "12 groups" in finding.message
    assert finding.images.values[len(copies) :].min() >= 0.974


def test_copies_of_a_copy_are_with_the_one_that_is_kept() -> None:
    mirrored = faces()[0][:, ::-1]
    result = found(with_copies(mirrored, recompressed(mirrored, 50), recompressed(faces()[0], 50)))
    assert result.groups.representative[NUM_FACES:].tolist() == [0, 0, 0]
    assert result.groups.how[NUM_FACES:].tolist() == ["mirrored", "mirrored", "near"]


def test_a_search_looks_for_the_copies_of_what_it_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    only = [near_copies.UNCHANGED._replace(mirrored=True)]
    monkeypatch.setattr(near_copies, "_changes", lambda mirrored: only)
    mirrored = faces()[0][:, ::-1]
    result = found(with_copies(mirrored, recompressed(mirrored, 50)))
    assert result.groups.representative[NUM_FACES:].tolist() == [0, 0]


def test_mirrored_copies_are_optional() -> None:
    pictures = with_copies(faces()[0][:, ::-1])
    images = made_images({}, num_images=len(pictures))
    settings = DuplicateSettings(copies=CopySettings(mirrored=False))
    assert find_duplicates(measured(pictures), images, settings=settings).findings == ()


def test_the_same_pixels_are_told_from_nearly_the_same() -> None:
    pictures = with_copies(faces()[0], faces()[0], recompressed(faces()[0], 60), faces()[1])
    result = found(pictures)
    assert (result.exact.groups, result.exact.images) == (2, 5)
    assert (result.near.groups, result.near.images) == (1, 4)
    assert result.copies[[0, 1, 2]].tolist() == [4, 2, 1]
    assert result.groups.how[NUM_FACES:].tolist() == ["exact", "exact", "near", "exact"]
    assert result.groups.num_bits[NUM_FACES : NUM_FACES + 2].tolist() == [0, 0]
    assert result.num_compared == NUM_FACES + 1
    assert kinds(result) == [("exact-duplicate", "warning"), ("near-duplicate", "warning")]


def test_what_is_kept() -> None:
    pictures = np.repeat(thumbnails(faces()[:4]), 3, axis=0)
    split = ["train", "val", "test", None, "train", "train", None, None, None, None, None, None]
    sizes = [99, 70, 64, 64, 64, 64, 64, 80, 72, 64, 64, 64]
    sharp = [0.9, 0.5, 0.1, 0.5, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5, 0.6, 0.4]
    result = find_duplicates(
        measured(pictures, sizes=sizes, sharpness=sharp),
        made_images({}, num_images=12, split=split),
    )
    assert np.flatnonzero(result.keep).tolist() == [2, 4, 7, 10]
    assert (result.copies == 3).all()


def test_copies_across_splits_are_serious() -> None:
    pictures = with_copies(recompressed(faces()[0], 50), faces()[1], faces()[2])
    split = [*["train"] * NUM_FACES, *["test", "val", "train"]]
    people = ["p"] * 2 + [f"q{k}" for k in range(NUM_FACES - 2)] + ["p", "p", "q0"]
    result = found(pictures, split=split, identity_id=people)
    assert kinds(result) == [
        ("exact-duplicate", "warning"),
        ("duplicate-across-splits", "serious"),
    ]
    across = result.findings[1]
    assert across.images.rows.tolist() == [0, 1, NUM_FACES, NUM_FACES + 1]
    assert across.images.others.tolist() == [NUM_FACES, NUM_FACES + 1, 0, 1]
    assert result.groups_by_splits == {"train and val": 1, "train and test": 1}
    assert "1 person" in across.message
    assert (result.across_splits.groups, result.across_splits.people) == (2, 1)
    assert not result.keep[[0, 1]].any()


def test_copies_that_contradict_each_other() -> None:
    pictures = with_copies(recompressed(faces()[0], 50), faces()[1], faces()[2], faces()[3])
    rest = [None] * (NUM_FACES - 4)
    label = [1, 1, 1, None, *([1] * (NUM_FACES - 4)), 0, 1, 1, 0]
    identity = ["a", "b", "c", "d", *rest, "a", "other", None, "d"]
    tone = ["dark", "light", "dark", "dark", *rest, "dark", None, "light", "dark"]
    images = made_images(
        {"skin_tone": tone, "ita": ["1", "2", "3", "4", *rest, "1", "2", "9", "4"]},
        label=label,
        identity_id=identity,
    )
    images = replace(images, provenance={"skin_tone": "annotated", "ita": "estimated"})
    result = find_duplicates(measured(pictures), images)
    conflicts = [each for each in result.findings if each.kind == "conflicting-labels"]
    assert [(each.subject, each.severity) for each in conflicts] == [
        ("label", "serious"),
        ("identity_id", "serious"),
        ("skin_tone", "serious"),
        ("ita", "note"),
    ]
    assert [each.images.rows.tolist() for each in conflicts] == [
        [0, NUM_FACES],
        [1, NUM_FACES + 1],
        [2, NUM_FACES + 2],
        [2, NUM_FACES + 2],
    ]


def test_few_near_copies_are_a_note_and_few_exact_ones_are_not() -> None:
    settings = DuplicateSettings(min_share=0.05)
    pictures = with_copies(recompressed(faces()[0], 50))
    near = find_duplicates(
        measured(pictures), made_images({}, num_images=len(pictures)), settings=settings
    )
    assert kinds(near) == [("near-duplicate", "note")]
    split = [*["train"] * NUM_FACES, "test"]
    across = find_duplicates(
        measured(pictures), made_images({}, split=split, num_images=len(split)), settings=settings
    )
    assert kinds(across) == [("duplicate-across-splits", "note")]
    pictures = with_copies(faces()[0])
    exact = find_duplicates(
        measured(pictures), made_images({}, num_images=len(pictures)), settings=settings
    )
    assert kinds(exact) == [("exact-duplicate", "warning")]


def test_plain_pictures_have_exact_copies_only() -> None:
    rng = np.random.default_rng(1)
    plain = (120 + rng.normal(0, 1.0, (300, 32, 32))).astype(np.uint8)
    plain[1] = plain[0]
    result = found(plain)
    assert result.num_plain == 299
    assert kinds(result) == [("exact-duplicate", "warning")]
    assert result.exact.images == 2


def test_unreadable_images_are_in_no_group() -> None:
    pictures = np.concatenate([thumbnails(faces()[:3]), np.zeros((3, 32, 32), dtype=np.uint8)])
    digests: list[str | None] = ["a", "b", "c", None, None, None]
    result = find_duplicates(
        measured(pictures, digests=digests),
        made_images({}, num_images=6),
    )
    assert result.findings == ()
    assert result.num_unreadable == 3
    assert result.keep.all()
    nothing = find_duplicates(
        measured(pictures[3:], digests=[None] * 3), made_images({}, num_images=3)
    )
    assert (nothing.findings, nothing.num_compared) == ((), 0)


def test_many_copies_of_one_picture_are_one_group() -> None:
    rng = np.random.default_rng(4)
    one = thumbnails(faces()[:1])
    noise = rng.normal(0, 2.5, (800, 32, 32))
    many = np.clip(one + noise, 0, 255).astype(np.uint8)
    result = found(np.concatenate([one, many]))
    assert result.keep.sum() == 1
    assert (result.copies == 801).all()


def test_no_chain_joins_what_differs() -> None:
    def pairs(*ends: tuple[int, int]) -> CopyPairs:
        first, second = np.array(ends).T
        count = len(ends)
        return CopyPairs(
            first=first,
            second=second,
            likeness=np.ones(count),
            num_bits=np.zeros(count, dtype=np.int64),
            mirrored=np.zeros(count, dtype=np.bool_),
        )

    chain = pairs((0, 1), (1, 2), (2, 3), (3, 4))
    assert stars(5, chain).tolist() == [0, 0, 2, 2, 4]
    assert stars(4, pairs((2, 3), (0, 3), (1, 2))).tolist() == [0, 1, 1, 0]


def test_order_of_the_images_changes_no_group() -> None:
    copies = [recompressed(faces()[k], 40) for k in range(6)] + [faces()[7][:, ::-1]]
    pictures = with_copies(*copies)
    sizes = list(range(1000, 1000 + len(pictures)))
    images = made_images({}, num_images=len(pictures))
    one = find_duplicates(measured(pictures, sizes=sizes), images)
    order = np.random.default_rng(0).permutation(len(pictures))
    mixed = [sizes[k] for k in order]
    other = find_duplicates(measured(pictures[order], sizes=mixed), images)
    np.testing.assert_array_equal(
        order[other.groups.representative], one.groups.representative[order]
    )
    np.testing.assert_array_equal(other.copies, one.copies[order])


def test_pairs_close_in_an_embedding_are_a_note() -> None:
    pictures = with_copies(recompressed(faces()[0], 50))
    count = len(pictures)
    embedding = np.random.default_rng(5).normal(size=(count, 16)) + 4.0
    embedding[11] = embedding[10] + 0.01
    embedding[20] = np.nan
    images = made_images({}, num_images=count)
    result = find_duplicates(measured(pictures), images, embedding=embedding)
    assert result.embedding_pairs is not None
    pairs = result.embedding_pairs
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([10], [11])
    assert pairs.cosine[0] > 0.999
    assert pairs.num_compared == NUM_FACES - 1
    assert kinds(result) == [("near-duplicate", "warning"), ("near-duplicate", "note")]
    assert result.findings[1].images.others.tolist() == [11, 10]
    assert result.copies[[10, 11]].tolist() == [1, 1]
    for few in (np.ones((count, 4)), np.full((count, 4), np.nan)):
        alone = find_duplicates(measured(pictures), images, embedding=few)
        assert len(alone.findings) == 1


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="radius is 30"):
        CopySettings(radius=30)
    with pytest.raises(ConfigError, match="min_share is 2"):
        DuplicateSettings(min_share=2)


def test_people_are_counted_where_they_are_known_alone() -> None:
    pictures = with_copies(faces()[0])
    people = [None, *(f"q{k}" for k in range(NUM_FACES - 1)), None]
    (unknown,) = found(pictures, identity_id=people).findings
    assert "people" not in unknown.message
    (known,) = found(pictures, identity_id=["q", *people[1:]]).findings
    assert known.message.endswith("(1 group, 1 person).")
