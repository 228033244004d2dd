"""The demo as a page of its own: no network, no script. It computes nothing."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment

from debias.reporting.cells import plot_floor
from debias.reporting.demo_schema import DemoJson
from debias.reporting.demo_words import (
    gap_verdict,
    headline,
    losers,
    short_people,
    verdict,
)
from debias.reporting.measure_schema import RateJson
from debias.reporting.page import content_policy, environment, part_of_page, unbroken

TEMPLATE, STYLES = "demo.html.jinja", ("page.css", "demo.css")
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
    faces = demo["weights"]
    weights = [group["mean_weight"] or 0.0 for group in faces["groups"]]
    templates = _environment()
    style = part_of_page(templates, STYLES)
    return templates.get_template(TEMPLATE).render(
        demo=demo,
        style=style,
        policy=content_policy(style=style),
        axis=Axis.over(rates),
        heaviest=max(weights),
        even=math.isclose(faces["effective_sample_size"], faces["num_faces"], rel_tol=1e-6),
        sources={path: _data_uri(content) for path, content in pictures.items()},
        headline=unbroken(headline(demo)),
        verdict=unbroken(verdict(demo)),
        gap_verdict=unbroken(gap_verdict(demo)),
        losers=unbroken(losers(demo)),
    )


def _environment() -> Environment:
    found = environment()
    found.filters.update(signed=_signed, short_people=short_people, span=_span)
    return found


def _signed(number: float) -> str:
    """Return a correlation in two digits, with a true minus sign."""
    return f"{number:.2f}".replace("-", "\N{MINUS SIGN}")


def _span(seconds: float) -> str:
    """Return a time in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _data_uri(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"
