"""How a report's numbers, names and intervals look in plain text; missing numbers are dashes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from debias.reporting.measure_schema import RateJson

WIDTH = 100
NAME_WIDTH = 30
PLOT_WIDTH = 22
NOTHING = "not estimable"


def plot_floor(rates: Sequence[RateJson]) -> float:
    """Return the percentage at the left end of the plots: a multiple of ten below all limits."""
    lows = [rate["low"] for rate in rates if rate["low"] is not None]
    return min(90.0, 10.0 * (100.0 * min(lows, default=0.0) // 10.0))


def plot(rate: RateJson, floor: float) -> str:
    """Draw an interval as ``--o--`` on a line from ``floor`` to 100 %."""
    value, low, high = rate["value"], rate["low"], rate["high"]
    if value is None or low is None or high is None:
        return " " * PLOT_WIDTH
    cells = [" "] * PLOT_WIDTH

    def column(share: float) -> int:
        return round((100.0 * share - floor) / (100.0 - floor) * (PLOT_WIDTH - 1))

    for cell in range(column(low), column(high) + 1):
        cells[cell] = "-"
    cells[column(value)] = "o"
    return "".join(cells)


def spelled(rate: RateJson, digits: int) -> str:
    """Return a rate with its interval, its counts and what clusters leave of them."""
    if rate["value"] is None:
        return f"{NOTHING}: there are none to count"
    effect = rate["design_effect"]
    shared = "" if effect == 1.0 else ", all of one origin"
    if effect is not None and effect > 1.0:
        shared = f", worth {rate['num_trials'] / effect:,.0f} independent ones"
    return (
        f"{percent(rate['value'], digits)} % {interval(rate, digits)}: "
        f"{rate['num_successes']:,} of {rate['num_trials']:,}{shared}"
    )


def interval(rate: RateJson, digits: int = 1) -> str:
    """Return the limits of a rate in percent, in brackets."""
    if rate["value"] is None:
        return "-"
    return bracket(rate["low"], rate["high"], digits)


def percent(share: float | None, digits: int = 1, *, sign: bool = False) -> str:
    """Return a share in percent, without the sign of percent.

    It takes more digits, up to four, where it would pass for none or for all and is not.
    """
    if share is None:
        return "-"
    digits = _digits_of(share, digits=digits)
    return f"{100.0 * share + 0.0:{'+' if sign else ''}.{digits}f}"


def bracket(low: float | None, high: float | None, digits: int = 1, *, sign: bool = False) -> str:
    """Return limits in percent or points, in brackets, both with as many digits.

    Where one of them takes more digits, lest it pass for none or for all, so does the other.
    """
    digits = max(_digits_of(part, digits=digits) for part in (low, high))
    return f"[{percent(low, digits, sign=sign)}, {percent(high, digits, sign=sign)}]"


def _digits_of(share: float | None, *, digits: int) -> int:
    """Return how many digits tell a share from none and from all, at most four."""
    size = 0.0 if share is None else abs(share)
    while 0.0 < size < 1.0 and digits < 4 and round(100.0 * size, digits) in (0.0, 100.0):
        digits += 1
    return digits


def points(part: float | None, *, digits: int = 1, sign: bool = False) -> str:
    """Return a share in percent or points, with a true minus sign; a dash for a missing one."""
    return "-" if part is None else percent(part, digits, sign=sign).replace("-", "\N{MINUS SIGN}")


def limits(low: float | None, high: float | None, *, digits: int = 1, sign: bool = False) -> str:
    """Return limits as :func:`bracket` does, with a true minus sign."""
    digits = max(_digits_of(part, digits=digits) for part in (low, high))
    return f"[{points(low, digits=digits, sign=sign)}, {points(high, digits=digits, sign=sign)}]"


def share(target_fpr: float | None) -> str:
    """Return a target in percent, with as many digits as it was given."""
    return "-" if target_fpr is None else f"{100.0 * target_fpr:g} %"


def number(value: float | None) -> str:
    """Return a threshold in the fewest digits that are read back as the same number.

    Without an exponent as far as that can be read, and with a plain minus sign, so that it can
    be given to ``--threshold``.
    """
    if value is None:
        return "-"
    if value == 0.0 or 1e-7 <= abs(value) < 1e16:
        return np.format_float_positional(float(value), trim="-")
    return repr(float(value))


def brief_number(value: float | None) -> str:
    """Return a threshold in at most four digits, for a heading or a caption."""
    return "-" if value is None else number(float(f"{value:.4g}"))


def p_value(value: float) -> str:
    """Return a p-value as it is written in a sentence."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def group_cell(text: str) -> str:
    """Return a group's name as a cell of a table."""
    return f"{shorten(text, NAME_WIDTH - 2):<{NAME_WIDTH}}"


def shorten(text: str, width: int) -> str:
    """Return text from the data in at most ``width`` letters."""
    safe = clean(text)
    return safe if len(safe) <= width else safe[: width - 3] + "..."


def clean(text: str) -> str:
    """Return text from the data without what would move the cursor or colour the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def wrapped(text: str, *, first: str) -> list[str]:
    """Return text in lines under a first one that starts with ``first``, minus signs as typed."""
    return textwrap.wrap(
        clean(text).replace("\N{MINUS SIGN}", "-"),
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_on_hyphens=False,  # an option, such as --target-fpr, stays whole
    )
