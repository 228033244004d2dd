"""Where and how precisely to compute: Lightning Fabric, set up from a word."""

from __future__ import annotations

import logging
import os
from typing import Any, Literal

import torch
from lightning_fabric import Fabric

from debias.errors import UsageError


def check_device(device: str) -> str:
    """Return the kind of a device that is named and is there: ``cpu``, ``cuda`` or ``mps``.

    Args:
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.

    Raises:
        UsageError: the device is unknown or not there.
    """
    kind, _, number = device.partition(":")
    available = {
        "auto": True,
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if kind not in available or (number and not (kind == "cuda" and number.isdigit())):
        raise UsageError(
            f"unknown device {device!r}",
            where="--device",
            hint="Use auto, cpu, cuda, cuda:N or mps",
        )
    if not available[kind] or (number and int(number) >= torch.cuda.device_count()):
        raise UsageError(f"no {device} on this machine", where="--device", hint="Use auto or cpu")
    if kind == "auto":
        kind = next(name for name in ("cuda", "mps", "cpu") if available[name])
    return kind


def make_fabric(device: str, precision: Literal["auto", "bf16", "fp32"]) -> Fabric:
    """Return a launched Fabric for a device name and a precision.

    Under ``torchrun`` every process of the job joins in: DistributedDataParallel over gloo on
    CPUs, over NCCL on GPUs.

    Args:
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        precision: see :class:`~debias.training.optimization.TrainingSettings`.

    Raises:
        UsageError: the device is unknown or not there.
    """
    kind = check_device(device)
    number = device.partition(":")[2]
    placement: dict[str, Any] = {"devices": [int(number)] if number else 1}
    if "LOCAL_WORLD_SIZE" in os.environ:  # set by torchrun
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        if number:
            raise UsageError(f"under torchrun a device has no number: {device}", where="--device")
        placement = {"devices": local, "num_nodes": int(os.environ["WORLD_SIZE"]) // local}
        placement["strategy"] = "ddp"
    if precision == "auto":
        precision = "bf16" if computes_bf16(kind) else "fp32"
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision
    fabric = Fabric(
        accelerator=kind,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        **placement,
    )
    fabric.launch()
    # The same settings give the same model, at some cost in speed on GPUs.
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return fabric


def computes_bf16(kind: str) -> bool:
    """Return whether a kind of device has instructions for bfloat16."""
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "cpu":
        # Older releases of torch have no such function.
        capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("bf16"))
    return False
