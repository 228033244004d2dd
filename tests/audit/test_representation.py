from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from audit.made_images import made_images
from scipy import stats

from debias.audit.group_shares import GroupingShares, GroupShare, RepresentationSettings
from debias.audit.reference import Reference
from debias.audit.representation import by_split, representation
from debias.metrics.intervals import wilson

TONES = ["light"] * 900 + ["medium"] * 70 + ["dark"] * 30


def group_of(grouping: GroupingShares, *values: str) -> GroupShare:
    return next(group for group in grouping.groups if group.values == values)


def test_a_group_below_half_the_even_share_is_found_with_its_numbers() -> None:
    images = made_images({"tone": TONES}, groups=["tone"])
    found = representation(images)
    (grouping,) = found.groupings
    dark = group_of(grouping, "dark")
    assert (dark.num_images, dark.num_persons) == (30, None)
    assert dark.reference == pytest.approx(1 / 3)
    assert dark.ratio == pytest.approx(0.09)
    assert dark.share is not None
    low, high = wilson(num_successes=30, num_trials=1000)
    assert (dark.share.low, dark.share.high) == pytest.approx((float(low), float(high)))
    assert dark.family_low is not None
    assert dark.family_low < dark.share.low
    # 30 + x is a third of 1000 + x.
    assert dark.num_to_reference == 455
    assert (30 + 455) / (1000 + 455) >= 1 / 3 > (30 + 454) / (1000 + 454)
    kinds = {(finding.subject, finding.severity) for finding in found.findings}
    assert kinds == {("tone dark", "serious"), ("tone medium", "warning")}
    dark_finding = next(f for f in found.findings if f.subject == "tone dark")
    assert dark_finding.images.rows.tolist() == list(range(970, 1000))


@pytest.mark.parametrize(
    ("num_rare", "severity", "limit"),
    [(450, None, None), (350, "note", 0.8), (226, "warning", 0.5), (40, "serious", 0.1)],
)
def test_how_far_below_its_reference_a_group_is_says_how_serious_that_is(
    num_rare: int, severity: str | None, limit: float | None
) -> None:
    genders = ["female"] * num_rare + ["male"] * (1000 - num_rare)
    found = representation(made_images({"gender": genders}, groups=["gender"])).findings
    assert [(f.subject, f.severity, f.limit) for f in found] == (
        [("gender female", severity, limit)] if severity else []
    )
    if severity == "warning":
        assert "226 of 1,000 faces (22.6 % [20.1, 25.3]), where 50.0 % are asked for" in (
            found[0].message
        )


def test_a_share_that_may_be_four_fifths_is_no_finding() -> None:
    """3 of 10 where 5 are asked for: a ratio of 0.6, and a p-value of 0.38 that it is 0.8."""
    images = made_images({"gender": ["female"] * 3 + ["male"] * 7}, groups=["gender"])
    assert not representation(images).findings


def test_one_person_with_many_images_does_not_hide_who_is_missing() -> None:
    persons = ["p0"] * 500 + [f"p{k}" for k in range(1, 501)]
    for num_women in (0, 1):
        genders = ["male"] * (1000 - num_women) + ["female"] * num_women
        images = made_images(
            {"gender": genders}, groups=["gender"], identity_id=persons, split=["train"] * 1000
        )
        reference = Reference(
            columns=("gender",), shares={("female",): 0.5, ("male",): 0.5}, source="census"
        )
        found = representation(images, reference=reference)
        assert [f.subject for f in found.findings] == ["gender female"], num_women
        woman = group_of(found.groupings[0], "female")
        assert woman.p_value is not None
        assert woman.p_value < 1e-3
    # Of persons with one image each, none of 501 is a woman: 0 to 0.8 %.
    nobody = representation(
        made_images({"gender": ["male"] * 1000}, groups=["gender"], identity_id=persons),
        reference=reference,
    )
    share = group_of(nobody.groupings[0], "female").share
    assert share is not None
    assert share.high == pytest.approx(float(wilson(num_successes=0, num_trials=501)[1]))


def test_many_women_of_a_set_where_one_man_is_half_of_the_images_are_no_finding() -> None:
    persons = ["p0"] * 500 + [f"p{k}" for k in range(1, 501)]
    genders = ["male"] * 500 + ["female", "male"] * 250
    images = made_images({"gender": genders}, groups=["gender"], identity_id=persons)
    assert not representation(images).findings


def test_p_values_are_exact_binomials_after_holm() -> None:
    images = made_images({"tone": ["a"] * 80 + ["b"] * 20}, groups=["tone"])
    (grouping,) = representation(images).groupings
    raw = [stats.binom.cdf(20, 100, 0.4), stats.binom.cdf(80, 100, 0.4)]
    assert group_of(grouping, "b").p_value == pytest.approx(min(1, 2 * raw[0]))
    assert group_of(grouping, "a").p_value == pytest.approx(1.0)


def test_an_intersection_without_images_is_found() -> None:
    tones = ["light"] * 200 + ["dark"] * 100
    genders = ["female"] * 100 + ["male"] * 100 + ["male"] * 100
    images = made_images({"tone": tones, "gender": genders}, groups=["tone", "gender"])
    found = representation(images)
    assert [grouping.columns for grouping in found.groupings] == [
        ("tone",),
        ("gender",),
        ("tone", "gender"),
    ]
    nobody = group_of(found.groupings[2], "dark", "female")
    assert nobody.num_images == 0
    assert nobody.ratio == 0.0
    assert nobody.num_to_reference == 100
    assert [(f.subject, f.severity) for f in found.findings] == [
        ("tone dark, gender female", "serious")
    ]


def test_attributes_that_are_no_groups_are_counted_but_not_judged() -> None:
    images = made_images({"tone": ["a", "b"] * 500, "hat": ["hat"] * 30 + ["none"] * 970})
    found = representation(images)
    assert not found.findings
    assert {grouping.reference for grouping in found.groupings} == {None}
    assert group_of(found.groupings[1], "hat").num_images == 30


def test_a_reference_is_summed_over_what_a_grouping_has_not() -> None:
    shares: dict[tuple[str, ...], float] = {
        ("a", "x"): 0.1,
        ("a", "y"): 0.2,
        ("b", "x"): 0.3,
        ("b", "y"): 0.4,
    }
    reference = Reference(columns=("one", "two"), shares=shares, source="census.csv")
    images = made_images(
        {"one": ["a", "b"] * 500, "two": ["x", "x", "y", "y"] * 250}, groups=["one", "two"]
    )
    found = representation(images, reference=reference)
    assert group_of(found.groupings[0], "a").reference == pytest.approx(0.3)
    assert group_of(found.groupings[1], "y").reference == pytest.approx(0.6)
    assert group_of(found.groupings[2], "b", "y").reference == pytest.approx(0.4)
    assert found.groupings[0].reference == "census.csv"


def test_a_group_that_is_asked_for_and_has_no_face_is_found() -> None:
    reference = Reference(columns=("tone",), shares={("a",): 0.6, ("b",): 0.4}, source="census")
    found = representation(made_images({"tone": ["a"] * 100}), reference=reference)
    nobody = group_of(found.groupings[0], "b")
    assert (nobody.num_images, nobody.reference, nobody.ratio) == (0, 0.4, 0.0)
    assert [(f.subject, f.severity) for f in found.findings] == [("tone b", "serious")]


def test_unknown_values_are_a_stratum_and_a_finding() -> None:
    tones = ["light"] * 45 + ["dark"] * 45 + [None] * 10
    found = representation(made_images({"tone": tones}, groups=["tone"]))
    (grouping,) = found.groupings
    assert (grouping.num_known, grouping.num_unknown) == (90, 10)
    unknown = group_of(grouping, "unknown")
    assert unknown.num_images == 10
    assert unknown.share is None
    assert unknown.num_for_test is None
    assert group_of(grouping, "dark").share is not None
    (finding,) = found.findings
    assert (finding.kind, finding.value) == ("missing-attribute", 0.1)
    assert finding.images.rows.tolist() == list(range(90, 100))


def test_spellings_of_one_value_are_found() -> None:
    tones = ["dark"] * 10 + ["Dark "] * 5 + ["light"] * 15
    found = representation(made_images({"tone": tones}))
    (finding,) = (f for f in found.findings if f.kind == "value-spelling")
    assert finding.num_images == 15


@pytest.mark.parametrize("second", ["test", "val"])
def test_spellings_that_differ_between_splits_are_found_once(second: str) -> None:
    split = ["train"] * 40 + ["test"] * 40 + [second] * 20
    tones = ["dark"] * 80 + ["Dark"] * 20
    found = by_split(made_images({"tone": tones}, split=split))
    (finding,) = (f for part in found for f in part.findings if f.kind == "value-spelling")
    assert finding.num_images == 100


def test_only_faces_count_unless_nothing_is_labelled() -> None:
    labels = [1] * 60 + [0] * 40
    found = representation(made_images({"tone": ["a"] * 100}, label=labels))
    assert found.num_faces == 60
    assert representation(made_images({"tone": ["a"] * 100})).num_faces == 100


def test_images_of_one_person_say_less() -> None:
    tones = ["a"] * 500 + ["b"] * 100
    alone = representation(made_images({"tone": tones}, groups=["tone"]))
    persons = [f"p{k // 50}" for k in range(600)]
    shared = representation(made_images({"tone": tones}, groups=["tone"], identity_id=persons))
    assert shared.num_persons == 12
    first, second = (group_of(each.groupings[0], "b") for each in (alone, shared))
    assert second.num_persons == 2
    assert first.share is not None
    assert second.share is not None
    assert second.share.high - second.share.low > 3 * (first.share.high - first.share.low)
    assert [f.kind for f in alone.findings] == ["under-represented"]
    assert not shared.findings


def test_splits_are_counted_apart() -> None:
    split = ["train"] * 6 + ["test"] * 3 + [None]
    found = representation(made_images({"tone": ["a", "b"] * 5}, split=split))
    assert found.splits == ("train", "test", "no split")
    assert group_of(found.groupings[0], "a").num_by_split == (3, 2, 0)


def test_a_balanced_test_does_not_hide_whom_training_lacks() -> None:
    tones = ["light"] * 380 + ["dark"] * 20 + ["light"] * 100 + ["dark"] * 100
    split = ["train"] * 400 + ["test"] * 200
    images = made_images({"tone": tones}, groups=["tone"], split=split)
    train, test = by_split(images)
    assert (train.scope, train.num_faces, test.scope, test.num_faces) == ("train", 400, "test", 200)
    assert [f.subject for f in train.findings] == ["tone dark in train"]
    assert train.findings[0].images.rows.tolist() == list(range(380, 400))
    assert not test.findings


def test_a_group_that_only_the_test_shows_is_missed_in_training() -> None:
    tones = ["light"] * 200 + ["light"] * 50 + ["dark"] * 50 + [None]
    split = ["train"] * 200 + ["test"] * 101
    train, test = by_split(made_images({"tone": tones}, groups=["tone"], split=split))
    assert [(f.subject, f.severity) for f in train.findings] == [("tone dark in train", "serious")]
    assert [group.values for group in train.groupings[0].groups] == [("dark",), ("light",)]
    assert not test.findings


def test_every_split_is_judged_and_what_is_in_none_as_one() -> None:
    shown = {"train": (90, 90), "val": (90, 9), "test": (50, 50), None: (9, 90)}
    tones = [tone for light, dark in shown.values() for tone in ["light"] * light + ["dark"] * dark]
    split = [name for name, counts in shown.items() for _ in range(sum(counts))]
    found = by_split(made_images({"tone": tones}, groups=["tone"], split=split))
    assert [(part.scope, part.num_faces) for part in found] == [
        ("train", 180),
        ("val", 99),
        ("test", 100),
        ("no split", 99),
    ]
    assert [[f.subject for f in part.findings] for part in found] == [
        [],
        ["tone dark in val"],
        [],
        ["tone light in no split"],
    ]


def test_only_what_counts_is_counted() -> None:
    images = made_images({"tone": ["light"] * 90 + ["dark"] * 90}, groups=["tone"])
    copies = replace(images, counted=np.arange(180) < 100)  # 80 of the dark are copies
    assert not representation(images).findings
    (grouping,) = representation(copies).groupings
    assert group_of(grouping, "dark").num_images == 10
    assert [f.subject for f in representation(copies).findings] == ["tone dark"]


def test_beside_a_reference_other_attributes_are_held_to_equal_shares() -> None:
    reference = Reference(columns=("one",), shares={("a",): 0.5, ("b",): 0.5}, source="census")
    images = made_images(
        {"one": ["a", "b"] * 100, "two": ["x"] * 190 + ["y"] * 10}, groups=["one", "two"]
    )
    found = representation(images, reference=reference)
    assert [each.reference for each in found.groupings] == [
        "census",
        "the same share for each",
        None,
    ]
    assert [f.subject for f in found.findings] == ["two y"]


def test_one_split_or_none_is_taken_whole() -> None:
    tones = ["light"] * 380 + ["dark"] * 20
    for split in (None, ["train"] * 400):
        (whole,) = by_split(made_images({"tone": tones}, groups=["tone"], split=split))
        assert whole.scope == "all"
        assert [f.subject for f in whole.findings] == ["tone dark"]


def test_more_faces_are_needed_where_fewer_are() -> None:
    tones = ["a"] * 5000 + ["b"] * 500
    (grouping,) = representation(made_images({"tone": tones}, groups=["tone"])).groupings
    assert grouping.needed_per_group is not None
    assert group_of(grouping, "a").num_for_test == 0
    assert group_of(grouping, "b").num_for_test == grouping.needed_per_group - 500


def test_diversity_of_equal_groups_is_their_number() -> None:
    (grouping,) = representation(made_images({"tone": ["a", "b", "c", "d"] * 25})).groupings
    assert grouping.effective_groups == pytest.approx(4.0)
    assert grouping.smallest_over_largest == 1.0


def test_without_attributes_there_is_nothing_to_judge() -> None:
    found = representation(made_images({}, num_images=5))
    assert (found.num_faces, found.groupings, found.findings) == (5, (), ())


@pytest.mark.parametrize("persons_have", [1, 5])
def test_balanced_sets_raise_next_to_no_false_alarm(persons_have: int) -> None:
    generator = np.random.default_rng(0)
    settings = RepresentationSettings()
    alarms = 0
    for _ in range(100):
        # True shares are exactly at the limit: four fifths of the even share.
        draws = generator.choice(list("abc"), 300 // persons_have, p=[4 / 15, 11 / 30, 11 / 30])
        tones = np.repeat(draws, persons_have)
        persons = [f"p{k // persons_have}" for k in range(len(tones))]
        images = made_images({"t": tones.tolist()}, groups=["t"], identity_id=persons)
        alarms += bool(representation(images, settings=settings).findings)
    assert alarms <= stats.binom.ppf(0.999, 100, settings.alpha * 1.5)
