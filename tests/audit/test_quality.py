from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from audit.made_images import made_images
from audit.made_measures import made_measures
from scipy import stats

from debias.audit.by_nature import DETAIL_ALLOWANCES
from debias.audit.group_quality import GroupQuality
from debias.audit.images import AuditedImages
from debias.audit.measured import QUALITY_MEASURES, SKIN_MEASURES
from debias.audit.quality import QualityByGroup, quality_by_group
from debias.audit.quality_limits import COMPARED, FLAWS
from debias.metrics.pairs import holm
from debias.metrics.superiority import rank_rows, shift_p_values, superiorities

NUM = 600
SECOND = np.arange(NUM) % 2 == 1
GROUPS: list[str | None] = ["b" if second else "a" for second in SECOND]


def normal(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=NUM)


def found(images: AuditedImages, **measures: np.ndarray) -> QualityByGroup:
    return quality_by_group(images, made_measures(len(images), measures))


def group_of(result: QualityByGroup, name: str, measure: str) -> GroupQuality:
    (group,) = (g for g in result.groups if (g.name, g.measure) == (name, measure))
    return group


@pytest.mark.parametrize(
    ("shift", "severity"), [(0.0, None), (0.1, None), (0.55, "warning"), (1.2, "serious")]
)
def test_severity_follows_the_difference(shift: float, severity: str | None) -> None:
    result = found(made_images({"one": GROUPS}), sharpness=0.5 + 0.1 * (normal() - shift * SECOND))
    assert [f.severity for f in result.findings] == ([severity] if severity else [])
    chance = group_of(result, "one b", "sharpness").superiority
    assert chance.value == pytest.approx(stats.norm.cdf(-shift / np.sqrt(2)), abs=0.04)
    if severity:
        (finding,) = result.findings
        assert finding.subject == "one b, sharpness"
        assert finding.value == chance.value
        assert finding.limit == (0.4 if severity == "warning" else 0.3)
        assert finding.images.rows.tolist() == np.flatnonzero(SECOND).tolist()
        assert "lower" in finding.message


def test_figures_of_a_group_are_those_of_its_pictures() -> None:
    values = 50 + 10 * normal()
    values[[1, 3]] = np.nan
    result = found(made_images({"one": GROUPS}), brightness=values, noise=values)
    group = group_of(result, "one b", "brightness")
    inside = values[SECOND][2:]
    assert (group.num_images, group.num_unmeasured, group.num_persons) == (298, 2, None)
    assert group.quartiles == pytest.approx(np.quantile(inside, [0.25, 0.5, 0.75]))
    assert group.worst == pytest.approx(np.quantile(inside, 0.05))
    assert group_of(result, "one b", "noise").worst == pytest.approx(np.quantile(inside, 0.95))
    assert group.flawed is not None
    assert group.flawed.num_successes == (inside < FLAWS["brightness"][1]).sum()
    assert group.flawed.num_trials == 298


def test_of_two_groups_the_worse_one_is_told() -> None:
    for sign, worse in ((1, "one a"), (-1, "one b")):
        better = found(made_images({"one": GROUPS}), colourfulness=normal() + sign * 2 * SECOND)
        assert [f.subject for f in better.findings] == [f"{worse}, colourfulness"]
    noisy = found(made_images({"one": GROUPS}), noise=normal() + 2 * SECOND)
    assert [f.subject for f in noisy.findings] == ["one b, noise"]


def test_a_tail_of_small_pictures_is_found_though_most_are_alike() -> None:
    side = np.full(NUM, 200.0)
    side[np.flatnonzero(SECOND)[:45]] = 40
    result = found(made_images({"one": GROUPS}), width=side, height=side + 10)
    (finding,) = result.findings
    assert (finding.subject, finding.severity) == ("one b, side", "warning")
    assert finding.value == pytest.approx(0.15)
    assert finding.images.rows.tolist() == np.flatnonzero(SECOND)[:45].tolist()
    assert finding.images.values.tolist() == [40.0] * 45
    assert "15.0 % of one b are smaller than 64 pixels, 0.0 % of the others" in finding.message


def test_light_of_skin_tones_is_a_note_that_says_why() -> None:
    values = 50 + 10 * (normal() - 1.2 * SECOND)
    result = found(made_images({"skin_tone": GROUPS}), brightness=values)
    (finding,) = result.findings
    assert finding.severity == "note"
    assert "By nature: the skin is part of the picture" in finding.message
    as_gender = found(made_images({"gender": GROUPS}), brightness=values)
    assert [f.severity for f in as_gender.findings] == ["serious"]


def test_detail_of_skin_tones_counts_beyond_what_is_allowed() -> None:
    images = made_images({"skin_tone": GROUPS})
    for shift, severity in ((0.5, None), (1.2, "warning"), (2.5, "serious")):
        result = found(images, noise=5 + normal() - shift * SECOND)
        assert [f.severity for f in result.findings] == ([severity] if severity else [])
    group = group_of(result, "skin_tone b", "noise")
    assert group.allowance == DETAIL_ALLOWANCES["noise"]
    assert result.findings[0].limit == pytest.approx(0.5 + 0.2 + group.allowance)


def test_block_edges_show_more_on_dark_skin_and_are_allowed_for() -> None:
    values = 5 + normal() + 0.45 * SECOND
    as_tone = found(made_images({"skin_tone": GROUPS}), compression=values)
    assert as_tone.findings == ()
    as_gender = found(made_images({"gender": GROUPS}), compression=values)
    assert [f.severity for f in as_gender.findings] == ["warning"]


def test_a_shift_within_what_is_allowed_has_no_small_p_value() -> None:
    result = found(made_images({"skin_tone": GROUPS}), noise=5 + normal() - 0.5 * SECOND)
    p_values = [g.p_value for g in result.groups if g.measure == "noise" and g.p_value is not None]
    assert p_values == [1.0]


def test_an_intersection_is_told_only_for_what_its_parts_do_not_tell() -> None:
    other = ["x" if row % 4 < 2 else "y" for row in range(NUM)]
    images = made_images({"one": GROUPS, "two": other}, groups=["one", "two"])
    alike = (np.array(other) == "y") == SECOND
    whole = found(images, colourfulness=normal() - 2 * SECOND)
    assert [f.subject for f in whole.findings if "two" not in f.subject] == ["one b, colourfulness"]
    assert not [f for f in whole.findings if "one b, two" in f.subject]
    crossed = found(images, colourfulness=normal() - 1.4 * alike)
    assert [f.subject for f in crossed.findings] == [
        "one a, two x, colourfulness",
        "one b, two y, colourfulness",
    ]


def test_unknown_values_are_a_group_of_their_own() -> None:
    groups: list[str | None] = [*GROUPS[:500], *[None] * 100]
    result = found(
        made_images({"one": groups}), contrast=20 + normal() - 2 * (np.arange(NUM) >= 500)
    )
    assert [f.subject for f in result.findings] == ["one unknown, contrast"]


def test_where_groups_are_named_other_attributes_are_notes() -> None:
    genders: list[str | None] = [["f", "m"][row // 2 % 2] for row in range(NUM)]
    attributes = {"gender": genders, "hat": GROUPS}
    values = 5 + normal() - 2 * SECOND
    named = found(made_images(attributes, groups=["gender"]), noise=values)
    assert [(f.subject, f.severity) for f in named.findings] == [("hat a, noise", "note")]
    assert found(made_images(attributes), noise=values).findings[0].severity == "serious"


def test_only_faces_count() -> None:
    label = [1 if row < 300 else 0 for row in range(NUM)]
    values = normal() - 5 * SECOND * (np.arange(NUM) >= 300)
    result = found(made_images({"one": GROUPS}, label=label), contrast=20 + values)
    assert not result.findings
    assert group_of(result, "one b", "contrast").num_images == 150


def test_images_of_one_person_say_less() -> None:
    values = np.repeat(np.random.default_rng(5).normal(size=20), 30)
    groups: list[str | None] = [["a", "b"][row // 300] for row in range(NUM)]
    persons = [f"p{row // 30}" for row in range(NUM)]
    values += 0.9 * (np.arange(NUM) >= 300)
    assert found(made_images({"one": groups}), contrast=20 + values).findings
    shared = found(made_images({"one": groups}, identity_id=persons), contrast=20 + values)
    assert not shared.findings
    assert group_of(shared, "one b", "contrast").num_persons == 10


def test_small_groups_and_equal_values_are_shown_and_not_tested() -> None:
    groups = ["a"] * 590 + ["b"] * 10
    result = found(made_images({"one": groups}), contrast=20 + normal())
    assert {g.measure for g in result.groups} == set(COMPARED)
    assert result.num_tests == 0
    assert group_of(result, "one b", "contrast").p_value is None
    assert group_of(result, "one b", "contrast").num_images == 10


@pytest.mark.parametrize("persons_have", [1, 4])
def test_like_groups_raise_next_to_no_false_alarm(persons_have: int) -> None:
    generator = np.random.default_rng(9)
    alarms = 0
    for _ in range(12):
        count = 240
        persons = np.arange(count) // persons_have
        measures = {
            name: generator.normal(size=count)[persons] + generator.normal(size=count)
            for name in (*QUALITY_MEASURES, *SKIN_MEASURES)
        }
        group = generator.choice(list("abc"), count, p=[0.1, 0.3, 0.6])[persons]
        images = made_images(
            {"one": group.tolist(), "two": generator.choice(list("xy"), count)[persons].tolist()},
            groups=["one", "two"],
            identity_id=[f"p{person}" for person in persons],
        )
        alarms += bool(quality_by_group(images, made_measures(count, measures)).findings)
    assert alarms <= 1


def test_of_what_is_a_note_the_group_that_differs_the_most_is_told() -> None:
    tones = [["dark", "light", "medium"][row % 3] for row in range(NUM)]
    shift = np.array([-1.5, 1.0, 0.0])[np.arange(NUM) % 3]
    result = found(made_images({"skin_tone": tones}), brightness=50 + 10 * (normal() + shift))
    assert [f.subject for f in result.findings] == ["skin_tone dark, brightness"]
    worse = np.array([-1.5, -1.5, 1.5])[np.arange(NUM) % 3]
    several = found(made_images({"age": tones}), brightness=50 + 10 * (normal() + worse))
    assert [f.subject for f in several.findings] == [
        "age dark, brightness",
        "age light, brightness",
    ]


def test_values_and_flaws_are_corrected_as_one_family() -> None:
    values = 16 + 4 * (normal() - 0.4 * SECOND)  # below 15 is a flaw
    result = found(made_images({"one": GROUPS}), brightness=values)
    codes = SECOND.astype(int)
    raw = [
        superiorities(rank_rows(values=values), codes=codes, num_groups=2)[1].p_value,
        shift_p_values(rank_rows(values=values < 15), codes=codes, num_groups=2)[1],
    ]
    group = group_of(result, "one b", "brightness")
    assert raw[0] != pytest.approx(raw[1])
    assert (group.p_value, group.flawed_p_value) == pytest.approx(tuple(holm(raw)))


def test_memory_does_not_grow_with_the_number_of_groupings() -> None:
    """The rows of all groupings and measures at once would be 20 MB here."""
    generator = np.random.default_rng(0)
    count, names = 8000, [f"a{k}" for k in range(12)]
    images = made_images({name: generator.choice(["a", "b"], count).tolist() for name in names})
    measured = made_measures(count, {name: generator.normal(size=count) for name in COMPARED})
    tracemalloc.start()
    result = quality_by_group(images, measured)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(result.groups) == 2 * len(names) * len(COMPARED)
    assert peak < 8e6
