"""The conditions of ``--fail-if`` held against a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from debias.reporting.conditions import OPERATORS, OVERALL_FIGURES, STORED, FailCondition
from debias.reporting.measure_schema import MeasureJson
from debias.reporting.point_schema import GroupingJson, OperatingPointJson
from debias.reporting.report_words import grouping_name, leading_point, point_name
from debias.reporting.schema import ConditionJson, ReportJson


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A condition held against a report.

    Attributes:
        condition: which.
        value: the figure that is nearest to failing or furthest beyond the bound; of a verdict,
            the number of groupings for which the condition holds. None where the condition could
            not be evaluated.
        holds: whether it holds.
        reason: of what figure, at which threshold; or why it could not be evaluated.
    """

    condition: FailCondition
    value: float | None
    holds: bool
    reason: str

    @property
    def fails(self) -> bool:
        """Whether the report fails: the condition holds, or could not be evaluated."""
        return self.holds or self.value is None

    @property
    def sentence(self) -> str:
        """How it ended, in words."""
        if self.value is None:
            return f"{self.condition.text} could not be evaluated: {self.reason}"
        return f"{self.condition.text} {'holds' if self.holds else 'does not hold'}: {self._told}"

    @property
    def _told(self) -> str:
        is_figure = self.condition.figure != "verdict"
        return f"{self.value:.4g}, {self.reason}" if is_figure else self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A figure, or why there is none, and what it is of."""

    of: str
    figure: float | str | None
    reason: str = ""


def evaluate_fail_if(conditions: Iterable[FailCondition], report: ReportJson) -> list[Outcome]:
    """Return how each condition ends.

    Args:
        conditions: what :func:`debias.reporting.conditions.parse_fail_if` returned.
        report: complete but for its conditions.
    """
    return [_outcome(condition, report) for condition in conditions]


def conditions_json(outcomes: Iterable[Outcome]) -> list[ConditionJson]:
    """Return outcomes as plain data; a value of null says that it could not be evaluated."""
    return [
        {
            "condition": each.condition.text,
            "value": each.value,
            "holds": each.holds,
            "reason": each.reason,
        }
        for each in outcomes
    ]


def _outcome(condition: FailCondition, report: ReportJson) -> Outcome:
    point = _point(condition, report)
    if point is None or point["status"] == "refused":
        reason = "no such threshold came" if point is None else f"refused: {point['reason']}"
        if point is None and condition.at is None:
            reason = "no threshold could be judged"
        return Outcome(condition=condition, value=None, holds=False, reason=reason)
    found = list(_figures(condition, point))
    place = f"at the {point_name(point)}"
    held = [each for each in found if each.figure is not None and _holds(condition, each.figure)]
    lacking = [each for each in found if each.figure is None]
    if not found or (lacking and not held):
        reasons = [f"{each.of}: {each.reason}" for each in lacking] or ["there is no such grouping"]
        return Outcome(
            condition=condition, value=None, holds=False, reason=f"{'; '.join(reasons)} ({place})"
        )
    value, of = _most_telling(condition, held or found)
    if condition.figure == "verdict":
        value = float(len(held))
    return Outcome(condition=condition, value=value, holds=bool(held), reason=f"{of} {place}")


def _point(condition: FailCondition, report: ReportJson) -> OperatingPointJson | None:
    """Return the threshold that a condition is about, or None if there is none."""
    if condition.at is None:
        return leading_point(report)
    for point in report["operating_points"]:
        in_use = point["source"] != "test"
        if (
            in_use
            if condition.at == STORED
            else (not in_use and point["target_fpr"] == condition.at)
        ):
            return point
    return None


def _figures(condition: FailCondition, point: OperatingPointJson) -> Iterator[_Found]:
    """Give the figure of all rows, or that of every grouping a condition is about."""
    if condition.figure in OVERALL_FIGURES:
        assert point["measures"] is not None  # the threshold was judged
        measure: MeasureJson = point["measures"][condition.figure]  # type: ignore[literal-required]
        yield _of_measure("all rows", measure, condition.key)
        return
    for grouping in point["groupings"]:
        same_columns = condition.columns is None or sorted(condition.columns) == sorted(
            grouping["columns"]
        )
        if same_columns and dict(condition.within) == grouping["within"]:
            yield _of_grouping(condition, grouping)


def _of_measure(of: str, measure: MeasureJson, key: str) -> _Found:
    if measure["status"] != "estimated" or measure[key] is None:  # type: ignore[literal-required]
        reason = measure["reason"] or measure["status"].replace("_", " ")
        return _Found(of=of, figure=None, reason=reason)
    return _Found(of=of, figure=measure[key])  # type: ignore[literal-required]


def _of_grouping(condition: FailCondition, grouping: GroupingJson) -> _Found:
    name = grouping_name(grouping)
    few = f"groups large enough to rank: {grouping['num_ranked']}"
    match condition.figure:
        case "verdict":
            verdict = grouping["verdict"]
            return _Found(
                of=name, figure=None if verdict is None else verdict["verdict"], reason=few
            )
        case "gap":
            gap = grouping["gap"]
            if gap is None:
                return _Found(of=name, figure=None, reason=few)
            return _Found(of=name, figure=gap[condition.key])  # type: ignore[literal-required]
        case "worst_recall":
            return _worst_recall(name, grouping, condition.key)
    for each in grouping["disparities"]:
        called = each["name"] if each["kind"] == "index" else f"{each['name']}_{each['kind']}"
        if called == condition.figure and each["method"] == "between_groups":
            figure = each[condition.key] if each["status"] == "estimated" else None  # type: ignore[literal-required]
            reason = each["reason"] or each["status"].replace("_", " ")
            return _Found(of=name, figure=figure, reason=reason)
    return _Found(of=name, figure=None, reason=few)


def _worst_recall(name: str, grouping: GroupingJson, key: str) -> _Found:
    """Return the lowest recall of the ranked groups, or a limit of it."""
    worst = grouping["worst_recall"]
    if worst is None:
        return _Found(of=name, figure=None, reason="no group is large enough to rank")
    return _Found(of=f"{worst['group']} ({name})", figure=worst[key])  # type: ignore[literal-required]


def _holds(condition: FailCondition, figure: float | str) -> bool:
    if isinstance(figure, str) or isinstance(condition.bound, str):
        return (figure == condition.bound) == (condition.sign == "==")
    return OPERATORS[condition.sign](figure, condition.bound)


def _most_telling(condition: FailCondition, found: Sequence[_Found]) -> tuple[float, str]:
    """Return the lowest figure for a lower bound, else the highest, and what it is of."""
    numbers = [(each.figure, each.of) for each in found if isinstance(each.figure, float | int)]
    if not numbers:
        return 0.0, ", ".join(each.of for each in found)
    choose = min if condition.sign.startswith("<") else max
    return choose(numbers, key=lambda pair: pair[0])
