"""An audit as a page of its own: no network, readable without its script. It computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from debias.audit.findings import SEVERITIES
from debias.audit.measured import QUALITY_MEASURES
from debias.reporting.audit_measure_schema import AssociationJson, GroupQualityJson
from debias.reporting.audit_model_schema import LatentJson, ModelJson
from debias.reporting.audit_schema import AuditJson, FindingJson, GroupingSharesJson, KindJson
from debias.reporting.audit_text import HEADINGS, headline, takes_all_as_faces
from debias.reporting.cells import points
from debias.reporting.measure_schema import RateJson
from debias.reporting.page import content_policy, environment, part_of_page, unbroken

TEMPLATE = "audit.html.jinja"
STYLES, SCRIPTS = ("page.css", "report.css", "audit.css"), ("report.js",)
MOST_ROWS = 40
"""Of a table; the rest is in ``audit.json``."""
MOST_BARS = 30
"""Groups that a figure shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKind:
    """A kind of finding with what was found of it, at one severity."""

    kind: KindJson
    findings: list[FindingJson]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareBar:
    """One group's share as a bar with its interval; all places in percent of the width."""

    name: str
    figures: str
    width: float
    low: float
    high: float
    reference: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentFigure:
    """One latent: its histogram as bars of heights in percent, beside its strip."""

    content: LatentJson
    heights: list[float]


def render_audit_page(audit: AuditJson) -> str:
    """Return an audit's page as HTML: one file, which asks nothing of the network.

    Args:
        audit: the content of ``audit.json``.
    """
    templates = environment()
    templates.filters.update(
        count=lambda number: f"{number:,}",
        number=_number,
        signed=lambda number: f"{round(number, 1) + 0.0:+.1f}".replace("-", "\N{MINUS SIGN}"),
        p_value=_p_value,
    )
    style, script = (part_of_page(templates, names) for names in (STYLES, SCRIPTS))
    kinds = {each["kind"]: each for each in audit["kinds"]}
    quality, pairs, latents = audit["quality"], audit["associations"], _latents(audit)
    return templates.get_template(TEMPLATE).render(
        audit=audit,
        style=style,
        script=script,
        policy=content_policy(style=style, script=script),
        headline=unbroken(headline(audit)),
        all_faces=takes_all_as_faces(audit["images"]),
        headings=HEADINGS,
        found={severity: _found(audit, kinds, severity) for severity in SEVERITIES},
        missing=[each for each in audit["kinds"] if not each["checked"]],
        scopes=[
            (part, [(each, share_bars(each)) for each in part["groupings"]])
            for part in audit["representation"]
        ],
        tones=_tones(audit),
        measures=QUALITY_MEASURES,
        quality=_by_distance(quality)[:MOST_ROWS],
        num_quality=len(quality),
        pairs=_by_strength(pairs)[:MOST_ROWS],
        num_pairs=len(pairs),
        latents=latents,
        drawn={figure.content["latent"] for figure in latents},
        held=[] if audit["model"] is None else held_words(audit["model"]),
        most_rows=MOST_ROWS,
    )


def share_bars(grouping: GroupingSharesJson) -> list[ShareBar]:
    """Return the bars of a grouping's groups of known values, in their order.

    Args:
        grouping: its shares.
    """
    groups = [group for group in grouping["groups"] if group["share"] is not None]
    if len(groups) > MOST_BARS:
        groups = sorted(groups, key=lambda group: group["num_images"])[:MOST_BARS]
    return _bars([(group["name"], group["share"], group["reference"]) for group in groups])


def _bars(rows: Sequence[tuple[str, RateJson | None, float | None]]) -> list[ShareBar]:
    """Return bars of names, shares and references; the longest fills the width."""
    known = [(name, share, asked) for name, share, asked in rows if share is not None]
    ends = [end for _, share, asked in known for end in (share["high"], asked) if end is not None]
    longest = max([*ends, 0.0]) or 1.0

    def place(part: float | None) -> float:
        return round(100.0 * (part or 0.0) / longest, 3)

    return [
        ShareBar(
            name=name,
            figures=f"{share['num_successes']:,} \N{MIDDLE DOT} {points(share['value'])} %",
            width=place(share["value"]),
            low=place(share["low"]),
            high=place(share["high"]),
            reference=None if asked is None else place(asked),
        )
        for name, share, asked in known
    ]


def _tones(audit: AuditJson) -> dict[str, list[ShareBar]]:
    """Return the bars of estimated skin tones, by scale; none where no skin was found."""
    return {
        scale: _bars([(each["name"], each["share"], None) for each in shares])
        for scale, shares in (
            ("monk", audit["skin_tones"]["monk"]),
            ("ita", audit["skin_tones"]["ita"]),
        )
    }


def _found(audit: AuditJson, kinds: dict[str, KindJson], severity: str) -> list[FoundKind]:
    found = [each for each in audit["findings"] if each["severity"] == severity]
    parts = [
        FoundKind(kind=kind, findings=[each for each in found if each["kind"] == name])
        for name, kind in kinds.items()
    ]
    return [part for part in parts if part.findings]


def _by_distance(quality: list[GroupQualityJson]) -> list[GroupQualityJson]:
    """Return the groups whose pictures differ most from the others' first."""
    found = [(each["superiority"]["value"], each) for each in quality]
    tested = [(value, each) for value, each in found if value is not None]
    return [each for _, each in sorted(tested, key=lambda pair: -abs(pair[0] - 0.5))]


def _by_strength(pairs: list[AssociationJson]) -> list[AssociationJson]:
    found = [(each["cramers_v"], each) for each in pairs]
    tested = [(strength, each) for strength, each in found if strength is not None]
    return [each for _, each in sorted(tested, key=lambda pair: -pair[0])]


def held_words(model: ModelJson) -> list[str]:
    """Return what holds in every run of a model, a sentence each.

    Args:
        model: with its spread over the runs.
    """
    num_runs, lines = len(model["runs"]), []
    for each in model["spread"]:
        name = each["attribute"]
        if each["num_told"] == num_runs:
            lines.append(
                f"All latents together tell {name}: balanced accuracy "
                f"{points(each['lowest'])} to {points(each['highest'])}\N{NO-BREAK SPACE}%."
            )
        if each["num_carried"] == num_runs:
            numbers = {run["latent"] for run in each["runs"]}
            same = "" if len(numbers) == 1 else ", another one in another run"
            lines.append(f"A single latent tells {name}{same}.")
    return lines


def _latents(audit: AuditJson) -> list[LatentFigure]:
    if audit["model"] is None:
        return []
    return [
        LatentFigure(
            content=latent,
            heights=[
                round(100.0 * mass / max(max(latent["masses"]), 1e-9), 2)
                for mass in latent["masses"]
            ],
        )
        for latent in audit["model"]["latents"]
        if latent["strip"] is not None
    ]


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _p_value(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
