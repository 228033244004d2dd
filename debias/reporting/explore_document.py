"""What was found of a latent space to the plain data of ``explore.json``."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from debias.explore.continuity import Continuity
from debias.explore.posterior import AggregatedPosterior
from debias.explore.scores import LatentScores
from debias.reporting.explore_schema import ContinuityJson, LatentJson, LatentScoresJson


def latents_json(
    posterior: AggregatedPosterior,
    change: NDArray[np.float64],
    scores: LatentScores | None,
    *,
    threshold: float,
) -> list[LatentJson]:
    """Return what is known of each latent, in their order.

    Args:
        posterior: where the images lie.
        change: of the picture by each latent, shape (latent,).
        scores: what the latents tell of known factors; None where nothing is known.
        threshold: nats from which a latent is active.
    """
    active = set(posterior.active(threshold).tolist())
    told = [] if scores is None else [scores.told(k) for k in range(posterior.num_latents)]
    return [
        {
            "latent": latent,
            "is_active": latent in active,
            "kl": None if posterior.kl is None else float(posterior.kl[latent]),
            "mean": float(posterior.mean[latent]),
            "spread": float(posterior.spread[latent]),
            "change": float(change[latent]),
            "histogram": posterior.histograms[latent].tolist(),
            "told": [{"factor": name, "share": share} for name, share in told[latent]]
            if told
            else [],
        }
        for latent in range(posterior.num_latents)
    ]


def latent_scores_json(scores: LatentScores) -> LatentScoresJson:
    """Return the scores of a latent space."""
    return {
        "num_images": scores.num_images,
        "latents": list(scores.latents),
        "factors": list(scores.factors),
        "information": scores.information.tolist(),
        "chance_information": scores.chance_information,
        "scores": [
            {
                "name": score.name,
                "value": score.value,
                "low": score.low,
                "high": score.high,
                "chance_mean": score.chance_mean,
                "chance_high": score.chance_high,
            }
            for score in scores.scores
        ],
    }


def continuity_json(continuity: Continuity) -> ContinuityJson:
    """Return how far neighbours decode alike."""
    facts = asdict(continuity)
    return {
        "value": facts["value"],
        "chance": facts["chance"],
        "num_images": facts["num_images"],
        "num_neighbours": facts["num_neighbours"],
    }
