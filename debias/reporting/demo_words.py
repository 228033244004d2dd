"""What the demo found, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from debias.reporting.cells import points, share
from debias.reporting.demo_schema import ChangeJson, DemoJson

_PEOPLE = {"female": "women", "male": "men"}


def people(values: Sequence[str]) -> str:
    """Return a skin tone and a gender as one speaks of people: ``women with dark skin``."""
    tone, gender = values
    return f"{_PEOPLE.get(gender, gender)} with {tone} skin"


def short_people(values: Sequence[str]) -> str:
    """Return the values of a group for a cell of a table: ``dark, women``."""
    return ", ".join(_PEOPLE.get(value, value) for value in values)


def headline(demo: DemoJson) -> str:
    """Return the recall of the worst-served group by either model, in a sentence."""
    plain, db_vae = demo["plain"], demo["db_vae"]
    before, after = (f"{points(model['worst_recall']['value'])} %" for model in (plain, db_vae))
    one, other = (people(model["gap"]["worst_values"]) for model in (plain, db_vae))
    if one == other:
        return (
            f"Of the faces of {one}, the plain classifier finds {before}, the DB-VAE finds {after}."
        )
    return (
        f"Of the people it serves worst, the plain classifier finds {before} ({one}), the DB-VAE "
        f"finds {after} ({other})."
    )


def verdict(demo: DemoJson) -> str:
    """Return whether the worst-served group is shown to be served better, in a sentence."""
    change = demo["changes"]["worst_recall"]
    value, limits = change["value"], _limits(change, demo["confidence"])
    assert value is not None
    match change["change"]:
        case "higher":
            return (
                f"The worst-served group gains {points(value)} points ({limits}): the DB-VAE is "
                "shown to serve it better."
            )
        case "lower":
            return (
                f"The worst-served group loses {points(-value)} points ({limits}): the DB-VAE is "
                "shown to serve it worse."
            )
        case _:
            return (
                f"The worst-served group changes by {points(value, sign=True)} points ({limits}, "
                "which holds 0): in this run, the DB-VAE is not shown to help it."
            )


def gap_verdict(demo: DemoJson) -> str:
    """Return whether the gap between the groups is shown to change, in a sentence."""
    change = demo["changes"]["gap"]
    value, limits = change["value"], _limits(change, demo["confidence"])
    assert value is not None
    match change["change"]:
        case "higher":
            return f"The gap grows by {points(value)} points ({limits})."
        case "lower":
            return f"The gap shrinks by {points(-value)} points ({limits})."
        case _:
            return (
                f"The gap changes by {points(value, sign=True)} points ({limits}, which holds 0): "
                "no difference is shown."
            )


def losers(demo: DemoJson) -> str:
    """Return which groups are found less often, in a sentence, or nothing."""
    lost = [
        f"{people(group['values'])} ({points(group['difference']['value'], sign=True)})"
        for group in demo["groups"]
        if group["difference"]["change"] == "lower"
    ]
    return (
        f"Found less often, in points, each by an interval of its own: {', '.join(lost)}."
        if lost
        else ""
    )


def summary(demo: DemoJson) -> list[str]:
    """Return what the demo found, in lines for the terminal."""
    return [
        f"At {share(demo['target_fpr'])} false positives:",
        *(
            line
            for line in (headline(demo), verdict(demo), gap_verdict(demo), losers(demo))
            if line
        ),
    ]


def _limits(change: ChangeJson, confidence: float) -> str:
    low, high = points(change["low"], sign=True), points(change["high"], sign=True)
    return f"{100 * confidence:g} % interval {low} to {high}"
