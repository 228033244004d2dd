"""Compile functions of numbers, keeping their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Return a function that is compiled when it is first called, and leaves Python's lock alone.

    Arithmetic stays that of IEEE 754, without reordering: every machine gets the same results.
    """
    return cast(Function, njit(nogil=True)(function))
