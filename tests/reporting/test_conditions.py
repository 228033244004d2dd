"""The conditions of ``--fail-if``: read, checked, and held against whole reports."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporting.sample_reports import SAMPLES

from debias.errors import UsageError
from debias.reporting.conditions import (
    FIGURES,
    OPERATORS,
    FailCondition,
    check_fail_if,
    parse_fail_if,
)
from debias.reporting.outcomes import Outcome, conditions_json, evaluate_fail_if
from debias.reporting.point_schema import GroupingJson
from debias.reporting.report_words import condition_words
from debias.reporting.schema import ReportJson


def parse(text: str) -> FailCondition:
    (condition,) = parse_fail_if([text])
    return condition


def judge(text: str, report: ReportJson) -> Outcome:
    (outcome,) = evaluate_fail_if(parse_fail_if([text]), report)
    return outcome


def grouping(report: ReportJson, name: str, *, point: int = 0, **within: str) -> GroupingJson:
    for each in report["operating_points"][point]["groupings"]:
        if each["name"] == name and each["within"] == within:
            return each
    raise AssertionError(name)


def worst_of(each: GroupingJson) -> float:
    found = [g["recall"]["value"] for g in each["groups"] if g["status"] == "ranked"]
    return min(value for value in found if value is not None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("worst_recall<0.9", {"figure": "worst_recall", "sign": "<", "bound": 0.9}),
        (" gap >= .05 ", {"figure": "gap", "sign": ">=", "bound": 0.05}),
        ("fpr>2e-2", {"figure": "fpr", "sign": ">", "bound": 0.02}),
        ("gap[skin_tone]>0", {"columns": ("skin_tone",)}),
        ("gap[ skin_tone , gender ]>0", {"columns": ("skin_tone", "gender")}),
        ("gap[skin_tone x gender]>0", {"columns": ("skin_tone", "gender")}),
        ("gap[a,pose=frontal]>0", {"columns": ("a",), "within": {"pose": "frontal"}}),
        ("worst_recall@0.001<0.8", {"at": 0.001, "columns": None}),
        ("worst_recall@1e-3<0.8", {"at": 0.001}),
        ("gap@stored>0.1", {"at": "stored"}),
        ("gap.low[a]@stored>0.1", {"at": "stored", "columns": ("a",), "key": "low"}),
        ("verdict==disparity", {"sign": "==", "bound": "disparity", "at": None}),
        ("verdict[a]!=none_beyond_margin", {"sign": "!=", "bound": "none_beyond_margin"}),
    ],
)
def test_conditions_are_read(text: str, expected: dict[str, Any]) -> None:
    condition = parse(text)
    assert {name: getattr(condition, name) for name in expected} == expected
    assert condition.text == text.strip()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot read the condition ''"),
        ("worst_recall", "cannot read"),
        ("worst_recall=0.9", "cannot read"),
        ("worst_recal<0.9", "unknown figure 'worst_recal'. Did you mean 'worst_recall'?"),
        ("acu<0.9", "Did you mean"),
        ("worst_recall<high", "'high' is no number"),
        ("worst_recall<90", "90 is not between 0 and 1. For 90 % write 0.9"),
        ("worst_recall<-0.1", "not between 0 and 1"),
        ("worst_recall<nan", "not between 0 and 1"),
        ("worst_recall==0.9", "cannot be compared by =="),
        ("worst_recall<0.9<1", "is no number"),
        ("verdict<disparity", "a verdict is not < another"),
        ("verdict==disparty", "Did you mean 'disparity'?"),
        ("verdict.low==disparity", "verdict has no 'low'"),
        ("gap.middle>0.1", "gap has no 'middle'"),
        ("gap@2>0.1", "unknown threshold '2'"),
        ("gap@strd>0.1", "unknown threshold 'strd'. Write @stored"),
        ("gap[]>0.1", "cannot read the grouping"),
        ("gap[a,]>0.1", "cannot read the grouping"),
        ("gap[pose=frontal]>0.1", "cannot read the grouping"),
        ("gap[a,pose=]>0.1", "cannot read the grouping"),
        ("recall[a]<0.9", "recall is of all rows, not of groups. By group there is worst_recall"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert "--fail-if" in str(caught.value)


@given(
    figure=st.sampled_from([figure for figure in FIGURES if figure != "verdict"]),
    sign=st.sampled_from(sorted(OPERATORS)),
    bound=st.floats(0.0, 1.0),
)
def test_every_figure_and_number_can_be_written(figure: str, sign: str, bound: float) -> None:
    condition = parse(f"{figure}{sign}{bound!r}")
    assert (condition.figure, condition.sign, condition.bound) == (figure, sign, bound)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gap[skintone]>0.1", "'skintone' is not grouped by. Did you mean 'skin_tone'?"),
        ("gap@0.02>0.1", "no target is 0.02. Known: @stored, @0.01, @0.001"),
        ("gap[gender,lihgt=dim]>0.1", "'lihgt' is no control feature. Did you mean 'light'?"),
    ],
)
def test_what_a_report_will_not_have_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_fail_if(
            [parse(text)],
            columns=["skin_tone", "gender"],
            within=["light"],
            target_fpr=(0.01, 0.001),
        )
    assert message in str(caught.value)


def test_what_a_report_will_have_is_not_refused() -> None:
    texts = ["gap[gender,skin_tone]>0", "fpr@0.001>0", "gap[gender,light=dim]@stored>0"]
    columns = ["skin_tone", "gender"]
    check_fail_if(parse_fail_if(texts), columns=columns, within=["light"], target_fpr=(0.001,))
    check_fail_if(parse_fail_if(["recall<1"]), columns=[], target_fpr=())
    with pytest.raises(UsageError, match="nothing is grouped"):
        check_fail_if(parse_fail_if(["gap>0"]), columns=[], target_fpr=())


@pytest.mark.parametrize(
    ("sign", "holds"), [("<", False), ("<=", True), (">", False), (">=", True)]
)
def test_a_bound_itself_is_inside_or_outside_as_written(sign: str, holds: bool) -> None:
    outcome = judge(f"fpr{sign}0.013", SAMPLES["full"]())
    assert (outcome.value, outcome.holds, outcome.fails) == (0.013, holds, holds)


@pytest.mark.parametrize(
    "figure",
    ["recall", "fpr", "precision", "accuracy", "balanced_accuracy", "selection_rate", "auc", "ece"],
)
def test_figures_of_all_rows_are_those_of_the_leading_threshold(figure: str) -> None:
    report = SAMPLES["grouped"]()
    measures: Any = report["operating_points"][0]["measures"]
    assert judge(f"{figure}>0.5", report).value == measures[figure]["value"]
    assert judge(f"{figure}.high>0.5", report).value == measures[figure]["high"]


def test_without_a_name_every_grouping_of_all_rows_counts() -> None:
    report = SAMPLES["full"]()
    names = ["skin_tone", "gender", "skin_tone x gender"]
    recalls = {name: worst_of(grouping(report, name)) for name in names}
    assert min(recalls, key=recalls.__getitem__) == "skin_tone x gender"
    outcome = judge("worst_recall<0.9", report)
    assert outcome.value == min(recalls.values())
    assert outcome.holds
    assert "dark x female (skin_tone x gender) at the stored threshold" in outcome.sentence
    assert not judge("worst_recall[skin_tone]<0.9", report).holds
    assert judge("worst_recall[skin_tone]<0.9", report).value == recalls["skin_tone"]
    assert judge("worst_recall[gender,skin_tone]<0.9", report).holds
    gaps = [grouping(report, name)["gap"] for name in names]
    assert judge("gap>0.9", report).value == max(gap["value"] for gap in gaps if gap)
    assert judge("gap.low>0.9", report).value == max(gap["low"] for gap in gaps if gap)


@pytest.mark.parametrize("bound", [0.1, 0.95, 0.99])
def test_the_value_is_the_most_telling_one(bound: float) -> None:
    """Whether none of three groupings, two of them or all are beyond the bound."""
    report = SAMPLES["full"]()
    names = ["skin_tone", "gender", "skin_tone x gender"]
    recalls = [worst_of(grouping(report, name)) for name in names]
    assert judge(f"worst_recall<{bound}", report).value == min(recalls)
    assert judge(f"worst_recall>{bound}", report).value == max(recalls)


def test_a_stratum_counts_where_it_is_named() -> None:
    report = SAMPLES["full"]()
    profile = worst_of(grouping(report, "skin_tone", pose="profile"))
    assert profile < 0.8
    assert not judge("worst_recall<0.8", report).holds
    outcome = judge("worst_recall[skin_tone,pose=profile]<0.8", report)
    assert (outcome.value, outcome.holds) == (profile, True)
    missing = judge("worst_recall[skin_tone,pose=half]<0.8", report)
    assert (missing.value, missing.fails) == (None, True)
    assert "no such grouping" in missing.reason


def test_a_limit_is_that_of_the_worst_group() -> None:
    report = SAMPLES["full"]()
    groups = grouping(report, "skin_tone")["groups"]
    dark = next(group for group in groups if group["name"] == "dark")
    assert judge("worst_recall.low[skin_tone]<0.5", report).value == dark["recall"]["low"]
    assert judge("worst_recall.high[skin_tone]<0.5", report).value == dark["recall"]["high"]


def test_disparities_between_groups_can_be_bounded() -> None:
    report = SAMPLES["grouped"]()
    for each in grouping(report, "skin_tone")["disparities"]:
        name = each["name"] if each["kind"] == "index" else f"{each['name']}_{each['kind']}"
        if each["method"] == "between_groups":
            assert judge(f"{name}[skin_tone]>0.5", report).value == each["value"]
    pooled = judge("demographic_parity_difference>0.1", SAMPLES["full"]())
    assert (pooled.value, pooled.fails) == (None, True)


def test_a_threshold_is_chosen_by_name_or_target() -> None:
    report = SAMPLES["full"]()
    stored, one_percent, one_per_mille = report["operating_points"][:3]
    for text, point in (
        ("recall<0.5", stored),
        ("recall@stored<0.5", stored),
        ("recall@0.01<0.5", one_percent),
        ("recall@0.001<0.5", one_per_mille),
    ):
        assert point["measures"] is not None
        assert judge(text, report).value == point["measures"]["recall"]["value"]
    refused = judge("recall@0.0001<0.5", report)
    assert (refused.value, refused.holds, refused.fails) == (None, False, True)
    assert "refused: 0.0001 of 200 negatives" in refused.sentence
    report["operating_points"] = report["operating_points"][1:]
    assert judge("recall<0.5", report).value == one_percent["measures"]["recall"]["value"]  # type: ignore[index]
    assert "no such threshold came" in judge("recall@stored<0.5", report).sentence


def test_decisions_are_in_use_as_a_stored_threshold_is() -> None:
    report = SAMPLES["decisions"]()
    assert judge("recall@stored<0.5", report).value == judge("recall<0.5", report).value
    assert judge("auc<0.5", report).fails
    assert "There are no scores" in judge("auc<0.5", report).sentence


@pytest.mark.parametrize(
    ("text", "sample", "holds", "value"),
    [
        ("verdict==disparity", "full", True, 2.0),
        ("verdict[gender]==disparity", "full", False, 0.0),
        ("verdict==disparity", "equal", False, 0.0),
        ("verdict!=none_beyond_margin", "equal", False, 0.0),
        ("verdict!=none_beyond_margin", "uncertain", True, 1.0),
        ("verdict==inconclusive", "full", True, 1.0),
        ("verdict==below_margin", "small_gap", True, 1.0),
    ],
)
def test_a_verdict_is_counted(text: str, sample: str, holds: bool, value: float) -> None:
    outcome = judge(text, SAMPLES[sample]())
    assert (outcome.holds, outcome.value, outcome.fails) == (holds, value, holds)


@pytest.mark.parametrize(
    ("text", "sample"),
    [
        ("gap>0.5", "lonely"),
        ("verdict==disparity", "lonely"),
        ("worst_recall<0.1", "empty"),
        ("recall<0.1", "empty"),
        ("recall<0.1", "refused"),
        ("gap>0.9", "overall"),
    ],
)
def test_what_is_not_estimable_does_not_pass(text: str, sample: str) -> None:
    outcome = judge(text, SAMPLES[sample]())
    assert (outcome.value, outcome.holds, outcome.fails) == (None, False, True)
    assert outcome.sentence.startswith(f"{text} could not be evaluated: ")


def test_one_group_has_a_worst_recall() -> None:
    assert judge("worst_recall<0.99", SAMPLES["lonely"]()).value == 0.9625


def test_one_grouping_without_the_figure_is_not_passed_over() -> None:
    report = SAMPLES["full"]()
    grouping(report, "gender")["gap"] = None
    outcome = judge("gap>0.5", report)
    assert (outcome.value, outcome.fails) == (None, True)
    assert "gender: groups large enough to rank: " in outcome.reason
    finest = grouping(report, "skin_tone x gender")["gap"]
    assert finest is not None
    holds = judge("gap>0.05", report)  # it does elsewhere, whatever gender would give
    assert (holds.holds, holds.value) == (True, finest["value"])
    assert not judge("gap[skin_tone]>0.5", report).fails


def test_outcomes_are_plain_data_that_pages_have_words_for() -> None:
    report = SAMPLES["full"]()
    texts = ["worst_recall<0.9", "fpr>0.02", "gap[age]>0.1", "verdict==disparity"]
    found = conditions_json(evaluate_fail_if(parse_fail_if(texts), report))
    assert json.loads(json.dumps(found)) == found
    assert [each["condition"] for each in found] == texts
    assert [condition_words(each) for each in found] == [
        "holds, so the report fails: dark x female (skin_tone x gender) at the stored threshold "
        "for 1 %",
        "does not hold: all rows at the stored threshold for 1 %",
        "could not be evaluated: there is no such grouping (at the stored threshold for 1 %)",
        "holds, so the report fails: skin_tone, skin_tone x gender at the stored threshold for 1 %",
    ]


@pytest.mark.parametrize("name", sorted(SAMPLES))
@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_ends_in_every_report(name: str, figure: str) -> None:
    report = SAMPLES[name]()
    text = f"{figure}==disparity" if figure == "verdict" else f"{figure}>0.5"
    outcome = judge(text, report)
    assert outcome.sentence
    assert (outcome.value is None) <= outcome.fails
