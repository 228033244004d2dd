"""What a model says of an image set, to the plain data of ``audit.json``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.probe_spread import ProbeSpread
from debias.audit.probes import AttributeProbe
from debias.audit.rare_regions import RareRegion
from debias.audit.results import ModelFindings
from debias.audit.weighted_faces import Driver, WeightedFace
from debias.reporting.audit_model_schema import (
    CarriedJson,
    DriverJson,
    LatentJson,
    ModelJson,
    ProbeJson,
    ProbeSpreadJson,
    RegionJson,
    RunProbeJson,
    WeightedFaceJson,
)
from debias.reporting.measure_document import finite, rate_json
from debias.reporting.picture_uris import png_uri, small_uri
from debias.reporting.plain_data import plain


def model_json(found: ModelFindings, *, image_ids: pd.Series[str] | None) -> ModelJson:
    """Return what a model says of the faces.

    Args:
        found: all of it.
        image_ids: of all audited images; None names nobody.
    """
    health = found.coverage.weights.health
    outliers, coverage = found.outliers, found.coverage
    pictures = found.faces
    shown = len(coverage.rarest)
    return {
        "architecture": found.architecture,
        "num_faces": found.num_faces,
        "num_active": len(health.active),
        "effective_sample_size": health.effective_sample_size,
        "largest_over_mean": health.largest_over_mean,
        "sparse": rate_json(coverage.sparse),
        "regions": [
            _region(region, picture)
            for region, picture in zip(coverage.regions, found.regions, strict=True)
        ],
        "are_drawn": found.are_drawn,
        "includes_images": pictures is not None,
        "rarest": _faces(
            coverage.rarest, None if pictures is None else pictures[:shown], image_ids
        ),
        "most_common": _faces(
            coverage.most_common, None if pictures is None else pictures[shown:], image_ids
        ),
        "steps": list(found.steps),
        "latents": _latents(found),
        "probes": [_probe(probe) for probe in found.probes],
        "runs": [
            {
                "name": run.name,
                "architecture": run.architecture,
                "seed": run.seed,
                "num_faces": run.num_faces,
                "num_latents": run.num_latents,
                "num_active": run.num_active,
            }
            for run in found.runs
        ],
        "spread": [_spread(each) for each in found.spread],
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


def _drivers(drivers: Sequence[Driver]) -> list[DriverJson]:
    return [{"latent": each.latent, "place": each.place} for each in drivers]


def _region(region: RareRegion, picture: NDArray[np.uint8] | None) -> RegionJson:
    return {
        "num_images": len(region.rows),
        "num_persons": region.num_persons,
        "weight": region.weight,
        "drivers": _drivers(region.drivers),
        "picture": None if picture is None else png_uri(picture),
    }


def _faces(
    faces: Sequence[WeightedFace],
    pictures: NDArray[np.uint8] | None,
    image_ids: pd.Series[str] | None,
) -> list[WeightedFaceJson]:
    """Return single faces; their pictures have shape (face, 2, height, width, channel)."""
    return [
        {
            "weight": face.weight,
            "drivers": _drivers(face.drivers),
            "image_id": None if image_ids is None else str(image_ids.iloc[face.row]),
            "picture": None if pictures is None else small_uri(pictures[place]),
        }
        for place, face in enumerate(faces)
    ]


def _spread(spread: ProbeSpread) -> ProbeSpreadJson:
    return {
        "attribute": spread.attribute,
        "num_runs": spread.num_runs,
        "mean": finite(spread.mean),
        "lowest": finite(spread.lowest),
        "highest": finite(spread.highest),
        "lowest_share": finite(spread.most_telling[0]),
        "highest_share": finite(spread.most_telling[1]),
        "num_told": spread.num_told,
        "num_carried": spread.num_carried,
        "runs": [_run_probe(run, probe) for run, probe in spread.probes],
    }


def _run_probe(run: int, probe: AttributeProbe) -> RunProbeJson:
    best = probe.most_telling
    return {
        "run": run,
        "balanced_accuracy": finite(probe.balanced_accuracy),
        "accuracy_p_value": finite(probe.p_value),
        "is_told": probe.is_told,
        "latent": None if best is None else best.latent,
        "share": None if best is None else best.share,
        "p_value": None if best is None else best.adjusted_p_value,
        "is_carried": best is not None and best.is_sure,
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
            "strip": png_uri(np.concatenate([*strips[use.latent]], axis=1))
            if use.latent in strips
            else None,
            "carries": _carried(use.latent, found.probes),
        }
        for use in order
    ]


def _carried(latent: int, probes: Sequence[AttributeProbe]) -> list[CarriedJson]:
    told = [(probe.attribute, probe.carried_by(latent)) for probe in probes]
    return [
        {
            "attribute": attribute,
            "information": each.information,
            "by_chance": each.by_chance,
            "share": each.share,
            "p_value": each.adjusted_p_value,
        }
        for attribute, each in told
        if each is not None
    ]


def _probe(probe: AttributeProbe) -> ProbeJson:
    """Return a probe of all latents together; what each says is told with the latent."""
    return {
        "attribute": probe.attribute,
        "values": list(probe.values),
        "reason": probe.reason,
        "num_images": probe.num_images,
        "num_persons": probe.num_persons,
        "num_unknown": probe.num_unknown,
        "num_left_out": probe.num_left_out,
        "balanced_accuracy": finite(probe.balanced_accuracy),
        "lowest": finite(probe.lowest),
        "highest": finite(probe.highest),
        "chance": finite(probe.chance),
        "highest_by_chance": finite(probe.highest_by_chance),
        "p_value": finite(probe.p_value),
    }
