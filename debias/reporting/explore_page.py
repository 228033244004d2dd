"""The page about a latent space: one file, no network, pictures for every place of its sliders.

It computes nothing. Without its script the page shows the same pictures as strips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment

from debias.explore.frames import picture_name
from debias.reporting.explore_schema import ExploreJson, LatentJson, LatentScoresJson
from debias.reporting.page import content_policy, environment, part_of_page
from debias.reporting.picture_uris import jpeg_uri

TEMPLATE, STYLES, SCRIPTS = "explore.html.jinja", ("page.css", "explore.css"), ("explore.js",)
PLOT_HEIGHT = 56
SCORES = {
    "mig": ("Mutual information gap (MIG)", "Chen et al., NeurIPS 2018"),
    "sap": ("Separated attribute predictability (SAP)", "Kumar et al., ICLR 2018"),
    "disentanglement": (
        "Disentanglement (DCI): a latent matters to one factor",
        "Eastwood and Williams, ICLR 2018",
    ),
    "completeness": (
        "Completeness (DCI): one latent matters to a factor",
        "Eastwood and Williams, ICLR 2018",
    ),
    "informativeness": (
        "Informativeness (DCI): what the latents tell together",
        "Eastwood and Williams, ICLR 2018",
    ),
    "total_correlation": (
        "Total correlation of the latents, if Gaussian, in nats (0 is best)",
        "Locatello et al., ICML 2019",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BestLatents:
    """The two latents that tell most of a factor.

    Attributes:
        factor: its name.
        best: the latent that tells most.
        first: what it tells, as a share of the factor's entropy.
        other: the second one.
        second: what that tells.
        is_told: whether ``first`` is more than chance gives.
    """

    factor: str
    best: int
    first: float
    other: int
    second: float
    is_told: bool


def render_explore(explore: ExploreJson, *, pictures: Mapping[str, bytes]) -> str:
    """Return the page as HTML.

    Args:
        explore: the content of ``explore.json``.
        pictures: JPEG files: ``latent-K`` for each latent shown, ``samples``, ``interpolation``,
            ``grid`` where there is one, ``originals`` and ``reconstructions`` where they are shown.
    """
    templates = _environment()
    style, script = (part_of_page(templates, names) for names in (STYLES, SCRIPTS))
    return templates.get_template(TEMPLATE).render(
        explore=explore,
        by_number={latent["latent"]: latent for latent in explore["latents"]},
        best=_best_latents(explore["scores"]),
        plot_height=PLOT_HEIGHT,
        tallest=_tallest(explore),
        known_scores=SCORES,
        name_of=picture_name,
        sources={name: jpeg_uri(content) for name, content in pictures.items()},
        style=style,
        script=script,
        policy=content_policy(style=style, script=script),
    )


def _environment() -> Environment:
    found = environment()
    found.filters.update(
        number=_number, signed=_signed, named=_named, within=_within, percent=_percent
    )
    return found


def _tallest(explore: ExploreJson) -> float:
    """Return the largest share in any bin of the latents shown, which all plots reach up to."""
    chosen = set(explore["shown"])
    shares = [latent["histogram"] for latent in explore["latents"] if latent["latent"] in chosen]
    return max((share for one in shares for share in one), default=0.0) or 1.0


def _best_latents(scores: LatentScoresJson | None) -> list[BestLatents]:
    """Return for each factor the two latents that tell most of it, the best-told factor first."""
    if scores is None:
        return []
    rows = []
    for column, factor in enumerate(scores["factors"]):
        shares = {
            latent: row[column]
            for latent, row in zip(scores["latents"], scores["information"], strict=True)
        }
        best, other = sorted(shares, key=lambda latent: -shares[latent])[:2]
        rows.append(
            BestLatents(
                factor=factor,
                best=best,
                first=shares[best],
                other=other,
                second=shares[other],
                is_told=shares[best] > scores["chance_information"],
            )
        )
    return sorted(rows, key=lambda row: -row.first)


def _within(latent: LatentJson, reach: float) -> float:
    """Return the share of the images up to ``reach`` standard deviations from the mean."""
    shares = latent["histogram"]
    skipped = round(len(shares) * (3 - reach) / 6)
    return sum(shares[skipped : len(shares) - skipped])


def _number(value: float | None, digits: int = 2) -> str:
    """Return a number in fixed digits, with a true minus sign; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _signed(value: float) -> str:
    """Return standard deviations with their sign."""
    return "0" if value == 0 else f"{value:+g}".replace("-", "\N{MINUS SIGN}")


def _percent(share: float | None) -> str:
    """Return a share in whole per cent; a dash where there is none."""
    return (
        "-"
        if share is None
        else f"{100 * share:.0f}\N{NO-BREAK SPACE}%".replace("-", "\N{MINUS SIGN}")
    )


def _named(factor: str) -> str:
    """Return a factor's name in words."""
    return factor.replace("_", " ")
