"""The columns of the tables of a report, what they hold and what they mean.

Names stay as they are while the version of the report's schema does; columns are only added.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["text", "number", "count"]
Columns = dict[str, tuple[Kind, str]]

BY, WITHIN, FIRST, SECOND = "by.", "within.", "first.", "second."
"""What the columns with the values of groups begin with; the name of the attribute follows."""

_AT: Columns = {
    "source": (
        "text",
        "of the threshold: given, stored, of decisions, or set on this test",
    ),
    "target_fpr": ("number", "the false-positive rate that was asked for"),
    "threshold": ("number", "a score of at least this is answered 1"),
}
_GROUPING: Columns = {
    "grouping": ("text", "what the groups are made by; missing for all rows"),
}
_GROUP: Columns = {
    "group": ("text", "its name; missing for what is of no single group"),
}
_VALUE: Columns = {
    "value": ("number", "the figure; missing where it is not estimable or not applicable"),
    "low": ("number", "lower limit of its interval"),
    "high": ("number", "upper limit of its interval"),
}
_WHY: Columns = {
    "status": ("text", "estimated, not_estimable or not_applicable"),
    "reason": ("text", "why there is no value, or what has to be known of it"),
}
_COUNTS: Columns = {
    "num_successes": ("number", "the numerator; fractional where rows have weights"),
    "num_trials": ("count", "the denominator, in rows"),
}


def _rate(start: str, what: str) -> Columns:
    return {
        f"{start}_num_successes": ("number", f"numerator of {what}"),
        f"{start}_num_trials": ("count", f"denominator of {what}"),
        f"{start}_value": ("number", what),
        f"{start}_low": ("number", f"lower limit of {what}"),
        f"{start}_high": ("number", f"upper limit of {what}"),
        f"{start}_design_effect": ("number", f"rows worth one independent row, for {what}"),
    }


MEAN_AND_VARIANCE: Columns = {
    "mean_of_groups": ("number", "mean recall, each ranked group counted once"),
    "mean_of_groups_low": ("number", "its lower limit"),
    "mean_of_groups_high": ("number", "its upper limit"),
    "mean_of_images": ("number", "mean recall, each ranked group weighted by its faces"),
    "mean_of_images_low": ("number", "its lower limit"),
    "mean_of_images_high": ("number", "its upper limit"),
    "variance": ("number", "sample variance of the groups' recall, squared points"),
    "variance_low": ("number", "lower limit of the variance without what chance adds"),
    "variance_high": ("number", "upper limit of it"),
    "variance_null_median": ("number", "the variance that chance alone gives, median"),
    "variance_null_percentile_95": (
        "number",
        "the variance that chance exceeds once in twenty cases",
    ),
    "variance_null_p_value": ("number", "the share of those that are at least as large"),
}
"""Of the ranked groups' recall: columns of the table of groupings."""

TABLES: dict[str, Columns] = {
    "operating_points": {
        **_AT,
        "status": ("text", "estimated, or refused"),
        "reason": ("text", "why it was refused"),
        "expected_false_positives": ("number", "at the target, among independent non-faces"),
        **_rate("fpr", "the false-positive rate of all non-faces"),
        **_rate("recall", "the recall of all faces"),
    },
    "groupings": {
        **_AT,
        **_GROUPING,
        "num_ranked": ("count", "groups that are compared"),
        "verdict_verdict": (
            "text",
            "disparity, below_margin, none_beyond_margin or inconclusive; missing with fewer than "
            "two ranked groups",
        ),
        "verdict_margin": ("number", "the difference below which groups count as served alike"),
        "verdict_num_pairs": ("count", "pairs of ranked groups"),
        "verdict_num_different": ("count", "pairs shown to differ, by Holm"),
        "verdict_equivalence_p_value": ("number", "the largest equivalence p-value of all pairs"),
        "verdict_needed_per_group": ("count", "independent faces a group that would settle it"),
        "gap_value": ("number", "the largest recall minus the smallest"),
        "gap_low": ("number", "lower limit of the gap"),
        "gap_high": ("number", "upper limit of the gap"),
        "gap_worst": ("text", "the group with the smallest recall"),
        "gap_best": ("text", "the group with the largest recall"),
        "gap_null_median": ("number", "the gap that chance alone gives, median"),
        "gap_null_percentile_95": ("number", "the gap that chance exceeds once in twenty cases"),
        "gap_null_p_value": ("number", "the share of gaps by chance that are at least as large"),
        **MEAN_AND_VARIANCE,
    },
    "groups": {
        **_AT,
        **_GROUPING,
        **_GROUP,
        "status": ("text", "ranked; or small, empty or unknown, which are not ranked"),
        "effective_size": ("number", "faces that make a group large enough: persons, if known"),
        **_COUNTS,
        **_VALUE,
        "design_effect": ("number", "rows worth one independent row; missing: all are one person"),
        "num_negatives": ("count", "its own non-faces; missing where they belong to no group"),
        "shrunken_value": ("number", "recall drawn towards that of all groups"),
        "shrunken_low": ("number", "lower limit of the shrunken recall"),
        "shrunken_high": ("number", "upper limit of the shrunken recall"),
    },
    "measures": {
        **_AT,
        **_GROUPING,
        **_GROUP,
        "measure": ("text", "recall, fpr, precision, accuracy, ..., by the names of the report"),
        **_WHY,
        **_VALUE,
        **_COUNTS,
    },
    "pairs": {
        **_AT,
        **_GROUPING,
        "first": ("text", "the name of the first group"),
        "second": ("text", "the name of the second group"),
        "difference": ("number", "recall of the first minus recall of the second"),
        "low": ("number", "lower limit of its interval"),
        "high": ("number", "upper limit of its interval"),
        "p_value": ("number", "of the score test, not corrected"),
        "adjusted_p_value": ("number", "by Holm, over all pairs of all groupings there"),
        "family_low": ("number", "lower limit that holds for all pairs of the grouping together"),
        "family_high": ("number", "upper limit that holds for all pairs of the grouping together"),
        "equivalence_p_value": ("number", "of two one-sided tests against the margin"),
    },
    "disparities": {
        **_AT,
        **_GROUPING,
        "name": ("text", "demographic_parity, equal_opportunity, equalized_odds, garbe or fdr"),
        "kind": ("text", "difference, ratio or index"),
        "method": ("text", "between_groups or to_overall"),
        **_WHY,
        **_VALUE,
        "null_median": ("number", "what chance alone gives"),
    },
    "sweep": {
        "threshold": ("number", "a score of at least this is answered 1"),
        "fpr": ("number", "of all non-faces at this threshold"),
        **_GROUPING,
        **_GROUP,
        "figure": ("text", "recall, fpr, worst_recall, gap or gap_by_chance"),
        **_VALUE,
        "num_faces": ("count", "faces of the group"),
    },
    "calibration": {
        **_GROUPING,
        **_GROUP,
        "bin": ("count", "from 1, by ascending score"),
        "num_rows": ("count", "rows in it"),
        "mean_score": ("number", "of its rows"),
        "num_successes": ("number", "faces in it"),
        "value": ("number", "the share of faces"),
        "low": ("number", "lower limit of its interval"),
        "high": ("number", "upper limit of its interval"),
    },
    "comparison": {
        "target_fpr": ("number", "the false-positive rate at which both models are compared"),
        "status": ("text", "estimated, or refused"),
        "reason": ("text", "why it was refused"),
        **_GROUPING,
        **_GROUP,
        "group_status": ("text", "ranked; or small, empty or unknown"),
        "figure": ("text", "recall, worst_recall or gap"),
        "value": ("number", "the figure of this model minus that of the other"),
        "low": ("number", "lower limit of its interval"),
        "high": ("number", "upper limit of its interval"),
        "recall": ("number", "of this model"),
        "other_recall": ("number", "of the other model"),
        "num_faces": ("count", "faces of the group that both judge"),
        "num_gained": ("count", "faces that only this model finds"),
        "num_lost": ("count", "faces that only the other finds"),
        "mcnemar_p_value": ("number", "exact, two-sided; takes faces as independent"),
    },
    "slices": {
        "target_fpr": ("number", "the false-positive rate that was asked for"),
        "threshold": ("number", "a score of at least this is answered 1"),
        "slice": ("text", "a region of the embedding where errors concentrate"),
        "num_images": ("count", "faces in it"),
        "num_trials": ("count", "faces that test it: those that had no say in finding it"),
        "error_rate": ("number", "the share of faces that are missed there"),
        "error_rate_elsewhere": ("number", "the share of faces that are missed elsewhere"),
        "low": ("number", "lower limit, which holds for all slices together"),
        "high": ("number", "upper limit, which holds for all slices together"),
        "adjusted_p_value": ("number", "corrected for all slices that were looked at"),
        "attribute": ("text", "one whose value is more common there; missing for none"),
        "attribute_value": ("text", "that value"),
        "share": ("number", "of faces there that have it"),
        "share_elsewhere": ("number", "of faces elsewhere that have it"),
        "attribute_p_value": ("number", "corrected for all attributes that were looked at"),
    },
    "seeds": {
        "target_fpr": ("number", "the false-positive rate of all trained models"),
        **_GROUPING,
        "figure": ("text", "recall, worst_recall or gap"),
        "seed": ("text", "which of the trained models"),
        "value": ("number", "the figure of this model"),
        "mean": ("number", "over the trained models"),
        "standard_deviation": ("number", "over the trained models"),
        "low": ("number", "lower limit, for another training and other images alike"),
        "high": ("number", "upper limit, for another training and other images alike"),
    },
    "columns": {
        "table": ("text", "the name of a table"),
        "column": ("text", "the name of a column"),
        "meaning": ("text", "what it holds"),
    },
}
"""The fixed columns of each table: what they hold, and what they mean."""


def kind_of(column: str) -> Kind:
    """Return whether a column is of text or numbers; those of values of groups are of text."""
    found = {table[column][0] for table in TABLES.values() if column in table}
    return found.pop() if found else "text"
