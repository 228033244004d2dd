"""What JPEG compression does to an image, computed on whole batches of tensors."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

LUMA = (0.299, 0.587, 0.114)  # Rec. 601
_TO_YCC = (LUMA, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_BLOCK = 8
# Example quantisation tables of the standard, for quality 50 [T.81, annex K].
_LUMA_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_STEPS = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)


def jpeg_loss(
    images: Float[Tensor, "batch 3 height width"], quality: Float[Tensor, " batch"]
) -> Float[Tensor, "batch 3 height width"]:
    """The images as JPEG would give them back, in [0, 1].

    The cosine transform of 8 x 8 blocks, from the top left corner, is rounded to the steps of the
    quality; an image that is not a whole number of blocks is extended by its border. Colour is
    not subsampled. A codec also rounds to 8 bits before and after; this does not.

    Args:
        images: RGB in [0, 1].
        quality: in (0, 100], on the scale of the Independent JPEG Group's library.

    References:
        [T.81] ITU-T Recommendation T.81 (1992), Digital compression and coding of still images.
    """
    num_images, _, height, width = images.shape
    padding = (0, -width % _BLOCK, 0, -height % _BLOCK)
    padded = functional.pad(images, padding, mode="replicate")
    to_ycc = 255.0 * images.new_tensor(_TO_YCC)
    ycc = torch.bmm(to_ycc.expand(num_images, 3, 3), padded.flatten(2)).view(padded.shape)
    ycc[:, 0] -= 128.0  # as in the standard; it decides how the means of blocks round
    down, across = (_block_cosines(size, images.device) for size in ycc.shape[2:])
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    tables = images.new_tensor([_LUMA_STEPS, _CHROMA_STEPS, _CHROMA_STEPS])
    tables = tables.repeat(1, ycc.shape[2] // _BLOCK, ycc.shape[3] // _BLOCK)
    steps = (tables * scale[:, None, None, None]).round_().clamp_(min=1.0)
    waves = (down @ ycc @ across.T).div_(steps).round_().mul_(steps)
    ycc = down.T @ waves @ across
    ycc[:, 0] += 128.0
    to_rgb = torch.linalg.inv(to_ycc)
    rgb = torch.bmm(to_rgb.expand(num_images, 3, 3), ycc.flatten(2)).view(ycc.shape)
    return rgb[:, :, :height, :width].clamp(0.0, 1.0)


def _block_cosines(size: int, device: torch.device) -> Tensor:
    """The orthonormal 8-point cosine transform of each block, as one block-diagonal matrix."""
    place = torch.arange(_BLOCK, device=device, dtype=torch.float32)
    wave = torch.cos(math.pi / _BLOCK * (place + 0.5) * place[:, None]) * math.sqrt(2 / _BLOCK)
    wave[0] /= math.sqrt(2)
    return torch.kron(torch.eye(size // _BLOCK, device=device), wave)
