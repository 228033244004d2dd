"""Shares of groups, and what counts as too few."""

from __future__ import annotations

from dataclasses import dataclass

from debias.metrics.intervals import Rate

ALL = "all"
"""The scope of what is said of a set as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepresentationSettings:
    """What counts as too few.

    Attributes:
        note_ratio: a group whose share is below this part of the reference's beyond chance is a
            finding; four fifths, as in [EEOC1978].
        warning_ratio: below this part the finding is a warning.
        serious_ratio: below this part it is serious.
        most_unknown: share of unknown values above which an attribute is a finding.
        alpha: the chance of any false finding, over all groups.
        confidence: of intervals.
        recall: that a test of fairness is planned for.
        margin: the difference in recall that such a test must settle.

    References:
        [EEOC1978] Uniform Guidelines on Employee Selection Procedures, section 4 D. 43 Federal
        Register 38290.
    """

    note_ratio: float = 0.8
    warning_ratio: float = 0.5
    serious_ratio: float = 0.1
    most_unknown: float = 0.05
    alpha: float = 0.005
    confidence: float = 0.95
    recall: float = 0.95
    margin: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShare:
    """How often a group is seen.

    Attributes:
        values: of the attributes, in the order of the grouping's columns.
        known: whether all of them are.
        num_images: faces.
        num_persons: different ones; None where persons are not known.
        num_by_split: faces by split, in the order of ``Representation.splits``.
        share: of the faces of known values, with its interval; None for unknown ones.
        family_low: lower limit that holds for all groups of the grouping together.
        family_high: upper limit that does.
        reference: the share it is held against; None without one.
        ratio: of the two shares; None without a reference, or where that is 0.
        p_value: one-sided, that the share is below ``note_ratio`` of the reference only by
            chance, by Holm over all groups; None where it was not tested.
        num_to_reference: faces to add, all others kept, for the reference's share; None without.
        num_for_test: independent faces to add so that a test of recall can settle the margin.
    """

    values: tuple[str, ...]
    known: bool
    num_images: int
    num_persons: int | None
    num_by_split: tuple[int, ...]
    share: Rate | None
    family_low: float | None
    family_high: float | None
    reference: float | None
    ratio: float | None
    p_value: float | None
    num_to_reference: int | None
    num_for_test: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupingShares:
    """The groups that some attributes make.

    Attributes:
        columns: the attributes.
        num_known: faces of which all attributes are known.
        num_unknown: the others.
        reference: what the shares are held against, in words; None for nothing.
        effective_groups: exp of the entropy of the shares: as many groups of equal size are as
            diverse.
        smallest_over_largest: of the groups of known values, in [0, 1].
        needed_per_group: independent faces of each group that a test of recall needs to settle
            the margin; None for a single group.
        groups: those of known values in natural order, then those with an unknown one.
    """

    columns: tuple[str, ...]
    num_known: int
    num_unknown: int
    reference: str | None
    effective_groups: float
    smallest_over_largest: float
    needed_per_group: int | None
    groups: tuple[GroupShare, ...]
