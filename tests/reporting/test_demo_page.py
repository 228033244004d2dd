from __future__ import annotations

import copy
import re
from html.parser import HTMLParser

import pytest

from debias.metrics.intervals import rate
from debias.reporting.demo_document import change_json
from debias.reporting.demo_page import Axis, render_demo
from debias.reporting.demo_schema import DemoJson, DemoModelJson, PictureJson
from debias.reporting.demo_words import headline, summary
from debias.reporting.measure_document import rate_json
from debias.reporting.measure_schema import RateJson
from debias.reporting.models_schema import DifferenceJson

TONES, GENDERS = ("light", "medium", "dark"), ("female", "male")
FOUND = {"light": (180, 170), "medium": (150, 151), "dark": (40, 90)}


def some(successes: int, trials: int = 200) -> RateJson:
    return rate_json(rate(num_successes=successes, num_trials=trials))


def model(worst: int, values: list[str]) -> DemoModelJson:
    return {
        "fpr": some(10, 1000),
        "recall": some(740, 1200),
        "worst_recall": some(worst),
        "gap": {
            "value": 0.9 - worst / 200,
            "low": 0.1,
            "high": 0.8,
            "worst": " x ".join(values),
            "worst_values": values,
            "best": "light x female",
            "best_values": ["light", "female"],
            "null_median": 0.0312,
            "null_percentile_95": 0.0567,
            "null_p_value": 0.0,
        },
    }


def face(number: int, weight: float) -> PictureJson:
    return {
        "image_id": f"train-face-{number:05d}",
        "path": f"data/images/train/train-face-{number:05d}.jpg",
        "weight": weight,
        "shown": ["dark", "female", "56-80", "glasses"],
    }


def difference(value: float, low: float, high: float) -> DifferenceJson:
    return {"value": value, "low": low, "high": high}


@pytest.fixture
def demo() -> DemoJson:
    """A demo in which the DB-VAE helps."""
    return {
        "schema_version": 1,
        "job": "demo",
        "created": "2030-01-02T03:04:05+00:00",
        "versions": {"python": "3.11.7", "debias-faces": "0.1"},
        "platform": "linux-x86_64",
        "settings": {"testbed": "planted", "seed": 3},
        "folder": "runs/demo",
        "command": "debias demo --testbed planted --seed 3 --output runs/demo",
        "next": {
            "report": "debias report runs/demo/model --data runs/demo/data",
            "testbed": "balanced",
            "demo": "debias demo --testbed balanced --output runs/demo-balanced",
        },
        "stages": [{"name": "drawing", "seconds": 12.0}, {"name": "training", "seconds": 61.4}],
        "seconds": 73.4,
        "data": {
            "testbed": "planted",
            "summary": "3 % of the training faces are dark",
            "fraction": 0.1,
            "image_size": 64,
            "num_images": 3660,
            "num_train_faces": 600,
            "num_train_non_faces": 600,
            "num_test_faces": 1200,
            "num_test_non_faces": 1000,
        },
        "training": {
            "image_size": 32,
            "epochs": 12,
            "steps": 1200,
            "batch_size": 128,
            "resampling": "product",
        },
        "target_fpr": 0.01,
        "confidence": 0.95,
        "plain": model(40, ["dark", "female"]),
        "db_vae": model(90, ["dark", "female"]),
        "groups": [
            {
                "name": f"{tone} x {gender}",
                "values": [tone, gender],
                "plain": some(FOUND[tone][0]),
                "db_vae": some(FOUND[tone][1]),
                "difference": change_json(difference(0.25, 0.1, 0.4)),
            }
            for tone in TONES
            for gender in GENDERS
        ],
        "changes": {
            "worst_recall": change_json(difference(0.25, 0.1, 0.4)),
            "gap": change_json(difference(-0.25, -0.4, -0.1)),
            "recall": change_json(difference(0.0512, -0.01, 0.1)),
        },
        "weights": {
            "num_faces": 600,
            "effective_sample_size": 301.2,
            "groups": [
                {
                    "name": f"{tone} x {gender}",
                    "values": [tone, gender],
                    "num_faces": 100,
                    "planted_share": 0.123,
                    "mean_weight": 1.5,
                }
                for tone in TONES
                for gender in GENDERS
            ],
            "rarity": [
                {
                    "columns": ["skin_tone", "gender"],
                    "value": -0.256,
                    "low": -0.3,
                    "high": -0.2,
                    "largest": 0.91,
                }
            ],
            "rarest": [face(1, 9.876)],
            "commonest": [face(2, 0.123)],
        },
    }


PICTURES = {
    "data/images/train/train-face-00001.jpg": b"first",
    "data/images/train/train-face-00002.jpg": b"second",
}


class _Text(HTMLParser):
    """What a page says, and the attributes of its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_text(demo: DemoJson) -> str:
    return _Text(render_demo(demo, pictures=PICTURES)).text


def test_the_answer_comes_first_and_the_other_figures_follow(demo: DemoJson) -> None:
    text = page_text(demo)
    answer = (
        "Of the faces of women with dark skin, the plain classifier finds 20.0 %, the DB-VAE "
        "finds 45.0 %. The worst-served group gains 25.0 points (95 % interval +10.0 to +40.0): "
        "the DB-VAE is shown to serve it better. Both let through 1 % of the test pictures that "
        "show no face."
    )
    assert answer in text
    assert "By design: 3 % of the training faces are dark." in text
    assert "The gap shrinks by 25.0 points (95 % interval \N{MINUS SIGN}40.0 to" in text
    assert "light, women 90.0 \N{RIGHTWARDS ARROW} 85.0 light, men" in text
    assert "median, 95th percentile 3.1 up to 5.7 3.1 up to 5.7" in text
    assert "light, women 200 faces 90.0 [85.1, 93.4] 85.0 [79.4, 89.3] +25.0" in text
    assert (
        "skin tone and gender \N{MINUS SIGN}0.26 [\N{MINUS SIGN}0.30, \N{MINUS SIGN}0.20]" in text
    )
    assert "dark, men 12.3 100 1.50" in text
    assert "1 min 13 s: drawing 12 s, training 1 min 1 s" in text
    assert "debias demo --testbed planted --seed 3 --output runs/demo" in text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ((0.02, -0.01, 0.05), "changes by +2.0 points (95 % interval -1.0 to +5.0, which holds 0)"),
        ((0.02, 0.0, 0.05), "is not shown to help it"),
        ((-0.02, -0.05, -0.01), "loses 2.0 points (95 % interval -5.0 to -1.0): the DB-VAE is"),
        ((-0.02, -0.05, -0.01), "shown to serve it worse"),
    ],
)
def test_a_demo_without_success_says_so(
    demo: DemoJson, change: tuple[float, float, float], sentence: str
) -> None:
    demo["changes"]["worst_recall"] = change_json(difference(*change))
    text = page_text(demo).replace("\N{MINUS SIGN}", "-")
    assert sentence in text
    assert "serve it better" not in text
    assert sentence in " ".join(summary(demo)).replace("\N{MINUS SIGN}", "-")


def test_groups_that_lose_are_named(demo: DemoJson) -> None:
    assert "served worse" not in page_text(demo)
    demo["groups"][1]["difference"] = change_json(difference(-0.05, -0.08, -0.02))
    sentence = (
        "Found less often, in points, each by an interval of its own: men with light skin "
        "(\N{MINUS SIGN}5.0)."
    )
    assert sentence in page_text(demo)
    assert sentence in summary(demo)


def test_a_headline_names_both_groups_where_they_differ(demo: DemoJson) -> None:
    demo["db_vae"]["gap"]["worst_values"] = ["medium", "male"]
    assert headline(demo) == (
        "Of the people it serves worst, the plain classifier finds 20.0 % (women with dark skin), "
        "the DB-VAE finds 45.0 % (men with medium skin)."
    )


def test_what_is_not_known_is_said_to_be_so(demo: DemoJson) -> None:
    demo["seconds"] = demo["stages"][0]["seconds"] = demo["stages"][1]["seconds"] = None
    group, rarity = demo["weights"]["groups"][0], demo["weights"]["rarity"][0]
    group["planted_share"] = group["mean_weight"] = None
    group["num_faces"] = 0
    rarity["value"] = rarity["low"] = rarity["high"] = rarity["largest"] = None
    text = page_text(demo)
    assert "not known, since it was interrupted" in text
    assert "light, women - 0 -" in text
    assert "skin tone and gender not estimable: all equally rare" in text
    demo["weights"]["effective_sample_size"] = demo["weights"]["num_faces"]
    even = page_text(demo)
    assert "no latent of this model is active" in even
    assert "skin tone and gender not estimable: all weights are equal" in even
    assert "largest weights" not in even
    demo["weights"]["rarity"] = []
    assert "the true rarity of a face is not known here" in page_text(demo)


def test_it_says_how_to_go_on(demo: DemoJson) -> None:
    text = page_text(demo)
    assert demo["next"]["report"] in text
    assert (
        f"nothing is planted, so that there should be little to mend: {demo['next']['demo']}"
        in text
    )
    demo["next"]["testbed"] = "planted"
    assert f"The same where a bias is planted: {demo['next']['demo']}" in page_text(demo)


def test_words_from_outside_are_escaped(demo: DemoJson) -> None:
    nasty = '<script>alert("1")</script>&'
    demo["data"]["summary"] = demo["folder"] = demo["command"] = nasty
    demo["groups"][0]["values"] = [nasty, '" onload="x']
    demo["weights"]["rarest"][0]["shown"] = ['" onerror="x', "<b>"]
    page = render_demo(demo, pictures=PICTURES)
    parsed = _Text(page)
    assert nasty in parsed.text
    assert {"script", "b"}.isdisjoint(tag for tag, _ in parsed.elements)
    assert not any(name.startswith("on") for _, names in parsed.elements for name in names)


def test_the_page_needs_nothing_but_itself(demo: DemoJson) -> None:
    page = render_demo(demo, pictures=PICTURES)
    parsed = _Text(page)
    assert re.findall(r"(?:https?:)?//[a-z]|@import|url\(", page) == []
    tags = {tag for tag, _ in parsed.elements}
    assert tags.isdisjoint({"script", "link", "iframe", "object", "form", "base"})
    images = [names for tag, names in parsed.elements if tag == "img"]
    assert [names["src"] for names in images] == [
        "data:image/jpeg;base64,Zmlyc3Q=",
        "data:image/jpeg;base64,c2Vjb25k",
    ]
    assert {names["alt"] for names in images} == {"Drawn face: dark, female, 56-80, glasses"}
    assert tags >= {"main", "h1", "h2", "table", "caption", "figure", "figcaption", "title", "desc"}


def test_labels_point_at_what_is_there_and_ids_are_unique(demo: DemoJson) -> None:
    elements = _Text(render_demo(demo, pictures=PICTURES)).elements
    ids = [names["id"] for _, names in elements if "id" in names]
    assert len(ids) == len(set(ids))
    named = [names["aria-labelledby"] for _, names in elements if "aria-labelledby" in names]
    assert {word for text in named for word in (text or "").split()} <= set(ids)
    cells = [names for tag, names in elements if tag == "th"]
    assert all(names.get("scope") in ("row", "col") for names in cells)


def test_rendering_leaves_the_demo_as_it_was(demo: DemoJson) -> None:
    before = copy.deepcopy(demo)
    render_demo(demo, pictures=PICTURES)
    assert demo == before


@pytest.mark.parametrize(
    ("low", "floor", "ticks"),
    [
        (0.0, 0, [0, 20, 40, 60, 80, 100]),
        (0.15, 0, [0, 20, 40, 60, 80, 100]),
        (0.55, 50, [50, 60, 70, 80, 90, 100]),
        (0.81, 80, [80, 85, 90, 95, 100]),
        (0.97, 90, [90, 92, 94, 96, 98, 100]),
    ],
)
def test_an_axis_has_round_numbers_up_to_100(low: float, floor: int, ticks: list[int]) -> None:
    rates: list[RateJson] = [{**some(100), "low": low}, some(199)]
    axis = Axis.over(rates)
    assert axis.floor == floor
    assert [round(100 * tick) for tick in axis.ticks] == ticks
    assert (axis.at(floor / 100), axis.at(1.0)) == (0, 100)
    assert 0 <= axis.at(low) <= 100


def test_marks_lie_where_the_figures_are(demo: DemoJson) -> None:
    demo["groups"] = demo["groups"][-1:]  # recall 20 % and 45 %, on an axis from 0
    elements = _Text(render_demo(demo, pictures=PICTURES)).elements
    (circle,) = [n for tag, n in elements if tag == "circle" and "%" in (n["cx"] or "")]
    (square,) = [n for tag, n in elements if tag == "rect" and n.get("transform")]
    assert (circle["cx"], square["x"]) == ("20.0%", "45.0%")
    lines = [n for tag, n in elements if tag == "line" and n["class"] in ("plain", "db-vae")]
    spans = [(n["x1"], n["x2"]) for n in lines if "%" in (n["x1"] or "")]
    expected = [(some(k)["low"], some(k)["high"]) for k in (40, 90)]
    assert spans == [
        (f"{round(100 * (low or 0), 3)}%", f"{round(100 * (high or 0), 3)}%")
        for low, high in expected
    ]
