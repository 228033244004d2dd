"""What the machine can do at most, and what share of it each task reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from measuring import Amount, Comparison, figure, take_turns, timed
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode
from training_speed import speed_settings

from debias.models.db_vae import FaceModel, training_loss
from debias.training.device import computes_bf16
from debias.training.randomness import torch_seeded

MATRIX = 1024  # rows and columns: large enough that a product is limited by arithmetic alone
COPIED = 256 * 2**20  # bytes, more than any cache holds
ROUNDS = 5
NUM_COUNTED = 16  # images that are counted the operations of, half of them faces


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A task's use of what limits it.

    Attributes:
        task: what is done.
        speed: images/s.
        needs: of an image, floating-point operations or bytes.
        unit: ``FLOP`` or ``byte``.
        limit: how many of those a second the machine does at most.
        limited_by: what was measured for it.
    """

    task: str
    speed: float
    needs: float
    unit: str
    limit: float
    limited_by: str

    @property
    def share(self) -> float:
        """Return the speed as a share of what the limit allows."""
        return self.speed * self.needs / self.limit

    def as_table(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return {**asdict(self), "share": self.share}


def machine_limits() -> dict[str, float]:
    """Return the best of several turns of the machine's products of matrices and copies.

    Returns:
        ``bf16`` (where the processor computes it) and ``fp32`` in FLOP/s, a multiplication and an
        addition being two; ``copy`` in bytes/s, those read and those written.
    """
    kinds = {"fp32": torch.float32}
    if computes_bf16("cpu"):
        kinds["bf16"] = torch.bfloat16
    matrices = {name: torch.randn(MATRIX, MATRIX).to(kind) for name, kind in kinds.items()}
    source = np.ones(COPIED, dtype=np.uint8)
    target = np.empty_like(source)
    sides = {
        name: timed(lambda matrix=matrix: matrix @ matrix, repeat=4)  # type: ignore[misc]
        for name, matrix in matrices.items()
    }
    sides["copy"] = timed(lambda: np.copyto(target, source))
    seconds = take_turns(sides, ROUNDS, warm=True)
    work = {"copy": 2 * COPIED}
    return {name: work.get(name, 2 * MATRIX**3) / min(each) for name, each in seconds.items()}


def operations(amount: Amount) -> dict[str, float]:
    """Return the floating-point operations an image takes in a training step and in encoding."""
    settings = speed_settings(amount)
    size, half = amount.image_size, NUM_COUNTED // 2
    with torch_seeded(settings.seed, "initialisation"):
        model = FaceModel(settings.model)
        images = torch.rand(NUM_COUNTED, 3, size, size)
    faces, y = torch.arange(half), (torch.arange(NUM_COUNTED) < half).float()
    with FlopCounterMode(display=False) as training:
        output = model(images, faces, torch.Generator().manual_seed(0))
        loss = training_loss(output, images, y, faces, settings=settings.objective)
        loss.total.backward()
    with torch.no_grad(), FlopCounterMode(display=False) as encoding:
        model.eval().encode(images)
    return {
        "training": training.get_total_flops() / NUM_COUNTED,
        "encoding": encoding.get_total_flops() / NUM_COUNTED,
    }


def shares(
    comparisons: Sequence[Comparison], limits: Mapping[str, float], amount: Amount
) -> list[Share]:
    """Return what share of the machine's limits the measured speeds are.

    Args:
        comparisons: of training, encoding and pixels among others.
        limits: see :func:`machine_limits`.
        amount: how much work they measured.
    """
    speeds = {each.task: median(each.figures_ours) for each in comparisons}
    kind = "bf16" if "bf16" in limits else "fp32"
    found = [
        Share(
            task=task,
            speed=speeds[task],
            needs=needs,
            unit="FLOP",
            limit=limits[kind],
            limited_by=f"products of matrices, {kind}",
        )
        for task, needs in operations(amount).items()
    ]
    pixels: NDArray[np.int64] = np.array([2, 3, amount.image_size, amount.image_size])
    found.append(
        Share(
            task="pixels",
            speed=speeds["pixels"],
            needs=float(pixels.prod()),  # each is read and written
            unit="byte",
            limit=limits["copy"],
            limited_by="copying memory",
        )
    )
    return found


def limits_text(found: Sequence[Share]) -> str:
    """Return the shares as a Markdown table."""
    rows = ["| task | images/s | an image takes | the machine does | by | share |"]
    rows.append("| --- | --: | --: | --: | --- | --: |")
    rows += [
        f"| {each.task} | {figure(each.speed)} | {figure(each.needs / 1e6)} M{each.unit} "
        f"| {figure(each.limit / 1e9)} G{each.unit}/s | {each.limited_by} | {each.share:.0%} |"
        for each in found
    ]
    return "\n".join(rows)
