"""What a model says of an image set, to the plain data of ``audit.json``."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from debias.audit.probes import AttributeProbe
from debias.audit.results import ModelFindings
from debias.reporting.audit_schema import LatentJson, ModelJson
from debias.reporting.measure_document import finite, rate_json
from debias.reporting.plain_data import plain

SURE = 0.05
"""The adjusted p-value up to which a latent is said to carry an attribute."""


def model_json(found: ModelFindings) -> ModelJson:
    """Return what a model says of the faces.

    Args:
        found: all of it.
    """
    health = found.coverage.weights.health
    outliers = found.outliers
    return {
        "architecture": found.architecture,
        "num_faces": found.num_faces,
        "num_active": len(health.active),
        "effective_sample_size": health.effective_sample_size,
        "largest_over_mean": health.largest_over_mean,
        "sparse": rate_json(found.coverage.sparse),
        "regions": [
            {"num_images": len(region.rows), "picture": data_uri(picture)}
            for region, picture in zip(found.coverage.regions, found.regions, strict=True)
        ],
        "steps": list(found.steps),
        "latents": _latents(found),
        "probes": [_probe(probe) for probe in found.probes],
        "outlier_threshold": outliers.threshold,
        "num_outliers": int(outliers.flagged.sum()),
        "num_severe": int(outliers.severe.sum()),
        "outliers_by_group": plain(outliers.groups),
        "labels": [
            {
                "subject": each.subject,
                "num_judged": each.num_judged,
                "accuracy": finite(each.accuracy),
                "num_wrong": int(each.wrong.sum()),
                "reason": each.reason,
            }
            for each in found.mislabelled
        ],
    }


def _latents(found: ModelFindings) -> list[LatentJson]:
    """Return every latent, those that are drawn first."""
    strips = dict(zip(found.traversed, found.traversals, strict=True))
    order = sorted(
        found.coverage.latents,
        key=lambda use: (
            found.traversed.index(use.latent) if use.latent in strips else len(strips),
            use.latent,
        ),
    )
    return [
        {
            "latent": use.latent,
            "kl": finite(use.kl),
            "is_active": use.is_active,
            "mean": use.mean,
            "deviation": use.deviation,
            "edges": list(use.edges),
            "masses": list(use.masses),
            "strip": data_uri(np.concatenate([*strips[use.latent]], axis=1))
            if use.latent in strips
            else None,
            "carries": [
                _carried(use.latent, probe)
                for probe in found.probes
                if _is_carried(use.latent, probe)
            ],
        }
        for use in order
    ]


def _is_carried(latent: int, probe: AttributeProbe) -> bool:
    return any(each.latent == latent and each.adjusted_p_value <= SURE for each in probe.latents)


def _carried(latent: int, probe: AttributeProbe) -> dict[str, Any]:
    each = next(one for one in probe.latents if one.latent == latent)
    return {
        "attribute": probe.attribute,
        "information": each.information,
        "by_chance": each.by_chance,
        "share": each.share,
        "p_value": each.adjusted_p_value,
    }


def _probe(probe: AttributeProbe) -> dict[str, Any]:
    """Return a probe of all latents together; what each says is told with the latent."""
    told: dict[str, Any] = plain(probe)
    del told["latents"]
    return told


def data_uri(picture: NDArray[np.uint8]) -> str:
    """Return a picture as a PNG in a data URI.

    Args:
        picture: RGB of shape (height, width, channel).
    """
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
