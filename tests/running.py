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
