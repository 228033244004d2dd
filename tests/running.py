"""Types of the fixtures that run commands."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


Debias = Callable[..., Outcome]
Python = Callable[..., subprocess.CompletedProcess[str]]

# A training of two seconds. 12 windows of each of the drawn set's 6 validation pictures resolve
# a false-positive rate of 15 %.
QUICK = [
    *("--epochs", "2", "--batch-size", "32", "--image-size", "32", "--latent-size", "6"),
    *("--set", "model.channels=[8,16]", "--set", "model.blocks=[0]"),
    *("--set", "training.min_epoch_steps=1", "--windows", "12", "--target-fpr", "0.15"),
    *("--device", "cpu", "--quiet"),
]

# A run of the comparison of methods, of ten seconds.
SMALL = [
    *("--fraction", "0.04", "--parallel", "1"),
    *("--set", "training.epochs=2", "--set", "training.min_epoch_steps=3"),
    *("--set", "training.batch_size=32", "--set", "model.channels=[8,16]"),
    *("--set", "model.blocks=[0]", "--set", "model.latent_size=4", "--set", "target_fpr=0.2"),
]
