"""Every error that debias raises for a person to read.

An error says what is wrong, where, and what to do about it. The command line prints it as one
line and leaves with :attr:`DebiasError.exit_status`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from difflib import get_close_matches


class DebiasError(Exception):
    """Something a person can act on.

    Args:
        what: what is wrong, in a sentence without its full stop.
        where: the file, row, key or step it was found at.
        hint: what to do about it.
    """

    exit_status = 1

    def __init__(self, what: str, *, where: object = None, hint: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.hint = hint
        super().__init__(what, where, hint)

    def __reduce__(self) -> tuple[object, ...]:
        """Return what makes the error again in another process."""
        return functools.partial(type(self), where=self.where, hint=self.hint), (self.what,)

    def __str__(self) -> str:
        """Return the one line that a person reads."""
        place = f"{self.where}: " if self.where else ""
        advice = f". {self.hint}" if self.hint else ""
        return f"{place}{self.what}{advice}"


class UsageError(DebiasError, ValueError):
    """The command or call itself is wrong; exit status 2."""

    exit_status = 2


class ConfigError(UsageError):
    """A setting is unknown, of the wrong type or out of its range."""


class DataError(DebiasError, ValueError):
    """An image set, attribute file or prediction file is not what it must be."""


class OutputError(DebiasError, OSError):
    """A job cannot write where it was told to."""

    def __str__(self) -> str:
        """Return the one line that a person reads (OSError would format errno pairs)."""
        return DebiasError.__str__(self)


class CheckpointError(DebiasError):
    """A saved model cannot be read, or does not fit what it is loaded into."""


class TrainingError(DebiasError, ArithmeticError):
    """Training cannot go on: the loss is not finite, or it diverges."""


class TooFewNegativesError(DebiasError, ValueError):
    """A false-positive rate is asked for that the data at hand cannot resolve."""


class EngineError(DebiasError, RuntimeError):
    """A cluster cannot be reached, or does not finish its work."""


class MissingExtraError(DebiasError, ImportError):
    """A command needs an optional part of the installation."""

    def __str__(self) -> str:
        """Return the one line that a person reads."""
        return DebiasError.__str__(self)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return advice naming the known word nearest to ``word``, or all known words.

    Capital letters do not matter.

    Args:
        word: what was written.
        known: what would have been understood.
    """
    candidates = sorted(known)
    plain = {each.casefold(): each for each in reversed(candidates)}
    close = get_close_matches(word.casefold(), plain, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {plain[close[0]]!r}?"
    return "Known: " + ", ".join(candidates)
