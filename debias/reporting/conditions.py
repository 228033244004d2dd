"""The conditions of ``--fail-if``: how they are written, and what they ask for.

A condition is a figure, perhaps a grouping and a threshold, an operator and a bound::

    worst_recall<0.9                          fpr>0.02
    gap[skin_tone,gender]>0.05                auc<0.99
    worst_recall@0.001<0.8                    verdict==disparity
    gap.low@stored>0.02                       verdict[skin_tone]!=none_beyond_margin

* Without ``@`` it is about the leading threshold: the one in use if there is one, else the first
  target that could be judged. ``@stored`` is the one in use, also where it is known by its
  decisions alone; ``@0.001`` is the one set for that target on the report's own negatives.
* Without ``[...]`` it is about every grouping of all rows, and holds if it holds for any of them.
  ``[skin_tone,gender]`` is their intersection. Groupings within control features count only where
  they are named: ``[skin_tone,pose=frontal]``.
* ``.low`` and ``.high`` are the limits of a figure's interval, so that a condition can ask for
  what is sure and not for what is seen.

What cannot be evaluated does not pass: a condition fails the report if it holds for one of the
groupings it is about, and also if it holds for none, but one of them has no such figure.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from debias.errors import UsageError, nearest
from debias.reporting.measure_schema import MeasuresJson
from debias.reporting.verdict_words import VERDICTS

OVERALL_FIGURES = tuple(MeasuresJson.__annotations__)
"""Of all rows together."""
DISPARITY_FIGURES = (
    *(
        f"{name}_{kind}"
        for name in ("demographic_parity", "equal_opportunity", "equalized_odds")
        for kind in ("difference", "ratio")
    ),
    "garbe",
    "fdr",
)
"""Of a grouping, between its groups."""
GROUPING_FIGURES = ("worst_recall", "gap", *DISPARITY_FIGURES, "verdict")
"""Of a grouping."""
FIGURES = (*OVERALL_FIGURES, *GROUPING_FIGURES)
STORED = "stored"
OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM = re.compile(
    r"\s*(?P<figure>\w+)(?:\.(?P<limit>\w+))?\s*(?:\[(?P<grouping>[^\]]*)\])?"
    r"\s*(?:@\s*(?P<at>[\w.+-]+))?\s*(?P<sign><=|>=|==|!=|<|>)\s*(?P<bound>\S+)\s*"
)
_EXAMPLE = "Write figure<number, such as worst_recall<0.9 or gap[skin_tone]@0.001>0.05"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailCondition:
    """What makes a report fail.

    Attributes:
        text: as it was written.
        figure: one of :data:`FIGURES`.
        key: ``value``, ``low`` or ``high``: the figure, or a limit of its interval.
        columns: the grouping it is about; None for every grouping, and for a figure of all rows.
        within: the values of control features that the rows of the grouping share.
        at: the threshold: None for the leading one, :data:`STORED`, or a target.
        sign: one of :data:`OPERATORS`; of a verdict ``==`` or ``!=``.
        bound: a number in [0, 1], or a verdict.
    """

    text: str
    figure: str
    key: str = "value"
    columns: tuple[str, ...] | None = None
    within: Mapping[str, str] = field(default_factory=dict)
    at: str | float | None = None
    sign: str
    bound: float | str


def parse_fail_if(texts: Sequence[str]) -> tuple[FailCondition, ...]:
    """Return the conditions written in ``texts``, as the module says they are written.

    Args:
        texts: what was written, one condition each.

    Raises:
        UsageError: a text is not of this form, a word is unknown (the nearest is named), or a
            bound is no number in [0, 1].
    """
    return tuple(_parse(text) for text in texts)


def check_fail_if(
    conditions: Iterable[FailCondition],
    *,
    columns: Sequence[str],
    within: Sequence[str] = (),
    target_fpr: Sequence[float],
) -> None:
    """See that a report will have what conditions ask for, before it is computed.

    Args:
        conditions: what :func:`parse_fail_if` returned.
        columns: the attributes that the report is grouped by.
        within: its control features.
        target_fpr: its targets.

    Raises:
        UsageError: a condition is about another attribute or another target, or about groups
            where there are none.
    """
    for condition in conditions:
        if condition.figure in GROUPING_FIGURES and not columns:
            raise _refusal(condition.text, "nothing is grouped", "Name attributes to group by")
        for name in condition.columns or ():
            if name not in columns:
                raise _refusal(
                    condition.text, f"{name!r} is not grouped by", nearest(name, columns)
                )
        for name in condition.within:
            if name not in within:
                hint = nearest(name, within) if within else "There are none"
                raise _refusal(condition.text, f"{name!r} is no control feature", hint)
        if isinstance(condition.at, float) and condition.at not in target_fpr:
            known = ", ".join(f"@{target:g}" for target in target_fpr)
            raise _refusal(
                condition.text, f"no target is {condition.at:g}", f"Known: @stored, {known}"
            )


def _parse(text: str) -> FailCondition:
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(f"cannot read the condition {text!r}", where="--fail-if", hint=_EXAMPLE)
    figure, limit, sign = match["figure"], match["limit"], match["sign"]
    if figure not in FIGURES:
        raise _refusal(text, f"unknown figure {figure!r}", nearest(figure, FIGURES))
    if limit not in (None, "low", "high") or (limit and figure == "verdict"):
        raise _refusal(text, f"{figure} has no {limit!r}", "A figure's limits are .low and .high")
    columns, within = _parse_grouping(text, figure, match["grouping"])
    return FailCondition(
        text=text.strip(),
        figure=figure,
        key=limit or "value",
        columns=columns,
        within=within,
        at=_parse_threshold(text, match["at"]),
        sign=sign,
        bound=_parse_bound(text, figure, sign, match["bound"]),
    )


def _parse_grouping(
    text: str, figure: str, words: str | None
) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    """Return the attributes in brackets, and the values of control features among them."""
    if words is None:
        return None, {}
    if figure in OVERALL_FIGURES:
        raise _refusal(
            text, f"{figure} is of all rows, not of groups", "By group there is worst_recall"
        )
    parts = [part.strip() for part in re.split(r",| x ", words)]
    pairs = [part.partition("=") for part in parts]
    columns = tuple(name.strip() for name, equals, _ in pairs if not equals)
    within = {name.strip(): value.strip() for name, equals, value in pairs if equals}
    if not all(parts) or not columns or not all(within) or not all(within.values()):
        raise _refusal(text, "cannot read the grouping", "Write [skin_tone,gender]")
    return columns, within


def _parse_threshold(text: str, word: str | None) -> str | float | None:
    if word is None or word == STORED:
        return word
    try:
        target = float(word)
    except ValueError:
        target = math.nan
    if not 0.0 < target < 1.0:
        raise _refusal(
            text, f"unknown threshold {word!r}", "Write @stored or a target such as @0.001"
        )
    return target


def _parse_bound(text: str, figure: str, sign: str, word: str) -> float | str:
    if figure == "verdict":
        if sign not in ("==", "!="):
            raise _refusal(text, f"a verdict is not {sign} another", "Write == or !=")
        if word not in VERDICTS:
            raise _refusal(text, f"unknown verdict {word!r}", nearest(word, VERDICTS))
        return word
    if sign not in OPERATORS:
        raise _refusal(text, f"{figure} cannot be compared by {sign}", "Write <, <=, > or >=")
    try:
        bound = float(word)
    except ValueError:
        raise _refusal(text, f"{word!r} is no number", _EXAMPLE) from None
    if not 0.0 <= bound <= 1.0:
        raise _refusal(text, f"{word} is not between 0 and 1", "For 90 % write 0.9")
    return bound


def _refusal(text: str, what: str, hint: str) -> UsageError:
    return UsageError(what, where=f"--fail-if {text.strip()}", hint=hint)
