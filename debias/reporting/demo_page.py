"""The demo as a page of its own: no network, no script. It computes nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from debias.reporting.cells import plot_floor, share
from debias.reporting.demo_schema import DemoJson
from debias.reporting.demo_words import (
    gap_verdict,
    headline,
    losers,
    points,
    short_people,
    verdict,
)
from debias.reporting.schema import DifferenceJson, RateJson

TEMPLATE = "demo.html.jinja"
STEPS, MOST_STEPS = (2, 5, 10, 20), 5  # of an axis, in points


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A horizontal axis from a percentage to 100 %.

    Attributes:
        floor: the percentage at its left end.
        step: from one number to the next, in points.
    """

    floor: int
    step: int

    @classmethod
    def over(cls, rates: Sequence[RateJson]) -> Axis:
        """Return an axis that holds the intervals of all rates."""
        low = plot_floor(rates)
        step = next(step for step in STEPS if (100 - low) / step <= MOST_STEPS)
        return cls(floor=int(low // step * step), step=step)

    def at(self, share: float) -> float:
        """Return where a share lies, in percent of the axis's length."""
        return round((100 * share - self.floor) / (100 - self.floor) * 100, 3)

    @property
    def ticks(self) -> list[float]:
        """Where to write numbers, as shares."""
        return [percentage / 100 for percentage in range(self.floor, 101, self.step)]


def render_demo(demo: DemoJson, *, pictures: Mapping[str, bytes]) -> str:
    """Return the demo's page as HTML.

    Args:
        demo: the content of ``demo.json``.
        pictures: for the ``path`` of each picture the demo names, its JPEG file.
    """
    rates = [rate for group in demo["groups"] for rate in (group["plain"], group["db_vae"])]
    weights = [group["mean_weight"] or 0.0 for group in demo["weights"]["groups"]]
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            demo=demo,
            axis=Axis.over(rates),
            heaviest=max(weights),
            sources={path: _data_uri(content) for path, content in pictures.items()},
            headline=_unbroken(headline(demo)),
            verdict=_unbroken(verdict(demo)),
            gap_verdict=_unbroken(gap_verdict(demo)),
            losers=_unbroken(losers(demo)),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("debias.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        points=points,
        signed=_signed,
        share=lambda part: _unbroken(share(part)),
        interval=_interval,
        short_people=short_people,
        span=_span,
    )
    return environment


def _unbroken(text: str) -> str:
    """Return text whose numbers stay on a line with their percent signs."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _interval(limits: RateJson | DifferenceJson, sign: bool = False) -> str:
    """Return limits in percent or points, in brackets."""
    return f"[{points(limits['low'], sign=sign)}, {points(limits['high'], sign=sign)}]"


def _signed(number: float) -> str:
    """Return a correlation in two digits, with a true minus sign."""
    return f"{number:.2f}".replace("-", "\N{MINUS SIGN}")


def _span(seconds: float) -> str:
    """Return a time in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _data_uri(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"
