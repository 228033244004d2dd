"""Slices of :mod:`debias.audit.slices` to the plain data of ``report.json``."""

from __future__ import annotations

from collections.abc import Sequence

from debias.audit.slices import Slice, Slices
from debias.reporting.measure_document import rate_json
from debias.reporting.schema import SliceJson, SlicesJson


def slices_json(
    found: Slices,
    *,
    embedding: str,
    target_fpr: float | None,
    threshold: float | None,
    image_ids: Sequence[str] | None = None,
) -> SlicesJson:
    """Return slices as plain data, numbered from 1.

    Args:
        found: the slices.
        embedding: the name of the file that the points come from.
        target_fpr: that the threshold was set for, if it was.
        threshold: at which a face counts as missed; None where only decisions are known.
        image_ids: of the faces that :func:`~debias.audit.slices.find_slices` was given, in its
            order, where the report may name some; ids may be names of persons.
    """
    return {
        "embedding": embedding,
        "num_dimensions": found.num_dimensions,
        "num_images": found.num_images,
        "num_candidates": found.num_candidates,
        "target_fpr": target_fpr,
        "threshold": threshold,
        "slices": [
            _slice_json(each, name=f"slice {number}", image_ids=image_ids)
            for number, each in enumerate(found.slices, start=1)
        ],
    }


def _slice_json(found: Slice, *, name: str, image_ids: Sequence[str] | None) -> SliceJson:
    return {
        "name": name,
        "num_images": int(found.inside.size),
        "error_rate": rate_json(found.error_rate),
        "error_rate_elsewhere": rate_json(found.error_rate_elsewhere),
        "low": found.low,
        "high": found.high,
        "adjusted_p_value": found.adjusted_p_value,
        "attributes": [
            {
                "name": each.name,
                "value": each.value,
                "share": each.share,
                "share_elsewhere": each.share_elsewhere,
                "adjusted_p_value": each.adjusted_p_value,
            }
            for each in found.attributes
        ],
        "image_ids": [] if image_ids is None else [str(image_ids[k]) for k in found.midst],
    }
