from __future__ import annotations

import copy
from typing import get_args, get_type_hints

import pytest
from reporting.sample_reports import (
    SAMPLES,
    decisions_report,
    empty_report,
    equal_report,
    full_report,
    lonely_report,
    overall_report,
    refused_report,
    share_rate,
    small_gap_report,
    uncertain_report,
)

from debias.reporting import report_words as words
from debias.reporting import summary_words, verdict_words
from debias.reporting.measure_schema import MeasuresJson
from debias.reporting.point_schema import (
    DisparityJson,
    GroupingJson,
    GroupJson,
    OperatingPointJson,
    VerdictJson,
)
from debias.reporting.schema import ReportJson


def grouping_of(report: ReportJson, position: int = 0) -> GroupingJson:
    return leading(report)["groupings"][position]


def leading(report: ReportJson) -> OperatingPointJson:
    point = words.leading_point(report)
    assert point is not None
    return point


def sentence(grouping: GroupingJson) -> str:
    return verdict_words.verdict_sentence(grouping, min_group_size=30)


def test_every_word_of_the_schema_has_its_own() -> None:
    verdicts = get_args(get_type_hints(VerdictJson)["verdict"])
    assert set(verdict_words.VERDICTS) == set(verdicts)
    assert set(words.STATUSES) == set(get_args(get_type_hints(GroupJson)["status"]))
    assert set(words.MEASURES) == set(get_type_hints(MeasuresJson))
    assert set(words.METHODS) == set(get_args(get_type_hints(DisparityJson)["method"]))
    assert len(set(verdict_words.VERDICTS.values())) == len(verdicts)


def test_the_leading_threshold_is_the_first_that_could_be_judged() -> None:
    report = full_report()
    assert words.leading_point(report) is report["operating_points"][0]
    refused = refused_report()["operating_points"][0]
    report["operating_points"].insert(0, refused)
    assert words.leading_point(report) is report["operating_points"][1]
    assert words.leading_point(refused_report()) is None


def test_thresholds_have_names() -> None:
    stored, test, *_ = full_report()["operating_points"]
    assert words.point_name(stored) == "stored threshold for 1 %"
    assert words.point_name(test) == "threshold for 1 % of these non-faces"
    assert words.where(test) == "at the threshold for 1 % of these non-faces"
    stored["target_fpr"] = None
    assert words.point_name(stored) == "stored threshold"
    given = leading(decisions_report())
    assert words.where(given) == "by the decisions as given"
    assert words.at_point(given) == (
        "By the decisions as given, which let 1.30 % of the non-faces through,"
    )
    stored["fpr"] = share_rate(0.0, 0)
    assert words.at_point(stored).endswith("whose false-positive rate is not estimable,")


def test_a_disparity_is_said_with_its_size() -> None:
    grouping = grouping_of(full_report())
    assert verdict_words.verdict_label(grouping["verdict"]) == "Disparity found"
    assert sentence(grouping) == (
        "2 of 3 pairs of groups differ in recall, more than chance explains, and the largest "
        "difference is shown to be beyond the margin of 2 points."
    )
    assert verdict_words.worst_sentence(grouping) == (
        "Found least: dark, 92.4 % [89.3, 94.6] of 511 faces. "
        "Found most: light, 98.7 % [98.0, 99.2] of 2,012 faces."
    )
    assert grouping["gap"] is not None
    assert grouping["verdict"] is not None
    gap = grouping["gap"]
    gap["value"], gap["low"], gap["high"] = 0.0634, 0.0199, 0.1
    gap["null_median"], gap["null_percentile_95"] = 0.007, 0.0131
    assert verdict_words.gap_sentence(grouping) == (
        "The gap is 6.3 points [2.0, 10.0]. Were all groups found alike, chance alone would give "
        "0.7 (median), and more than 1.3 in one case of twenty."
    )
    grouping["verdict"]["num_different"] = 1
    assert sentence(grouping) == (
        "1 of 3 pairs of groups differs in recall, more than chance explains, and differences "
        "beyond the margin of 2 points are not ruled out."
    )


def test_groups_that_are_found_alike_have_no_worst_and_best() -> None:
    grouping = grouping_of(equal_report())
    assert grouping["gap"] is not None
    grouping["gap"]["value"] = 0.0
    found = {tuple(group["values"]): group["recall"] for group in grouping["groups"]}
    found[tuple(grouping["gap"]["worst_values"])]["value"] = 0.9731
    assert verdict_words.worst_sentence(grouping) == (
        f"The {grouping['num_ranked']} ranked groups are found alike: 97.3 %."
    )


def test_to_be_missed_alike_is_no_good_news() -> None:
    report = equal_report()
    grouping = grouping_of(report)
    point, gap, before = leading(report), grouping["gap"], sentence(grouping)
    assert gap is not None
    assert point["recall"] is not None
    assert "No face" not in summary_words.headline(report) + before
    gap["value"] = 0.0
    for rate in (point["recall"], *(group["recall"] for group in grouping["groups"])):
        rate["value"] = 0.0
    bad_news = "No face of any ranked group is found, and to be alike in that is no good news. "
    assert sentence(grouping) == bad_news + before
    assert verdict_words.worst_sentence(grouping).endswith(" ranked groups are found alike: 0.0 %.")
    no_good_news = "No face is found: no verdict can make good news of that."
    assert no_good_news in summary_words.headline(report)


def test_a_gap_beyond_chance_without_a_pair_that_differs_is_a_hint() -> None:
    grouping = grouping_of(uncertain_report())
    gap, verdict = grouping["gap"], grouping["verdict"]
    assert gap is not None
    assert verdict is not None
    gap["value"], gap["null_percentile_95"] = 0.05, 0.05
    assert verdict_words.gap_sentence(grouping).endswith("in one case of twenty.")
    gap["value"] = 0.0501
    hint = (
        "in one case of twenty. This gap is larger than that, but no two groups are shown to "
        "differ once all comparisons at this threshold are corrected for: a hint, not a finding."
    )
    assert verdict_words.gap_sentence(grouping).endswith(hint)
    verdict["num_different"] = 1
    assert verdict_words.gap_sentence(grouping).endswith("in one case of twenty.")


def test_a_threshold_is_told_with_its_origin_and_what_it_answers() -> None:
    point = leading(full_report())
    point["threshold"] = 0.1 + 0.2
    answers = ": a score of at least that is answered 1"
    told = f"0.30000000000000004, stored with the predictions{answers}"
    assert words.threshold_words(point) == told
    point["source"], point["target_fpr"] = "given", None
    assert words.point_name(point) == "given threshold"
    assert words.where(point) == "at the given threshold"
    assert words.threshold_words(point) == f"0.30000000000000004, as given{answers}"
    point["source"] = "test"
    assert words.threshold_words(point) == f"0.30000000000000004, set on these non-faces{answers}"
    assert point["recall"] is not None
    assert point["fpr"] is not None
    point["recall"]["num_successes"] = 0
    assert words.threshold_words(point).endswith(answers)
    point["fpr"]["num_successes"] = 0
    nothing = ": no score reaches it, so that nothing is answered 1"
    assert words.threshold_words(point).endswith(nothing)
    point["threshold"] = None
    assert words.threshold_words(point) == ""


def test_a_difference_below_the_margin_is_no_more_than_that() -> None:
    grouping = grouping_of(small_gap_report())
    assert verdict_words.verdict_label(grouping["verdict"]) == "Found, but below the margin"
    assert sentence(grouping) == (
        "The two groups differ in recall, more than chance explains, but every difference is "
        "shown to be smaller than the margin of 2 points."
    )


def test_none_beyond_the_margin_does_not_claim_equality() -> None:
    grouping = grouping_of(equal_report())
    assert verdict_words.verdict_label(grouping["verdict"]) == "None beyond the margin"
    assert sentence(grouping) == (
        "No two groups are shown to differ in recall, and every difference is shown to be "
        "smaller than the margin of 2 points."
    )


def test_limits_of_a_gap_beyond_the_margin_are_explained_where_none_is_beyond() -> None:
    grouping = grouping_of(equal_report())
    gap, verdict = grouping["gap"], grouping["verdict"]
    assert gap is not None
    assert verdict is not None
    verdict["margin"], gap["high"] = 0.02, 0.02
    assert "These limits" not in verdict_words.gap_sentence(grouping)
    gap["high"], verdict["num_pairs"] = 0.065, 45
    told = verdict_words.gap_sentence(grouping)
    assert (
        " 6.5]. These limits hold for all 45 pairs together, so they are wider than the "
        "equivalence test of each pair needs; every pair passes its own. Were all groups" in told
    )
    verdict["num_pairs"] = 1
    assert "it takes one side at a time" in verdict_words.gap_sentence(grouping)
    verdict["verdict"] = "disparity"
    assert "These limits" not in verdict_words.gap_sentence(grouping)


def test_a_threshold_that_many_non_faces_set_or_none_needs_no_remark() -> None:
    point = full_report()["operating_points"][2]
    assert point["fpr"] is not None
    for count, end in ((0, "0 non-faces"), (1, "1 non-face"), (99, "99 non-faces")):
        point["fpr"]["num_successes"] = count
        assert words.resting_words(point).endswith(f"itself rests on {end}")
    point["fpr"]["num_successes"] = 100
    assert words.resting_words(point) == ""
    point["fpr"]["num_successes"], point["source"] = 10, "stored"
    assert words.resting_words(point) == ""


def test_what_is_inconclusive_says_what_would_settle_it() -> None:
    grouping = grouping_of(uncertain_report())
    verdict = grouping["verdict"]
    assert verdict is not None
    assert verdict_words.verdict_label(verdict) == "Inconclusive"
    assert sentence(grouping) == (
        "No two groups are shown to differ in recall, but differences beyond the margin of 2 "
        "points are not ruled out either. About 2,310 independent faces in each group would "
        "settle it."
    )
    verdict["needed_per_group"], verdict["margin"] = None, 0.01
    assert "the margin of 1 point are" in sentence(grouping)
    assert sentence(grouping).endswith("how many is not known.")


@pytest.mark.parametrize(
    ("report", "start"),
    [(lonely_report(), "1 group has known"), (empty_report(), "No group has known")],
)
def test_no_verdict_says_why(report: ReportJson, start: str) -> None:
    grouping = grouping_of(report)
    assert verdict_words.verdict_label(grouping["verdict"]) == "No verdict"
    assert sentence(grouping).startswith(start)
    assert "at least 30 faces: a comparison takes two" in sentence(grouping)
    assert verdict_words.worst_sentence(grouping) == verdict_words.gap_sentence(grouping) == ""


def test_the_headline_names_each_grouping_once() -> None:
    assert summary_words.headline(full_report()) == (
        "At the stored threshold for 1 %, which lets 1.30 % of the non-faces through, recall is "
        "97.8 % [97.2, 98.2] of 3,932 faces. A disparity between groups is found by skin_tone; "
        "skin_tone x gender. The data are inconclusive by gender. Within values of pose, 2 "
        "comparisons: disparity found in 2. At 1 % false positives of each, model is not shown to "
        "find more or fewer of the faces than plain: \N{MINUS SIGN}0.6 points "
        "[\N{MINUS SIGN}2.6, +1.4]."
    )
    assert summary_words.headline(overall_report()).endswith("no groups were named.")
    assert summary_words.headline(lonely_report()).endswith("no group is ranked beside another.")
    assert summary_words.headline(refused_report()) == (
        "No threshold could be judged: every target was refused."
    )
    assert "recall is not estimable (no faces)." in summary_words.headline(empty_report())


def test_a_headline_of_many_groupings_stays_short() -> None:
    report = full_report()
    point = leading(report)
    part = point["groupings"][0]
    point["groupings"] = [{**part, "name": f"attribute {k}"} for k in range(9)]
    text = summary_words.headline(report)
    assert "attribute 3; 5 more." in text
    assert "attribute 4" not in text


def test_the_summary_has_a_line_for_each_grouping() -> None:
    lines = summary_words.summary(full_report())
    assert len(lines) == 6
    assert lines[1].startswith("skin_tone: disparity found. 2 of 3 pairs")
    assert "Found least: dark" in lines[1]
    assert "chance alone would give" in lines[1]
    assert lines[4].startswith("skin_tone, pose = frontal: disparity found; gap ")
    assert "Found least" not in lines[4]
    assert summary_words.summary(refused_report()) == [summary_words.headline(refused_report())]


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"wide"}))
def test_every_sample_has_words_and_stays_as_it_was(name: str) -> None:
    report = SAMPLES[name]()
    before = copy.deepcopy(report)
    text = "\n".join(summary_words.summary(report))
    assert "None" not in text.replace("None beyond", "")
    assert "nan" not in text
    assert report == before


@pytest.mark.parametrize(
    ("part", "digits", "text"),
    [
        (0.5, 1, "50.0"),
        (1.0, 1, "100.0"),
        (0.0, 1, "0.0"),
        (0.99961, 1, "99.96"),
        (0.999961, 1, "99.996"),
        (0.00004, 1, "0.004"),
        (0.0001, 2, "0.01"),
        (1e-9, 1, "0.0000"),
        (-0.031, 1, "\N{MINUS SIGN}3.1"),
        (None, 1, "-"),
    ],
)
def test_what_is_not_all_is_not_written_as_all(part: float | None, digits: int, text: str) -> None:
    assert words.fine_points(part, digits=digits) == text


def test_weights_make_counts_fractional() -> None:
    assert [words.number_of_rows(number) for number in (1234, 1234.0, 0.25)] == [
        "1,234",
        "1,234",
        "0.2",
    ]


def test_a_rate_is_written_with_interval_and_count() -> None:
    assert words.rate_words(share_rate(0.5, 200)) == "50.0 % [43.1, 56.9] of 200 faces"
    assert words.rate_words(share_rate(1.0, 1)) == "100.0 % [20.7, 100.0] of 1 face"
    assert words.rate_words(share_rate(0.0, 0)) == "not estimable (no faces)"


def test_standing_says_why_a_group_is_not_ranked() -> None:
    grouping = grouping_of(full_report(), 2)
    found = {group["name"]: words.standing(group, grouping) for group in grouping["groups"]}
    assert found["dark x female"] == "ranked, worst"
    assert found["light x male"] == "ranked, best"
    assert found["medium x male"] == "ranked"
    assert found["light x non-binary"] == "few faces, not ranked"
    assert found["dark x non-binary"] == "no faces, not ranked"
    assert found["unknown x female"] == "unknown, not ranked"
    assert grouping["gap"] is not None
    grouping["gap"]["value"] = 0.0
    assert words.standing(grouping["groups"][0], grouping) == "ranked"


def test_disparities_have_names_and_numbers() -> None:
    found = grouping_of(full_report())["disparities"]
    names = [words.disparity_name(item) for item in found]
    assert len(set(names)) == len(names)
    assert names[1] == "Equal opportunity, difference, to overall"
    assert "GARBE" in names
    assert words.disparity_number(found[0], 0.063) == "6.3"
    ratio = next(item for item in found if item["kind"] == "ratio")
    assert words.disparity_number(ratio, 0.937) == "0.937"
    assert words.disparity_number(ratio, None) == "-"


def test_conditions_seeds_and_slices_have_words() -> None:
    report = full_report()
    assert [words.condition_words(item) for item in report["conditions"]] == [
        "holds, so the report fails: skin_tone, dark",
        "does not hold",
        "could not be evaluated: no grouping is called age",
    ]
    report["conditions"][2]["holds"] = True
    report["conditions"][2]["reason"] = None
    assert words.condition_words(report["conditions"][2]) == (
        "could not be evaluated, which counts as failed"
    )
    assert report["seeds"] is not None
    assert [words.seed_figure_name(item) for item in report["seeds"]["figures"][:3]] == [
        "recall of all faces",
        "recall of the worst group by skin_tone",
        "gap by skin_tone",
    ]
    slices = report["slices"]
    assert slices is not None
    assert "42 regions of the embedding, 2 have a raised" in words.slices_sentence(slices)
    slices["slices"] = []
    assert "none has a raised" in words.slices_sentence(slices)
