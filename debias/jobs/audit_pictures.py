"""The pictures of an audit: decoded from means, and of single faces where these may be shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.audit.coverage import Coverage
from debias.audit.images import AuditedImages
from debias.data.shown import LEAST_PERSONS
from debias.inference.latents import decode_latents, traverse_latents
from debias.jobs.audit_encoding import EncodedImages

MOST_TRAVERSED = 16
"""Latents that are drawn: those of the largest KL divergence."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelPictures:
    """What a model decodes.

    Attributes:
        traversed: the latents that are drawn.
        traversals: RGB of shape (latent, step, height, width, channel).
        regions: of each rare region, shape (height, width, channel); None where it might show
            somebody.
        faces: of the rarest and then the most common faces, shape (face, 2, height, width,
            channel); None where they may not be shown.
    """

    traversed: tuple[int, ...]
    traversals: Pixels
    regions: tuple[Pixels | None, ...]
    faces: Pixels | None


def model_pictures(
    images: AuditedImages,
    encoded: EncodedImages,
    coverage: Coverage,
    *,
    num_different: int,
    shows_faces: bool,
) -> ModelPictures:
    """Return the pictures of a model's latent space.

    Args:
        images: the set.
        encoded: what the model makes of it.
        coverage: which faces and regions are rare.
        num_different: persons among the faces who surely are different ones; the mean of few
            would show one of them.
        shows_faces: single faces may be shown, and means of few.
    """
    model, mu = encoded.model, encoded.mu[images.faces[encoded.seen]]
    drawn = sorted(coverage.active, key=lambda latent: -coverage.latents[latent].kl)
    traversed = tuple(drawn[:MOST_TRAVERSED])
    if num_different < LEAST_PERSONS and not shows_faces:
        traversed = ()
    centres = np.array([region.centre for region in coverage.regions]).reshape(-1, mu.shape[1])
    regions = decode_latents(model, centres)
    return ModelPictures(
        traversed=traversed,
        traversals=traverse_latents(model, mu, traversed),
        regions=tuple(
            picture if shows_faces or region.num_different >= LEAST_PERSONS else None
            for region, picture in zip(coverage.regions, regions, strict=True)
        ),
        faces=_faces(images, encoded, coverage) if shows_faces else None,
    )


def _faces(images: AuditedImages, encoded: EncodedImages, coverage: Coverage) -> Pixels:
    """Return the rarest and the most common faces, each beside what the decoder makes of it."""
    rows = np.array([each.row for each in (*coverage.rarest, *coverage.most_common)], dtype=np.intp)
    ids = images.manifest.table["image_id"].iloc[rows]
    originals = encoded.store.gather(encoded.store.rows(ids))
    decoded = decode_latents(encoded.model, encoded.mu[np.searchsorted(encoded.seen, rows)])
    return np.stack([originals, decoded], axis=1)
