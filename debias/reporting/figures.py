"""Where marks lie in a figure: scales, rows of dots, curves. Templates draw them as SVG.

Places are in percent of the figure's width, so that text keeps its size on any screen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from debias.reporting.measure_schema import RateJson

STEPS, MOST_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2), 5
SMALLEST = 1e-9
"""A share that a logarithmic axis can still show."""
NUM_STYLES = 6
"""Styles of curves that can be told apart without colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """An axis of shares.

    Attributes:
        low: its start, above 0 where it is logarithmic.
        high: its end, above ``low``.
        log: whether equal lengths are equal ratios.
        ticks: where to write numbers.
    """

    low: float
    high: float
    log: bool = False
    ticks: tuple[float, ...] = ()

    @classmethod
    def linear(cls, values: Iterable[float], *, to_one: bool = False) -> Scale:
        """Return an axis with round numbers that holds all values.

        Args:
            values: shares; an axis from 0 where there are none.
            to_one: whether it ends at 1 and starts at most at 0.9; else it starts at 0.
        """
        held = list(values)
        if to_one:
            low = min(0.9, math.floor(10.0 * min(held, default=0.0) + 1e-9) / 10.0)
            low, high = max(0.0, low), 1.0
        else:
            low, high = 0.0, min(1.0, max([0.01, *held]))
        step = next((s for s in STEPS if (high - low) / s <= MOST_STEPS + 1e-9), STEPS[-1])
        start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        ticks = tuple(round(number * step, 6) for number in range(start, end + 1))
        return cls(low=ticks[0], high=ticks[-1], ticks=ticks)

    @classmethod
    def logarithmic(cls, values: Iterable[float]) -> Scale:
        """Return a logarithmic axis that holds all values from ``SMALLEST``, with round numbers."""
        held = [value for value in values if value >= SMALLEST]
        low, high = min(held, default=0.01), max(held, default=1.0)
        if low >= high:
            low, high = low / 2.0, min(1.0, 2.0 * high)
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        factors = (1,) if math.log10(high / low) > 2.2 else (1, 2, 5)
        ticks = (factor * 10.0**power for power in decades for factor in factors)
        inside = tuple(tick for tick in ticks if low * 0.999 <= tick <= high * 1.001)
        return cls(low=low, high=high, log=True, ticks=inside)

    def at(self, value: float) -> float:
        """Return where a value lies, in percent of the axis's length; at an end if beyond it."""
        if self.log:
            value = max(value, self.low)
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return round(100.0 * min(1.0, max(0.0, part)), 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A value with its interval.

    Attributes:
        kind: how it looks: ``ranked``, ``small``, ``unknown``, ``shrunken``, ``this``, ``other``.
    """

    value: float
    low: float
    high: float
    kind: str

    @classmethod
    def of(cls, rate: RateJson, kind: str) -> Mark | None:
        """Return the mark of a rate, or None where it cannot be estimated."""
        value, low, high = rate["value"], rate["low"], rate["high"]
        if value is None or low is None or high is None:
            return None
        return cls(value=value, low=low, high=high, kind=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A name with marks beside it, one below the other.

    Attributes:
        name: of a group.
        remark: why it is not ranked, or that it is the worst; may be empty.
        figures: what is written at the right.
        marks: at least one.
    """

    name: str
    remark: str
    figures: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DotPlot:
    """Rows of marks over one axis.

    Attributes:
        title: what is shown.
        description: how to read it, in words.
        rows: from top to bottom.
        scale: of all marks.
        reference: a value drawn through all rows; None for none.
        left_out: rows that the plot has no room for.
        note: beside the title; may be empty.
    """

    title: str
    description: str
    rows: tuple[Row, ...]
    scale: Scale
    reference: float | None = None
    left_out: int = 0
    note: str = ""

    @property
    def kinds(self) -> set[str]:
        """The kinds of marks there are, for a legend."""
        return {mark.kind for row in self.rows for mark in row.marks}

    @property
    def tops(self) -> list[int]:
        """Where each row starts, and where the last one ends, in pixels."""
        places = [4]
        for row in self.rows:
            places.append(places[-1] + 24 + 13 * len(row.marks))
        return places


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line through points.

    Attributes:
        name: in the legend; empty for a line that has no entry there.
        style: one of ``NUM_STYLES``, or a word: ``all``, ``rest`` (pale), ``chance``.
        points: for an SVG polyline in a square of 100, y downwards.
        band: its interval as a polygon; empty for none.
    """

    name: str
    style: str
    points: str
    band: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Curves or dots in two dimensions.

    Attributes:
        title: what is shown.
        description: how to read it, in words.
        x: axis.
        y: axis.
        x_label: of the axis.
        y_label: of the axis.
        curves: drawn in this order.
        dots: pairs of a place on x and a mark on y.
        guides: places on x that are marked by a vertical line.
        diagonal: a line where y is x; empty for none.
        note: beside the title; may be empty.
    """

    title: str
    description: str
    x: Scale
    y: Scale
    x_label: str
    y_label: str
    curves: tuple[Curve, ...] = ()
    dots: tuple[tuple[float, Mark], ...] = ()
    guides: tuple[float, ...] = ()
    diagonal: str = ""
    note: str = ""


def line(x: Scale, y: Scale, across: Sequence[float], up: Sequence[float]) -> str:
    """Return the points of a polyline; on a logarithmic axis values of 0 are left out."""
    return " ".join(
        f"{x.at(a):g},{round(100.0 - y.at(b), 3):g}"
        for a, b in zip(across, up, strict=True)
        if not (x.log and a <= 0.0) and not (y.log and b <= 0.0)
    )


def band(
    x: Scale, y: Scale, across: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> str:
    """Return the points of the polygon between two lines."""
    return f"{line(x, y, across, high)} {line(x, y, across[::-1], low[::-1])}"
