"""Boxes of the faces in a picture: windows of many sizes, and of those that overlap the best.

The picture is made smaller step by step, so that a window of the network's own size covers ever
more of it; each step is scored in whole passes (see :mod:`debias.inference.dense`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.ops import nms

from debias.data.decode import REDUCING_GAP, RESAMPLE
from debias.errors import ConfigError
from debias.inference.dense import cropped_logits, geometry, is_dense, window_logits
from debias.inference.encode import evaluating
from debias.inference.predict import probability
from debias.models.db_vae import FaceModel

FaceInWindow = tuple[float, float, float, float]
WHOLE_WINDOW: FaceInWindow = (0.0, 0.0, 1.0, 1.0)
_MOST_BEFORE_NMS = 10_000  # of the highest scores; more would only cost time


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionSettings:
    """How a picture is searched.

    Attributes:
        smallest: side of the smallest windows, in pixels of the picture.
        step: the next larger windows over those before, above 1.
        finest: how often the trunk's stride is halved; see
            :func:`~debias.inference.dense.geometry`.
        border: how far windows may stick out of the picture, as a share of their side; what lies
            there repeats the picture's edge.
        threshold: log odds of "face" that a window must have.
        overlap: intersection over union above which the lower of two scores goes, in [0, 1].
        largest_number: of boxes a picture.
        face: where a face lies in a window that shows it well: x, y, width and height as shares of
            the window's side. The whole window where nothing else is known.

    Raises:
        ConfigError: a setting is out of its range.
    """

    smallest: int = 32
    step: float = 1.25
    finest: int = 1
    border: float = 0.25
    threshold: float = 0.0
    overlap: float = 0.3
    largest_number: int = 100
    face: FaceInWindow = WHOLE_WINDOW

    def __post_init__(self) -> None:
        allowed = {
            "smallest": (self.smallest >= 8, "8 pixels or more"),
            "step": (1.01 <= self.step <= 4, "1.01 to 4"),
            "border": (0 <= self.border <= 0.5, "0 to 0.5"),
            "overlap": (0 <= self.overlap <= 1, "0 to 1"),
            "largest_number": (self.largest_number >= 1, "at least 1"),
            "face": (min(self.face[2:]) > 0, "of a width and a height above 0"),
        }
        for name, (fits, meaning) in allowed.items():
            if not fits:
                raise ConfigError(
                    f"{getattr(self, name)} is out of range",
                    where=f"detection.{name}",
                    hint=f"It must be {meaning}",
                )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundFaces:
    """The faces found in a picture, by falling score.

    Attributes:
        boxes: x, y, width and height in pixels, within the picture, float64 of shape (face, 4).
        scores: the probability of "face", in (0, 1), float64 of shape (face,).
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]


def find_faces(
    model: FaceModel, picture: Image.Image, settings: DetectionSettings | None = None
) -> FoundFaces:
    """Return the faces that a model finds in a picture.

    Args:
        model: a model that classifies; its train or eval mode is kept.
        picture: upright, in RGB, of any size. One smaller than the smallest window has no faces.
        settings: how it is searched; the defaults when None.

    Raises:
        ConfigError: the model does not classify, or a stride below one pixel is asked for.
    """
    settings = settings or DetectionSettings()
    places = geometry(model.settings, finest=settings.finest)
    boxes: list[Tensor] = [torch.empty((0, 4))]
    logits: list[Tensor] = [torch.empty(0)]
    with evaluating(model) as device:
        for side in window_sides(picture.size, settings):
            level, zoom, edge = _level(picture, places.window / side, places.window, settings)
            pixels = torch.from_numpy(level).to(device).permute(2, 0, 1)
            scores = (
                window_logits(model, pixels, places)
                if is_dense(model)
                else cropped_logits(model, pixels, places)
            ).cpu()
            found = scores >= settings.threshold
            corners = found.nonzero()[:, [1, 0]] * places.stride - edge
            boxes.append(_faces_of(corners, places.window, settings.face) / zoom)
            logits.append(scores[found])
    return _best(torch.cat(boxes), torch.cat(logits).double(), picture.size, settings)


def window_sides(size: tuple[int, int], settings: DetectionSettings) -> Iterator[float]:
    """Yield the sides of the windows, smallest first, in pixels of a picture.

    Args:
        size: width and height of the picture.
        settings: how it is searched.
    """
    side, largest = float(settings.smallest), min(size) * (1 + 2 * settings.border)
    if min(size) < settings.smallest:
        return
    while side <= largest:
        yield side
        side *= settings.step


def _level(
    picture: Image.Image, zoom: float, window: int, settings: DetectionSettings
) -> tuple[NDArray[np.uint8], Tensor, int]:
    """Return a picture at another scale, with a border.

    Returns:
        Pixels of shape (height, width, channel); how many of them, across, down, across and down,
        there are for one of the picture's; and the border's width.
    """
    size = [max(1, round(length * zoom)) for length in picture.size]
    scaled = picture.resize((size[0], size[1]), RESAMPLE, reducing_gap=REDUCING_GAP)
    edge = round(settings.border * window)
    # Rounding must not leave a picture too small for the window that was meant to fill it.
    more = [max(0, window - length - 2 * edge) for length in size]
    pad = ((edge, edge + more[1]), (edge, edge + more[0]), (0, 0))
    true = torch.tensor(size, dtype=torch.float64) / torch.tensor(picture.size)
    return np.pad(np.asarray(scaled), pad, mode="edge"), true.repeat(2), edge


def _faces_of(corners: Tensor, window: int, face: FaceInWindow) -> Tensor:
    """Return the boxes of the faces in windows, from the windows' top left corners."""
    place, size = torch.tensor(face, dtype=torch.float64).mul(window).split(2)
    return torch.cat([corners + place, size.expand(len(corners), 2)], dim=1)


def _best(
    boxes: Tensor, logits: Tensor, size: tuple[int, int], settings: DetectionSettings
) -> FoundFaces:
    """Return the boxes that no better one overlaps, cut off at the picture's edges."""
    order = torch.argsort(logits, descending=True, stable=True)[:_MOST_BEFORE_NMS]
    boxes, logits = boxes[order], logits[order]
    corners = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)
    limits = torch.tensor([*size, *size], dtype=torch.float64)
    corners = torch.minimum(corners.clamp(min=0), limits)
    inside = (corners[:, 2:] > corners[:, :2]).all(dim=1)
    corners, logits = corners[inside], logits[inside]
    kept = nms(corners, logits, settings.overlap)[: settings.largest_number]
    corners = corners[kept]
    return FoundFaces(
        boxes=torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1).numpy(),
        scores=probability(logits[kept].numpy()),
    )
