from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser
from typing import get_type_hints

import numpy as np
import pytest
from reporting.sample_explorations import EXPLORATIONS, HOSTILE, full, pictures

from debias.explore.continuity import Continuity
from debias.explore.posterior import aggregated_posterior
from debias.explore.scores import LatentScores, Score
from debias.reporting.explore_document import continuity_json, latent_scores_json, latents_json
from debias.reporting.explore_page import render_explore
from debias.reporting.explore_schema import (
    ContinuityJson,
    ExploreJson,
    LatentJson,
    LatentScoresJson,
    ScoreJson,
)


class _Text(HTMLParser):
    """What a page says, and the attributes of its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._silent = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._silent += tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def rendered(explore: ExploreJson) -> _Text:
    return _Text(render_explore(explore, pictures=pictures(explore)))


def text(explore: ExploreJson) -> str:
    return rendered(explore).text


def test_a_page_says_what_was_found() -> None:
    said = text(full())
    assert "3 of 8 latents are active; which should training balance?" in said
    assert "The decoder shows 66 % of the variance of the pixels" in said
    assert "on 567 drawn faces that it was not trained on" in said
    assert "The other 34 % cannot be seen" in said
    assert "Histograms are of 1,234 drawn faces that the model was trained on" in said
    assert "KL 1.50 nats; changes a pixel by 12.3 % on average" in said
    assert "tells tone 36 %, scene light 4 %" in said
    assert "Mutual information gap (MIG) Chen et al., NeurIPS 2018 0.31 0.30 to 0.32 0.01" in said
    assert (
        "what the latents tell together Eastwood and Williams, ICLR 2018 \N{MINUS SIGN}0.05" in said
    )
    assert "(0 is best) Locatello et al., ICML 2019 - - to - 0.01" in said
    assert "Trustworthiness 0.97 (1 is best; by chance 0.50)" in said
    assert "Train again with the same images and settings and with --seed 4" in said


def test_latents_stand_in_the_order_given_and_none_else_has_a_slider() -> None:
    page = rendered(full())
    heads = re.findall(r"Latent (\d) KL", page.text)
    assert heads == ["7", "3", "0"]
    ticks = [names for tag, names in page.elements if names.get("type") == "checkbox"]
    assert [names["value"] for names in ticks] == ["7", "3", "0"]
    sliders = [names for _, names in page.elements if names.get("type") == "range"]
    assert {names["max"] for names in sliders} == {"12"}
    assert {names["value"] for names in sliders} == {"6"}


def test_factors_stand_beside_the_two_latents_that_tell_most() -> None:
    said = text(full())
    assert "tone 7 36 % 3 5 % hair dark 3 12 % 7 10 % age not above chance 3 2 % 7 2 %" in said


def test_bars_are_as_high_as_their_shares() -> None:
    explore = full()
    bars = [names for tag, names in rendered(explore).elements if names.get("class") == "bar"]
    histogram = explore["latents"][7]["histogram"]
    own = bars[: len(histogram)]
    heights = np.array([float(names["height"] or 0) for names in own])
    np.testing.assert_allclose(
        heights / heights.max(), np.array(histogram) / max(histogram), atol=1e-3
    )
    tops = np.array([float(names["y"] or 0) for names in own])
    np.testing.assert_allclose(heights + tops, 56, atol=0.02)
    places = [float((names["x"] or "").rstrip("%")) for names in own]
    np.testing.assert_allclose(places, 100 * np.arange(24) / 24, atol=0.001)


def test_of_people_nothing_is_shown_and_that_is_said() -> None:
    explore = EXPLORATIONS["photographs"]()
    page = rendered(explore)
    assert "No picture on this page is of a person: all are decoded from means" in page.text
    assert "What the decoder makes of a face" not in page.text
    assert "it flatters" in page.text
    assert "Scores need more." in page.text
    assert "is 6.36 nats (0 if uncorrelated)" in page.text
    assert "The decoder shows \N{MINUS SIGN}20" in page.text
    assert "5,000 of 321 persons" in page.text
    explore["includes_images"], explore["num_reconstructed"] = True, 8
    assert "This page holds photographs of real people" in rendered(explore).text


def test_an_autoencoder_is_said_to_have_no_prior() -> None:
    said = text(EXPLORATIONS["autoencoder"]())
    assert "The latent asked for" in said
    assert "an autoencoder has no prior" in said
    assert "Two latents at once" not in said
    assert "cannot be estimated here" in said
    assert "its training balanced latents 3, 7" in said
    assert "balancing needs another rule" in said
    assert "trustworthiness" not in said.casefold()


@pytest.mark.parametrize("name", EXPLORATIONS)
def test_the_page_needs_nothing_but_itself(name: str) -> None:
    explore = EXPLORATIONS[name]()
    before = copy.deepcopy(explore)
    page = render_explore(explore, pictures=pictures(explore))
    assert explore == before
    parsed = _Text(page)
    assert re.findall(r"(?:https?:)?//[a-z]|@import|url\(", page) == []
    tags = {tag for tag, _ in parsed.elements}
    assert tags.isdisjoint({"link", "iframe", "object", "form", "base", "b"})
    assert sum(tag == "script" for tag, _ in parsed.elements) == 1
    attributes = {attribute for _, names in parsed.elements for attribute in names}
    assert not any(attribute.startswith("on") or attribute == "style" for attribute in attributes)
    images = [names for tag, names in parsed.elements if tag == "img"]
    assert len(images) == len(pictures(explore))
    assert all((names["src"] or "").startswith("data:image/jpeg;base64,") for names in images)
    assert all(names["alt"] and names["width"] and names["height"] for names in images)
    ids = [names["id"] for _, names in parsed.elements if "id" in names]
    assert len(ids) == len(set(ids))
    named = [names["aria-labelledby"] for _, names in parsed.elements if "aria-labelledby" in names]
    assert {word for one in named for word in (one or "").split()} <= set(ids)
    assert (HOSTILE in parsed.text) == (name == "hostile")
    json.dumps(explore, allow_nan=False)


def test_what_was_found_becomes_plain_data_of_the_schema() -> None:
    rng = np.random.default_rng(0)
    mu = rng.normal(size=(300, 3)) * [1.0, 2.0, 0.01]
    posterior = aggregated_posterior(mu, np.zeros((300, 3)))
    scores = LatentScores(
        num_images=300,
        latents=(0, 1),
        factors=("tone", "yaw"),
        information=np.array([[0.5, 0.01], [0.02, 0.3]]),
        chance_information=0.1,
        scores=(Score(name="mig", value=0.4, low=0.3, high=0.5, chance_mean=0.0, chance_high=0.1),),
    )
    latents = latents_json(posterior, np.array([0.1, 0.2, 0.0]), scores, threshold=0.1)
    assert all(one.keys() == get_type_hints(LatentJson).keys() for one in latents)
    assert [one["is_active"] for one in latents] == [True, True, False]
    assert [one["told"] for one in latents] == [
        [{"factor": "tone", "share": 0.5}],
        [{"factor": "yaw", "share": 0.3}],
        [],
    ]
    assert all(one["told"] == [] for one in latents_json(posterior, np.zeros(3), None, threshold=0))
    data = latent_scores_json(scores)
    assert data.keys() == get_type_hints(LatentScoresJson).keys()
    assert data["scores"][0].keys() == get_type_hints(ScoreJson).keys()
    continuity = continuity_json(
        Continuity(value=0.9, chance=0.5, num_images=100, num_neighbours=10)
    )
    assert continuity.keys() == get_type_hints(ContinuityJson).keys()
    assert full().keys() == get_type_hints(ExploreJson).keys()
    json.dumps([latents, data, continuity], allow_nan=False)
