"""Whole reports for tests: of a model whose scores are normal, so that all figures agree.

The scores of negatives are standard normal, those of a group of faces normal about the group's
own mean; counts are what such scores give at a threshold, rounded, so nothing here is random.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from scipy import special

from debias.metrics.intervals import newcombe, rate
from debias.metrics.pairs import holm
from debias.reporting.measure_schema import MeasureJson, MeasuresJson, RateJson
from debias.reporting.models_schema import (
    ComparisonJson,
    ComparisonPointJson,
    GroupComparisonJson,
    GroupingComparisonJson,
    SeedsJson,
)
from debias.reporting.point_schema import (
    DisparityJson,
    GroupingJson,
    GroupJson,
    OperatingPointJson,
    PairJson,
    VerdictJson,
    WorstRecallJson,
)
from debias.reporting.schema import InputJson, ReportJson, SlicesJson
from debias.reporting.score_schema import (
    CalibrationGroupingJson,
    CalibrationGroupJson,
    CalibrationJson,
    SweepGroupingJson,
    SweepJson,
)

MARGIN, CONFIDENCE, NUM_NEGATIVES, MIN_GROUP_SIZE = 0.02, 0.95, 20_000, 30
UNKNOWN = "unknown"
HOSTILE = (
    "<script>alert('one')</script>",
    "x" * 200,
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\U0001f469\U0001f3ff\u200d\U0001f692 emoji",
    '" onmouseover="alert(2)',
    "{{ 7 * 7 }} | # [a](b) `c`",
    "=cmd()",
)
"""Names of groups that a page, a table or a card must show as they are, as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A group of the finest grouping: how many faces, and the mean of their scores."""

    values: tuple[str, ...]
    num_faces: int
    mean: float


PEOPLE = (
    Cell(values=("dark", "female"), num_faces=220, mean=3.4),
    Cell(values=("dark", "male"), num_faces=260, mean=3.9),
    Cell(values=("dark", "non-binary"), num_faces=0, mean=4.0),
    Cell(values=("light", "female"), num_faces=900, mean=4.4),
    Cell(values=("light", "male"), num_faces=1100, mean=4.5),
    Cell(values=("light", "non-binary"), num_faces=12, mean=4.2),
    Cell(values=("medium", "female"), num_faces=640, mean=4.3),
    Cell(values=("medium", "male"), num_faces=700, mean=4.4),
    Cell(values=("medium", "non-binary"), num_faces=25, mean=4.3),
    Cell(values=("dark", UNKNOWN), num_faces=31, mean=3.9),
    Cell(values=(UNKNOWN, "female"), num_faces=44, mean=4.2),
)
COLUMNS = ("skin_tone", "gender")


def full_report() -> ReportJson:
    """Return a report with all there can be, where negatives are one pool."""
    return _report(
        PEOPLE,
        COLUMNS,
        within={"pose": {"frontal": 0.3, "profile": -0.9}},
        compared=True,
        slices=True,
        seeds=True,
    )


def overall_report() -> ReportJson:
    """Return a report without groups."""
    report = _report(PEOPLE, ())
    report["attributes"], report["join"] = [], None
    return report


def decisions_report() -> ReportJson:
    """Return a report on decisions without scores: one threshold, no curves."""
    report = _report(PEOPLE, COLUMNS, negatives="pool")
    point = report["operating_points"][0]
    point["source"], point["threshold"], point["target_fpr"] = "decisions", None, None
    point["expected_false_positives"] = None
    for measures in _all_measures(point):
        measures["auc"] = measures["ece"] = not_applicable("There are no scores.")
    report["operating_points"], report["sweep"] = [point], None
    report["calibration"] = {
        "status": "not_applicable",
        "reason": "There are no scores.",
        "error": not_applicable("There are no scores."),
        "expected_by_chance": None,
        "bins": [],
        "groupings": [],
    }
    return report


def grouped_report() -> ReportJson:
    """Return a report where negatives belong to groups, so that every measure applies."""
    return _report(PEOPLE, COLUMNS, negatives="grouped")


def refused_report() -> ReportJson:
    """Return a report in which no threshold could be judged."""
    report = _report(PEOPLE, COLUMNS)
    report["operating_points"] = [refused_point(0.01), refused_point(0.001)]
    report["sweep"] = None
    report["rows"]["num_negatives"] = report["rows"]["num_pictures"] = 200
    return report


def equal_report() -> ReportJson:
    """Return a report of many faces, all found alike: no disparity beyond the margin."""
    values = ("blue", "green", "hazel")
    cells = tuple(Cell(values=(value,), num_faces=5000, mean=5.0) for value in values)
    return _report(cells, ("eyes",))


def small_gap_report() -> ReportJson:
    """Return a report in which a difference is shown, and shown to be below the margin."""
    cells = tuple(
        Cell(values=(value,), num_faces=40_000, mean=mean)
        for value, mean in [("left", 4.6), ("right", 4.7)]
    )
    return _report(cells, ("side",))


def uncertain_report() -> ReportJson:
    """Return a report of faces too few to tell."""
    cells = (
        Cell(values=("cane",), num_faces=60, mean=4.4),
        Cell(values=("none",), num_faces=80, mean=4.5),
    )
    return _report(cells, ("aid",))


def lonely_report() -> ReportJson:
    """Return a report in which one group is large enough to rank."""
    cells = (
        Cell(values=("only",), num_faces=400, mean=4.0),
        Cell(values=("few",), num_faces=9, mean=4.0),
        Cell(values=(UNKNOWN,), num_faces=70, mean=4.0),
    )
    return _report(cells, ("kind",))


def hostile_report() -> ReportJson:
    """Return a report whose every name is one that a page could stumble over."""
    cells = tuple(
        Cell(values=(name,), num_faces=100 + 20 * number, mean=3.5 + 0.2 * number)
        for number, name in enumerate(HOSTILE)
    )
    report = _report(cells, (HOSTILE[0],), compared=True, slices=True, seeds=True)
    report["calibration"]["groupings"] = _calibrations(cells, (HOSTILE[0],), [(HOSTILE[0],)])
    report["inputs"][0]["path"] = HOSTILE[0]
    report["inputs"][-1]["path"] = HOSTILE[4]
    report["notes"] = [HOSTILE[0], HOSTILE[4]]
    report["rows"]["chosen"] = HOSTILE[0]
    report["attributes"][0]["provenance"] = HOSTILE[4]
    report["conditions"][0]["condition"] = HOSTILE[0]
    report["versions"][HOSTILE[0]] = HOSTILE[5]
    return report


def _compared_file() -> InputJson:
    return {"role": "compare", "path": "plain/predictions.parquet", "sha256": "5c" * 32}


def wide_report(num_groups: int = 200, num_ranked: int = 28) -> ReportJson:
    """Return a report of many groups: the first are large enough to rank, the others small."""
    cells = tuple(
        Cell(
            values=(f"region {number:03d}",),
            num_faces=80 + number if number < num_ranked else 3 + number % 25,
            mean=4.0 + 0.01 * (number % 17),
        )
        for number in range(num_groups)
    )
    report = _report(cells, ("region",), compared=True)
    report["calibration"]["groupings"] = _calibrations(cells, ("region",), [("region",)])
    return report


def empty_report() -> ReportJson:
    """Return a report on no faces at all."""
    cells = tuple(Cell(values=(value,), num_faces=0, mean=4.0) for value in ("one", "two"))
    return _report(cells, ("kind",))


SAMPLES: dict[str, Callable[[], ReportJson]] = {
    "full": full_report,
    "overall": overall_report,
    "decisions": decisions_report,
    "grouped": grouped_report,
    "refused": refused_report,
    "equal": equal_report,
    "small_gap": small_gap_report,
    "uncertain": uncertain_report,
    "lonely": lonely_report,
    "hostile": hostile_report,
    "wide": wide_report,
    "empty": empty_report,
}
"""Every sample by its name, for tests that hold for all."""


def share_rate(part: float, num_trials: int, *, design_effect: float = 1.0) -> RateJson:
    """Return a rate that is as near to a share as the number of trials allows."""
    found = rate(
        num_successes=round(part * num_trials),
        num_trials=num_trials,
        confidence=CONFIDENCE,
        design_effect=design_effect,
    )
    missing = num_trials == 0
    return {
        "num_successes": found.num_successes,
        "num_trials": found.num_trials,
        "value": None if missing else found.value,
        "low": None if missing else found.low,
        "high": None if missing else found.high,
        "design_effect": found.design_effect,
    }


def group_name(values: Sequence[str]) -> str:
    """Return how a report calls a group or grouping."""
    return " x ".join(values) if values else "all"


def measure(found: RateJson, *, reason: str | None = None) -> MeasureJson:
    """Return a rate as a measure."""
    if found["num_trials"] == 0:
        return _measure("not_estimable", reason="There are no such rows.")
    return {
        "status": "estimated",
        "value": found["value"],
        "low": found["low"],
        "high": found["high"],
        "num_successes": float(found["num_successes"]),
        "num_trials": found["num_trials"],
        "reason": reason,
    }


def not_applicable(reason: str) -> MeasureJson:
    """Return a measure that would mean nothing."""
    return _measure("not_applicable", reason=reason)


def refused_point(target: float) -> OperatingPointJson:
    """Return a target that the negatives cannot resolve."""
    return {
        "source": "test",
        "target_fpr": target,
        "status": "refused",
        "reason": f"{target:g} of 200 negatives expects fewer than 10 false positives",
        "threshold": None,
        "fpr": None,
        "expected_false_positives": None,
        "recall": None,
        "measures": None,
        "groupings": [],
    }


def _measure(
    status: Literal["estimated", "not_estimable", "not_applicable"],
    *,
    reason: str | None,
    value: float | None = None,
    spread: float = 0.0,
) -> MeasureJson:
    return {
        "status": status,
        "value": value,
        "low": None if value is None else max(0.0, value - spread),
        "high": None if value is None else min(1.0, value + spread),
        "num_successes": None,
        "num_trials": None,
        "reason": reason,
    }


def _report(
    cells: Sequence[Cell],
    columns: Sequence[str],
    *,
    negatives: Literal["pool", "grouped"] = "pool",
    within: Mapping[str, Mapping[str, float]] | None = None,
    compared: bool = False,
    slices: bool = False,
    seeds: bool = False,
) -> ReportJson:
    num_faces = sum(cell.num_faces for cell in cells)
    groupings = _groupings(columns)
    points = [
        _point(cells, columns, groupings, fpr, negatives, within or {}, source, target)
        for fpr, source, target in [
            (0.013, "stored", 0.01),
            (0.01, "test", 0.01),
            (0.001, "test", 0.001),
        ]
    ]
    return {
        "schema_version": 1,
        "job": "report",
        "created": "2030-01-02T03:04:05+00:00",
        "versions": {"python": "3.11.7", "debias-faces": "0.1", "numpy": "2.4.6"},
        "platform": "linux-x86_64",
        "settings": {
            "target_fpr": [0.01, 0.001, 0.0001],
            "min_group_size": MIN_GROUP_SIZE,
            "confidence": CONFIDENCE,
            "min_false_positives": 10,
            "num_replicates": 1000,
            "margin": MARGIN,
            "seed": 0,
            "groups": list(columns),
            "where": [],
        },
        "inputs": [
            {"role": "predictions", "path": "model/predictions.parquet", "sha256": "3f" * 32},
            {"role": "operating point", "path": "model/operating_point.json", "sha256": "a0" * 32},
            {"role": "attributes", "path": "data/attributes.csv", "sha256": "9b" * 32},
            *([_compared_file()] if compared else []),
        ],
        "rows": {
            "chosen": "split == test",
            "num_in_file": num_faces + NUM_NEGATIVES + 40_000,
            "num_unlabelled": 17,
            "seen_splits": [],
            "num_faces": num_faces,
            "num_faces_identified": num_faces,
            "num_persons": num_faces // 2,
            "num_negatives": NUM_NEGATIVES,
            "num_pictures": NUM_NEGATIVES // 10,
            "negatives": negatives,
            "has_weights": False,
        },
        "attributes": [
            {
                "name": column,
                "provenance": "annotated" if position else "estimated",
                "num_unknown": sum(
                    cell.num_faces for cell in cells if cell.values[position] == UNKNOWN
                ),
            }
            for position, column in enumerate(columns)
        ],
        "join": {
            "num_faces_matched": num_faces - 5 if num_faces else 0,
            "num_faces_unmatched": 5 if num_faces else 0,
            "num_negatives_known": 0 if negatives == "pool" else NUM_NEGATIVES,
            "num_attributes_unmatched": 3,
        },
        "operating_points": [*points, refused_point(0.0001)],
        "sweep": _sweep(cells, columns, groupings, negatives),
        "calibration": {
            **_calibration(num_faces),
            "groupings": [] if negatives == "pool" else _calibrations(cells, columns, groupings),
        },
        "comparison": _comparison(cells, columns, groupings) if compared else None,
        "seeds": _seeds(groupings) if seeds else None,
        "slices": _slices(columns) if slices else None,
        "conditions": [
            {
                "condition": "worst_recall<0.9",
                "value": 0.85,
                "holds": True,
                "reason": "skin_tone, dark",
            },
            {"condition": "fpr>0.02", "value": 0.013, "holds": False, "reason": None},
            {
                "condition": "gap[age]>0.05",
                "value": None,
                "holds": False,
                "reason": "no grouping is called age",
            },
        ],
        "notes": [
            "Intervals hold for the threshold as it stands; that a threshold set on these "
            "negatives is itself an estimate is not in them.",
            "Groups of fewer than 30 faces are shown, but not ranked.",
        ],
    }


def _groupings(columns: Sequence[str]) -> list[tuple[str, ...]]:
    return [chosen for size in range(1, len(columns) + 1) for chosen in combinations(columns, size)]


def _merged(
    cells: Sequence[Cell], columns: Sequence[str], chosen: Sequence[str]
) -> dict[tuple[str, ...], list[Cell]]:
    """Return the cells of each group of a grouping, unknown groups last."""
    positions = [columns.index(column) for column in chosen]
    found: dict[tuple[str, ...], list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: (UNKNOWN in cell.values, cell.values)):
        found.setdefault(tuple(cell.values[position] for position in positions), []).append(cell)
    return dict(sorted(found.items(), key=lambda item: UNKNOWN in item[0]))


def _recall(cells: Sequence[Cell], fpr: float, *, shift: float = 0.0) -> RateJson:
    cut = special.ndtri(1.0 - fpr)
    num_faces = sum(cell.num_faces for cell in cells)
    hits = sum(round(cell.num_faces * special.ndtr(cell.mean + shift - cut)) for cell in cells)
    return share_rate(hits / num_faces if num_faces else 0.0, num_faces, design_effect=1.3)


def _status(values: Sequence[str], size: int) -> Literal["ranked", "small", "empty", "unknown"]:
    if UNKNOWN in values:
        return "unknown"
    if size == 0:
        return "empty"
    return "ranked" if size >= MIN_GROUP_SIZE else "small"


def _measures(
    recall: RateJson, *, fpr: float, num_negatives: int | None, mean: float
) -> MeasuresJson:
    """Return the measures of a group, or of all rows."""
    pool = num_negatives is None
    none = not_applicable("Negatives belong to no group.")
    negatives = share_rate(fpr, num_negatives or 0)
    false, hits = negatives["num_successes"], recall["num_successes"]
    faces = recall["num_trials"]
    total = faces + (num_negatives or 0)
    balanced = None if recall["value"] is None else (recall["value"] + 1.0 - fpr) / 2.0
    auc = float(special.ndtr(mean / np.sqrt(2.0)))
    shared = "With the negatives of all groups." if pool else None
    empty = _measure("not_estimable", reason="There are no faces.")

    def ratio(part: float, whole: float) -> MeasureJson:
        return measure(share_rate(part / whole if whole else 0.0, int(whole)))

    return {
        "recall": measure(recall),
        "fpr": none if pool else measure(negatives),
        "precision": none if pool else ratio(hits, hits + false),
        "accuracy": none if pool else ratio(hits + total - faces - false, total),
        "balanced_accuracy": empty
        if balanced is None
        else _measure("estimated", reason=shared, value=balanced, spread=0.01),
        "selection_rate": none if pool else ratio(hits + false, total),
        "auc": empty
        if not faces
        else _measure("estimated", reason=shared, value=auc, spread=0.001),
        "ece": none if pool else _measure("estimated", reason=None, value=0.03, spread=0.01),
    }


def _point(
    cells: Sequence[Cell],
    columns: Sequence[str],
    groupings: Sequence[Sequence[str]],
    fpr: float,
    negatives: Literal["pool", "grouped"],
    within: Mapping[str, Mapping[str, float]],
    source: str,
    target: float,
) -> OperatingPointJson:
    recall = _recall(cells, fpr)
    found = [_grouping(cells, columns, chosen, fpr, negatives) for chosen in groupings]
    for feature, levels in within.items():
        for level, shift in levels.items():
            moved = [
                Cell(values=c.values, num_faces=c.num_faces // 2, mean=c.mean + shift)
                for c in cells
            ]
            part = _grouping(moved, columns, columns[:1], fpr, negatives)
            part["within"] = {feature: level}
            found.append(part)
    adjusted = iter(holm([pair["p_value"] for part in found for pair in part["pairs"]]).tolist())
    for part in found:
        for pair in part["pairs"]:
            pair["adjusted_p_value"] = next(adjusted)
        part["verdict"] = _verdict(part)
    return {
        "source": "stored" if source == "stored" else "test",
        "target_fpr": target,
        "status": "estimated",
        "reason": None,
        "threshold": float(special.ndtri(1.0 - fpr)),
        "fpr": share_rate(fpr, NUM_NEGATIVES, design_effect=1.8),
        "expected_false_positives": target * NUM_NEGATIVES / 1.8,
        "recall": recall,
        "measures": _measures(recall, fpr=fpr, num_negatives=NUM_NEGATIVES, mean=4.3),
        "groupings": found,
    }


def _grouping(
    cells: Sequence[Cell],
    columns: Sequence[str],
    chosen: Sequence[str],
    fpr: float,
    negatives: Literal["pool", "grouped"],
) -> GroupingJson:
    groups: list[GroupJson] = []
    for number, (values, members) in enumerate(_merged(cells, columns, chosen).items()):
        recall = _recall(members, fpr)
        size = recall["num_trials"]
        own = None if negatives == "pool" else 4 * size
        mean = float(np.mean([cell.mean for cell in members]))
        groups.append(
            {
                "name": group_name(values),
                "values": list(values),
                "recall": recall,
                "status": _status(values, size),
                "effective_size": float(size),
                "num_negatives": own,
                "measures": _measures(
                    recall, fpr=fpr * (1 + 0.1 * (number % 3)), num_negatives=own, mean=mean
                ),
                "shrunken_recall": None,
            }
        )
    ranked = [group for group in groups if group["status"] == "ranked"]
    rates = [_value(group["recall"]) for group in ranked]
    _shrink(ranked)
    sizes = np.array([group["recall"]["num_trials"] for group in ranked], dtype=np.float64)
    spread = float(np.var(100 * np.array(rates), ddof=1)) if len(rates) > 1 else None
    part: GroupingJson = {
        "name": group_name(chosen),
        "columns": list(chosen),
        "within": {},
        "groups": groups,
        "num_ranked": len(ranked),
        "worst": None,
        "worst_recall": _worst_recall(ranked),
        "gap": None,
        "mean_of_groups": float(np.mean(rates)) if rates else None,
        "mean_of_groups_low": float(np.mean(rates)) - 0.02 if rates else None,
        "mean_of_groups_high": float(np.mean(rates)) + 0.01 if rates else None,
        "mean_of_images": float(np.average(rates, weights=sizes)) if rates else None,
        "mean_of_images_low": float(np.average(rates, weights=sizes)) - 0.01 if rates else None,
        "mean_of_images_high": float(np.average(rates, weights=sizes)) + 0.01 if rates else None,
        "variance": spread,
        "variance_low": None if spread is None else 0.3 * spread,
        "variance_high": None if spread is None else 2.5 * spread,
        "variance_null_median": None if spread is None else 1.25,
        "variance_null_percentile_95": None if spread is None else 4.5,
        "variance_null_p_value": None if spread is None else 0.012,
        "pairs": _pairs(ranked),
        "verdict": None,
        "disparities": _disparities(rates, negatives),
    }
    if len(ranked) > 1:
        worst, best = (ranked[int(pick(rates))] for pick in (np.argmin, np.argmax))
        limits = [(pair["family_low"], pair["family_high"]) for pair in part["pairs"]]
        pooled = float(np.average(rates, weights=sizes))
        noise = float(np.sqrt(pooled * (1 - pooled) / sizes.min()))
        part["worst"] = worst["name"]
        part["gap"] = {
            "value": max(rates) - min(rates),
            "low": max(0.0, *(max(low, -high) for low, high in limits)),
            "high": max(max(high, -low) for low, high in limits),
            "worst": worst["name"],
            "worst_values": worst["values"],
            "best": best["name"],
            "best_values": best["values"],
            "null_median": noise,
            "null_percentile_95": 2.0 * noise,
            "null_p_value": 0.0001 if max(rates) - min(rates) > 2.5 * noise else 0.4,
        }
    return part


def _value(found: RateJson) -> float:
    assert found["value"] is not None
    return found["value"]


def _worst_recall(ranked: Sequence[GroupJson]) -> WorstRecallJson | None:
    if not ranked:
        return None
    worst = min(ranked, key=lambda group: _value(group["recall"]))
    return {
        "value": _value(worst["recall"]),
        "low": min(group["recall"]["low"] or 0.0 for group in ranked),
        "high": min(group["recall"]["high"] or 0.0 for group in ranked),
        "group": worst["name"],
        "values": worst["values"],
    }


def _shrink(ranked: Sequence[GroupJson]) -> None:
    """Draw recalls towards their mean as if all groups together counted for 40 faces more."""
    if not ranked:
        return
    centre = float(np.mean([_value(group["recall"]) for group in ranked]))
    for group in ranked:
        found = group["recall"]
        assert found["low"] is not None
        assert found["high"] is not None
        keep = found["num_trials"] / (found["num_trials"] + 40.0)
        group["shrunken_recall"] = {
            "value": centre + keep * (_value(found) - centre),
            "low": centre + keep * (found["low"] - centre),
            "high": centre + keep * (found["high"] - centre),
        }


def _pairs(ranked: Sequence[GroupJson]) -> list[PairJson]:
    if len(ranked) < 2:
        return []
    first, second = np.triu_indices(len(ranked), 1)
    hits = np.array([group["recall"]["num_successes"] for group in ranked])
    faces = np.array([group["recall"]["num_trials"] for group in ranked])
    k, n, effects = (hits[first], hits[second]), (faces[first], faces[second]), (1.3, 1.3)
    low, high = newcombe(num_successes=k, num_trials=n, design_effect=effects)
    family_low, family_high = newcombe(
        num_successes=k,
        num_trials=n,
        confidence=1.0 - (1.0 - CONFIDENCE) / len(first),
        design_effect=effects,
    )
    pooled = (k[0] + k[1] + 0.5) / (n[0] + n[1] + 1.0)
    error = np.sqrt(1.3 * pooled * (1.0 - pooled) * (1.0 / n[0] + 1.0 / n[1]))
    difference = k[0] / n[0] - k[1] / n[1]
    p_values = 2.0 * special.ndtr(-np.abs(difference) / error)
    nearest = special.ndtr((np.abs(difference) - MARGIN) / error)
    return [
        {
            "first": ranked[one]["name"],
            "first_values": ranked[one]["values"],
            "second": ranked[other]["name"],
            "second_values": ranked[other]["values"],
            "difference": float(difference[i]),
            "low": float(low[i]),
            "high": float(high[i]),
            "p_value": float(p_values[i]),
            "adjusted_p_value": float(p_values[i]),
            "family_low": float(family_low[i]),
            "family_high": float(family_high[i]),
            "equivalence_p_value": float(nearest[i]),
        }
        for i, (one, other) in enumerate(zip(first.tolist(), second.tolist(), strict=True))
    ]


def _verdict(grouping: GroupingJson) -> VerdictJson | None:
    pairs, alpha = grouping["pairs"], 1.0 - CONFIDENCE
    if not pairs:
        return None
    num_different = sum(pair["adjusted_p_value"] <= alpha for pair in pairs)
    largest = max(pair["equivalence_p_value"] for pair in pairs)
    alike = largest <= alpha
    word: Literal["disparity", "below_margin", "none_beyond_margin", "inconclusive"]
    if num_different:
        word = "below_margin" if alike else "disparity"
    else:
        word = "none_beyond_margin" if alike else "inconclusive"
    return {
        "verdict": word,
        "margin": MARGIN,
        "num_pairs": len(pairs),
        "num_different": num_different,
        "equivalence_p_value": largest,
        "needed_per_group": 2_310 if word == "inconclusive" else None,
    }


def _disparities(
    rates: Sequence[float], negatives: Literal["pool", "grouped"]
) -> list[DisparityJson]:
    found: list[DisparityJson] = []
    reason = "Negatives belong to no group."
    for name, kinds in [
        ("equal_opportunity", ("difference", "ratio")),
        ("demographic_parity", ("difference", "ratio")),
        ("equalized_odds", ("difference", "ratio")),
        ("garbe", ("index",)),
        ("fdr", ("index",)),
    ]:
        for kind in kinds:
            for method in ("between_groups", "to_overall"):
                if kind == "index" and method == "to_overall":
                    continue
                applies = negatives == "grouped" or name == "equal_opportunity"
                enough = len(rates) > 1
                gap = max(rates) - min(rates) if enough else 0.0
                value = gap if kind != "ratio" else 1.0 - gap
                found.append(
                    {
                        "name": name,
                        "kind": "difference"
                        if kind == "difference"
                        else "ratio"
                        if kind == "ratio"
                        else "index",
                        "method": "between_groups" if method == "between_groups" else "to_overall",
                        "status": "not_applicable"
                        if not applies
                        else "estimated"
                        if enough
                        else "not_estimable",
                        "value": value if applies and enough else None,
                        "low": max(0.0, value - 0.02) if applies and enough else None,
                        "high": min(1.0, value + 0.02) if applies and enough else None,
                        "null_median": 0.01
                        if applies and enough and kind == "difference"
                        else None,
                        "reason": reason
                        if not applies
                        else None
                        if enough
                        else "Fewer than two groups are ranked.",
                    }
                )
    return found


def _all_measures(point: OperatingPointJson) -> list[MeasuresJson]:
    of_groups = [group["measures"] for part in point["groupings"] for group in part["groups"]]
    return [*([point["measures"]] if point["measures"] else []), *of_groups]


def _sweep(
    cells: Sequence[Cell],
    columns: Sequence[str],
    groupings: Sequence[Sequence[str]],
    negatives: Literal["pool", "grouped"],
) -> SweepJson:
    fprs = np.geomspace(0.0005, 0.5, 60).tolist()
    found: list[SweepGroupingJson] = []
    for chosen in groupings:
        ranked = {
            values: members
            for values, members in _merged(cells, columns, chosen).items()
            if _status(values, sum(cell.num_faces for cell in members)) == "ranked"
        }
        curves = {
            values: [_recall(members, fpr) for fpr in fprs] for values, members in ranked.items()
        }
        table = np.array([[_value(found) for found in curve] for curve in curves.values()])
        several = len(ranked) > 1
        found.append(
            {
                "name": group_name(chosen),
                "columns": list(chosen),
                "groups": [
                    {
                        "name": group_name(values),
                        "values": list(values),
                        "num_faces": curve[0]["num_trials"],
                        "recall": [_value(one) for one in curve],
                        "low": [one["low"] or 0.0 for one in curve],
                        "high": [one["high"] or 0.0 for one in curve],
                        "fpr": None if negatives == "pool" else [0.9 * fpr for fpr in fprs],
                    }
                    for values, curve in curves.items()
                ],
                "worst_recall": table.min(axis=0).tolist() if several else [],
                "gap": np.ptp(table, axis=0).tolist() if several else [],
                "null_median": [0.4 * (1 - value) for value in table.min(axis=0)]
                if several
                else [],
            }
        )
    overall = [_recall(cells, fpr)["value"] for fpr in fprs]
    return {
        "thresholds": special.ndtri(1.0 - np.array(fprs)).tolist(),
        "fpr": fprs,
        "recall": [0.0 if value is None else value for value in overall],
        "groupings": found,
    }


def _calibration(num_faces: int) -> CalibrationJson:
    return {
        "status": "estimated",
        "reason": None,
        "error": measure(share_rate(0.05, 17_600)),
        "expected_by_chance": 0.004,
        "bins": [
            {
                "num_rows": num_rows,
                "mean_score": score,
                "share": share_rate(score**1.2, num_rows),
            }
            for score, num_rows in zip(
                np.linspace(0.05, 0.95, 10).tolist(),
                [9000, 4000, 2000, 900, 400, 250, 200, 250, 600, max(1, num_faces)],
                strict=True,
            )
        ],
        "groupings": [],
    }


def _calibrations(
    cells: Sequence[Cell], columns: Sequence[str], groupings: Sequence[Sequence[str]]
) -> list[CalibrationGroupingJson]:
    """Return calibration by group: scores that are too high, most of all in the first groups."""
    found: list[CalibrationGroupingJson] = []
    for chosen in groupings:
        groups: list[CalibrationGroupJson] = []
        for k, (values, members) in enumerate(_merged(cells, columns, chosen).items()):
            size = sum(cell.num_faces for cell in members)
            reason = "By chance." if size else "No rows."
            error = measure(share_rate(0.2 / (k + 1), size), reason=reason)
            groups.append(
                {
                    "name": group_name(values),
                    "values": list(values),
                    "error": error,
                    "expected_by_chance": 0.01 if size else None,
                    "bins": [
                        {
                            "num_rows": size + place,
                            "mean_score": score,
                            "share": share_rate(score ** (1.0 + 1.0 / (k + 1)), size + place),
                        }
                        for place, score in enumerate((0.1, 0.4, 0.9) if size else ())
                    ],
                }
            )
        found.append({"name": group_name(chosen), "columns": list(chosen), "groups": groups})
    return found


def _comparison(
    cells: Sequence[Cell], columns: Sequence[str], groupings: Sequence[Sequence[str]]
) -> ComparisonJson:
    points: list[ComparisonPointJson] = [
        {
            "target_fpr": target,
            "status": "estimated",
            "reason": None,
            "fpr": share_rate(target, NUM_NEGATIVES),
            "other_fpr": share_rate(target, NUM_NEGATIVES),
            "groupings": [
                _grouping_comparison(cells, columns, chosen, target) for chosen in [(), *groupings]
            ],
        }
        for target in (0.01, 0.001)
    ]
    points.append(
        {
            "target_fpr": 0.0001,
            "status": "refused",
            "reason": "0.01 % of these negatives expects fewer than 10 false positives",
            "fpr": None,
            "other_fpr": None,
            "groupings": [],
        }
    )
    return {
        "num_faces": sum(cell.num_faces for cell in cells),
        "num_negatives": NUM_NEGATIVES,
        "num_only_here": 0,
        "num_only_other": 12,
        "moved_threshold": {
            "fpr": 0.013,
            "other_fpr": 0.008,
            "gain": 0.061,
            "gain_low": 0.042,
            "gain_high": 0.08,
            "gain_at_same_fpr": 0.047,
            "gain_at_same_fpr_low": 0.021,
            "gain_at_same_fpr_high": 0.069,
            "gain_by_threshold": 0.014,
            "gain_by_threshold_low": -0.004,
            "gain_by_threshold_high": 0.033,
        },
        "points": points,
    }


def _grouping_comparison(
    cells: Sequence[Cell], columns: Sequence[str], chosen: Sequence[str], target: float
) -> GroupingComparisonJson:
    groups: list[GroupComparisonJson] = []
    for number, (values, members) in enumerate(_merged(cells, columns, chosen).items()):
        one = _recall(members, target)
        other = _recall(members, target, shift=-0.4 if number % 3 else 0.1)
        size = one["num_trials"]
        moved = 0.0 if size == 0 else _value(one) - _value(other)
        gained = int(one["num_successes"] - other["num_successes"])
        groups.append(
            {
                "name": group_name(values),
                "values": list(values),
                "status": _status(values, size),
                "recall": one,
                "other_recall": other,
                "difference": {
                    "value": moved if size else None,
                    "low": moved - 0.02 if size else None,
                    "high": moved + 0.02 if size else None,
                },
                "num_gained": max(0, gained) + 2 if size else 0,
                "num_lost": max(0, -gained) + 2 if size else 0,
                "mcnemar_p_value": (0.0004 if gained > 10 else 0.31) if size else None,
            }
        )
    several = sum(group["status"] == "ranked" for group in groups) > 1
    return {
        "name": group_name(chosen),
        "columns": list(chosen),
        "groups": groups,
        "worst_recall": {"value": 0.05, "low": 0.01, "high": 0.09} if several else None,
        "gap": {"value": -0.03, "low": -0.07, "high": 0.01} if several else None,
    }


def _seeds(groupings: Sequence[Sequence[str]]) -> SeedsJson:
    figures: list[tuple[str, Sequence[str], float]] = [("recall", (), 0.95)]
    for chosen in groupings:
        figures += [("worst_recall", chosen, 0.86), ("gap", chosen, 0.11)]
    return {
        "seeds": ["0", "1", "2"],
        "target_fpr": 0.01,
        "figures": [
            {
                "name": name,
                "columns": list(chosen),
                "values": [value, value + 0.012, value - 0.006],
                "mean": value + 0.002,
                "standard_deviation": 0.0092,
                "low": value - 0.04,
                "high": value + 0.04,
            }
            for name, chosen, value in figures
        ],
    }


def _slices(columns: Sequence[str]) -> SlicesJson:
    return {
        "embedding": "embeddings.parquet",
        "num_dimensions": 64,
        "num_images": 3900,
        "num_candidates": 42,
        "target_fpr": 0.01,
        "threshold": 2.226,
        "slices": [
            {
                "name": f"slice {number + 1}",
                "num_images": 120 - 40 * number,
                # The second is a half-space, tested on half of its faces.
                "error_rate": share_rate(0.3 - 0.1 * number, 120 - 80 * number),
                "error_rate_elsewhere": share_rate(0.04, 3800),
                "low": 0.15 - 0.05 * number,
                "high": 0.45 - 0.05 * number,
                "adjusted_p_value": 0.00002 if number == 0 else 0.013,
                "attributes": [
                    {
                        "name": columns[0],
                        "value": "dark",
                        "share": 0.81,
                        "share_elsewhere": 0.12,
                        "adjusted_p_value": 0.0001,
                    }
                ]
                if number == 0
                else [],
                "image_ids": ["test-0001", "test-0044"] if number == 0 else [],
            }
            for number in range(2)
        ],
    }


def changed(report: ReportJson, **parts: object) -> ReportJson:
    """Return a copy of a report with some of its keys replaced."""
    copied = copy.deepcopy(report)
    for key, value in parts.items():
        assert key in copied, key
        copied[key] = value  # type: ignore[literal-required]
    return copied
