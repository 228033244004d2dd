"""What an audit measures of groups, to the plain data of ``audit.json``."""

from __future__ import annotations

from debias.audit.group_quality import GroupQuality
from debias.audit.group_shares import GroupingShares, GroupShare, RepresentationSettings
from debias.audit.representation import Representation
from debias.reporting.audit_measure_schema import GroupQualityJson
from debias.reporting.audit_schema import (
    GroupingSharesJson,
    GroupShareJson,
    RepresentationJson,
)
from debias.reporting.measure_document import finite, group_name, rate_json
from debias.reporting.plain_data import plain


def quality_json(group: GroupQuality) -> GroupQualityJson:
    """Return one measure of a group's pictures."""
    return {
        "name": group.name,
        "columns": list(group.columns),
        "values": list(group.values),
        "measure": group.measure,
        "num_images": group.num_images,
        "num_persons": group.num_persons,
        "num_unmeasured": group.num_unmeasured,
        "quartiles": [finite(value) for value in group.quartiles],
        "worst": finite(group.worst),
        "superiority": plain(group.superiority),
        "p_value": finite(group.p_value),
        "flawed": None if group.flawed is None else rate_json(group.flawed),
        "flawed_elsewhere": None
        if group.flawed_elsewhere is None
        else rate_json(group.flawed_elsewhere),
        "flawed_p_value": finite(group.flawed_p_value),
        "by_nature": group.by_nature,
        "allowance": group.allowance,
    }


def representation_json(
    found: Representation, *, settings: RepresentationSettings
) -> RepresentationJson:
    """Return whom the set, or a split, shows.

    Args:
        found: the shares.
        settings: with which they were judged.
    """
    return {
        "scope": found.scope,
        "num_faces": found.num_faces,
        "splits": list(found.splits),
        "recall": settings.recall,
        "margin": settings.margin,
        "groupings": [_grouping_json(grouping) for grouping in found.groupings],
    }


def _grouping_json(grouping: GroupingShares) -> GroupingSharesJson:
    return {
        "columns": list(grouping.columns),
        "name": " x ".join(grouping.columns),
        "num_known": grouping.num_known,
        "num_unknown": grouping.num_unknown,
        "reference": grouping.reference,
        "effective_groups": grouping.effective_groups,
        "smallest_over_largest": grouping.smallest_over_largest,
        "needed_per_group": grouping.needed_per_group,
        "groups": [_group_json(group) for group in grouping.groups],
    }


def _group_json(group: GroupShare) -> GroupShareJson:
    return {
        "name": group_name(group.values),
        "values": list(group.values),
        "known": group.known,
        "num_images": group.num_images,
        "num_persons": group.num_persons,
        "num_by_split": list(group.num_by_split),
        "share": None if group.share is None else rate_json(group.share),
        "family_low": group.family_low,
        "family_high": group.family_high,
        "reference": group.reference,
        "ratio": group.ratio,
        "p_value": group.p_value,
        "num_to_reference": group.num_to_reference,
        "num_for_test": group.num_for_test,
    }
