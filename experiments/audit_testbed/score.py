"""What an audit found, held against what was planted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
from plant import Planted

Score = dict[str, Any]
SAID = ("warning", "serious")


def scores(planted: Planted, audit: dict[str, Any], rows: pd.DataFrame) -> dict[str, Score]:
    """Return precision and recall by kind, and by what was done to the images.

    Args:
        planted: the truth.
        audit: ``audit.json``.
        rows: ``findings.csv`` as text.
    """
    found: dict[str, Score] = {}
    for kind, truth in planted.by_image.items():
        of_kind = rows["kind"] == kind
        if kind == "rare-kind":
            # Drawn faces have kinds of their own, such as the 8 % that wear hats: these are notes.
            of_kind &= rows["severity"].isin(SAID)
        named = set(rows.loc[of_kind, "image_id"].dropna())
        found[f"{kind}, images"] = {
            **_score(truth, named),
            "severities": sorted(_severities(audit, kind)),
            **_by_variant(planted, truth, named),
        }
    for kind, subjects in planted.by_subject.items():
        told = [each for each in audit["findings"] if each["kind"] == kind]
        names = {str(each["subject"]) for each in told if each["severity"] in SAID}
        hit = {truth for truth in subjects if any(_is(name, truth) for name in names)}
        follows = planted.follows.get(kind, ())
        right = {
            name
            for name in names
            if any(_is(name, truth) for truth in subjects)
            or any(_has(name, truth) for truth in follows)
        }
        found[f"{kind}, subjects"] = {
            "num_planted": len(subjects),
            "num_found": len(names),
            "num_right": len(right),
            "num_hit": len(hit),
            "missed": sorted(set(subjects) - hit),
            "wrong": sorted(names - right),
            "severities": sorted(_severities(audit, kind)),
        }
    return found


def alarms(audit: dict[str, Any], *, known: Iterable[str] = ()) -> list[str]:
    """Return the warnings and serious findings of kinds that nothing was planted of."""
    left = set(known)
    return [
        f"{each['severity']} {each['kind']}: {each['subject']}"
        for each in audit["findings"]
        if each["severity"] in SAID and each["kind"] not in left
    ]


def planted_kinds(planted: Planted) -> set[str]:
    """Return the kinds that are planted, or follow from what is."""
    return {*planted.by_image, *planted.by_subject, *planted.also}


def _score(truth: Iterable[str], named: Iterable[str]) -> Score:
    planted, found = set(truth), set(named)
    return {
        "num_planted": len(planted),
        "num_found": len(found),
        "num_right": len(found & planted),
        "num_hit": len(found & planted),
    }


def _by_variant(planted: Planted, truth: Iterable[str], named: set[str]) -> Score:
    changed = {name: planted.variants[name] for name in truth if name in planted.variants}
    counts: dict[str, list[int]] = {}
    for name, variant in sorted(changed.items()):
        of_variant = counts.setdefault(variant, [0, 0])
        of_variant[0] += name in named
        of_variant[1] += 1
    return {"by_variant": counts} if counts else {}


def _severities(audit: dict[str, Any], kind: str) -> set[str]:
    return {each["severity"] for each in audit["findings"] if each["kind"] == kind}


def _is(name: str, truth: str) -> bool:
    """Return whether a finding is about just what was planted; see :func:`_has`."""
    return name.count(", ") == truth.count(", ") and _has(name, truth)


def _has(name: str, truth: str) -> bool:
    """Return whether a finding is about what was planted, or a part of it.

    Both are parts with commas between, in any order; a part of the truth may be the beginning of
    one of the finding, as ``gender`` is of ``gender female`` and ``site`` of ``site in train``.
    """
    told, wanted = name.split(", "), truth.split(", ")
    return all(any(part == one or part.startswith(f"{one} ") for part in told) for one in wanted)
