"""Debias: train, audit and judge face detectors that must work for everyone."""

from __future__ import annotations

__version__ = "0.1.0.dev0"
