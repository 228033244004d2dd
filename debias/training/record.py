"""What made a run, kept beside it, and whether a run that is resumed is still the same."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric

from debias.config import to_table
from debias.errors import ConfigError
from debias.rundir import RUN_FILE, RunDir, provenance, read_json, write_json
from debias.training.images import SplitImages
from debias.training.settings import RunSettings


class ChangedRunError(ConfigError):
    """A run that is to be resumed was started with other settings or images."""


def record_run(run: RunDir, settings: RunSettings, images: SplitImages, *, fabric: Fabric) -> None:
    """Write ``run.json``, or see that a resumed run has its settings and images.

    A resumed run notes when, where and with which versions it went on.

    Raises:
        ChangedRunError: a resumed run's settings or images differ from those it was started with.
    """
    facts = provenance(
        job="train",
        settings=to_table(settings),
        data={
            "digest": images.digest(),
            "num_images": images.counts(),
            "num_failed": len(images.store.failures),
        },
        device=str(fabric.device),
        precision=str(fabric.strategy.precision.precision),
        num_processes=fabric.world_size,
        num_threads=torch.get_num_threads(),
    )
    if not run.run_file.exists():
        write_json(run.run_file, facts)
        return
    before = read_json(run.run_file)
    changed = differences(before.get("settings", {}), facts["settings"])
    if before.get("data", {}).get("digest") != facts["data"]["digest"]:
        changed.append("the images, their labels or their splits")
    if changed:
        raise ChangedRunError(
            f"a resumed run cannot change: {', '.join(changed)}",
            where=run.path / RUN_FILE,
            hint="Use the settings and images it was started with, or start a new run",
        )
    again = (
        "created",
        "versions",
        "platform",
        "device",
        "precision",
        "num_processes",
        "num_threads",
    )
    before.setdefault("resumed", []).append({name: facts[name] for name in again})
    write_json(run.run_file, before)


def differences(before: dict[str, Any], after: dict[str, Any], *, prefix: str = "") -> list[str]:
    """Return the keys of two nested tables whose values differ, with both values, in words."""
    changed = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            changed += differences(old, new, prefix=f"{prefix}{key}.")
        elif old != new:
            changed.append(f"{prefix}{key} ({old} -> {new})")
    return changed
