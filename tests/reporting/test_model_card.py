from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData, metadata_eval_result
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from reporting.sample_reports import (
    HOSTILE,
    SAMPLES,
    changed,
    full_report,
    hostile_report,
    refused_report,
    wide_report,
)

from debias.reporting import report_words as words
from debias.reporting import summary_words
from debias.reporting.card_metadata import card_metadata
from debias.reporting.markdown import Markdown, escape_markdown, yaml_text
from debias.reporting.model_card import PROVENANCES, render_model_card
from debias.reporting.model_names import model_name_of
from debias.reporting.schema import ReportJson

SECTIONS = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
    "How this card was made",
]
HOSTILE_TEXTS = [
    *HOSTILE,
    "| pipe",
    "# head",
    "](http://evil.example)",
    "![x](y)",
    "[a]: b",
    "**bold** __bold__ _x_ ~~gone~~",
    "`code`",
    "- item",
    "1. item",
    "12) item",
    "---",
    "===",
    "> quote",
    "a\n\n# b",
    "a\\",
    "\\|",
    "&lt;b&gt;",
    "<!-- hidden",
    "https://evil.example/x",
    "www.evil.example",
    "me@evil.example",
    "$$x$$",
    "[1, 2](x)",
    "[1][2]",
    "+ more",
    "* more",
    "    indented",
    "\u202eabc",
]


PARSER = MarkdownIt("gfm-like", {"html": True, "linkify": True})


@cache
def sample(name: str) -> ReportJson:
    """Return a sample that no test changes."""
    return SAMPLES[name]()


def body(card: str) -> str:
    return card.split("---\n", 2)[2]


def headings(card: str, tag: str) -> list[str]:
    tokens = PARSER.parse(body(card))
    return [
        tokens[place + 1].content
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag == tag
    ]


def tables(card: str) -> list[list[list[str]]]:
    """Return all tables as a reader sees them: rows of cells of text."""
    found: list[list[list[str]]] = []
    for token in flat(body(card)):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open"):
            found[-1][-1].append("")
        elif token.type == "text" and found and found[-1] and found[-1][-1]:
            found[-1][-1][-1] += token.content
    return found


def hub_data(card: str) -> ModelCardData:
    """Return what the Hub reads of a card; it refuses metadata that it does not understand."""
    data = ModelCard(card, ignore_metadata_errors=False).data
    assert isinstance(data, ModelCardData)
    return data


def flat(text: str) -> list[Any]:
    tokens = []
    for token in PARSER.parse(text):
        tokens += token.children if token.type == "inline" and token.children else [token]
    return tokens


@pytest.mark.parametrize("name", SAMPLES)
def test_every_report_has_a_card_with_all_sections(name: str) -> None:
    card = render_model_card(sample(name))
    assert headings(card, "h2") == SECTIONS
    assert len(headings(card, "h1")) == 1
    assert summary_words.headline(sample(name))[:30] in shown(body(card))
    assert re.search(r"\bNone\b(?! beyond)", card) is None
    assert "nan" not in re.findall(r"[a-z]+", card)
    assert card.endswith("\n")
    assert not card.endswith("\n\n")


@pytest.mark.parametrize("name", SAMPLES)
def test_the_hub_reads_the_metadata(name: str) -> None:
    report = sample(name)
    data = hub_data(render_model_card(report, model_name="a model"))
    assert yaml.safe_load(data.to_yaml())["pipeline_tag"] == "image-classification"
    metadata: dict[str, Any] = card_metadata(report, model_name="a model")
    expected = metadata["model-index"][0]["results"][0]["metrics"] if "metrics" in metadata else []
    results = data.eval_results or []
    assert [result.metric_value for result in results] == [metric["value"] for metric in expected]
    assert [result.metric_args for result in results] == [metric["args"] for metric in expected]
    assert all(result.task_type == "image-classification" for result in results)
    if results:
        assert data.model_name == "a model"


def test_the_metadata_are_those_that_the_hub_itself_would_write() -> None:
    metadata: dict[str, Any] = card_metadata(full_report(), model_name="a model")
    (result,) = metadata["model-index"][0]["results"]
    metric = result["metrics"][0]
    theirs = metadata_eval_result(
        model_pretty_name="a model",
        task_pretty_name=result["task"]["name"],
        task_id=result["task"]["type"],
        metrics_pretty_name=metric["name"],
        metrics_id=metric["type"],
        metrics_value=metric["value"],
        dataset_pretty_name=result["dataset"]["name"],
        dataset_id=result["dataset"]["type"],
    )
    theirs = theirs["model-index"][0]
    assert theirs["name"] == "a model"
    (other,) = theirs["results"]
    assert other["task"] == result["task"]
    assert other["dataset"].items() <= result["dataset"].items()
    assert other["metrics"][0].items() <= {**metric, "verified": False}.items()


def test_the_metadata_hold_the_figures_of_the_report() -> None:
    report = full_report()
    metadata: dict[str, Any] = card_metadata(report, model_name="a model")
    metrics = metadata["model-index"][0]["results"][0]["metrics"]
    judged = [point for point in report["operating_points"] if point["status"] == "estimated"]
    assert len(metrics) == len(judged) * (2 + 2 * 3)
    point = judged[0]
    part = point["groupings"][2]
    assert part["gap"] is not None
    of_part = [
        metric
        for metric in metrics
        if metric["args"].get("grouping") == ["skin_tone", "gender"]
        and metric["args"]["threshold"] == point["threshold"]
    ]
    worst, gap = of_part
    recall = words.group_of(part, part["gap"]["worst_values"])["recall"]
    assert worst["type"] == "worst_group_recall"
    assert worst["value"] == recall["value"]
    assert worst["args"]["low"] == recall["low"]
    assert worst["args"]["group"] == ["dark", "female"]
    assert gap["type"] == "recall_gap"
    assert gap["value"] == part["gap"]["value"]
    assert gap["args"]["verdict"] == "disparity"
    assert "model-index" not in card_metadata(refused_report(), model_name="a model")


def test_the_figures_by_group_are_those_of_the_report() -> None:
    report = full_report()
    point = report["operating_points"][0]
    found = tables(render_model_card(report))
    by_group = {tuple(row[0] for row in table[1:]): table for table in found}
    for part in point["groupings"][:3]:
        table = by_group[tuple(group["name"] for group in part["groups"])]
        assert table[0][:3] == ["Group", "Standing", "Recall (%)"]
        for row, group in zip(table[1:], part["groups"], strict=True):
            recall = group["recall"]
            if recall["value"] is None:
                assert row[2].startswith("not estimable")
            else:
                count = f"({recall['num_successes']:,} of {recall['num_trials']:,})"
                assert row[2].startswith(f"{100 * recall['value']:.1f} [")
                assert count in row[2]
            assert row[1] == words.standing(group, part)
    (every,) = [table for table in found if table[0][:2] == ["Threshold", "Grouping"]]
    assert len(every) - 1 == 3 * 5


def test_the_card_says_what_the_report_says() -> None:
    report = full_report()
    text = shown(body(render_model_card(report)))
    for sentence in [*summary_words.summary(report), *report["notes"]]:
        assert sentence in text
    for item in report["inputs"]:
        assert item["sha256"] in text
    assert "python 3.11.7, debias-faces 0.1, numpy 2.4.6" in text
    assert "groups: skin_tone, gender" in text
    assert PROVENANCES["estimated"] in text
    assert "Refused: 0.0001 of 200 negatives" in text
    assert report["slices"] is not None
    for image_id in report["slices"]["slices"][0]["image_ids"]:
        assert image_id not in text


def test_rows_that_made_the_model_are_owned_up_to() -> None:
    rows: dict[str, Any] = {**full_report()["rows"], "seen_splits": ["train", "val"]}
    text = render_model_card(changed(full_report(), rows=rows))
    assert "used to make the model: train, val." in text


def test_many_groups_are_cut_and_the_rest_is_named() -> None:
    card = render_model_card(wide_report())
    assert "140 more groups are in `tables/groups.csv`" in card
    assert max(len(table) for table in tables(card)) == 61


def test_hostile_names_stay_text() -> None:
    card = render_model_card(hostile_report())
    kinds = {token.type for token in flat(body(card))}
    assert kinds.isdisjoint({"html_inline", "html_block", "link_open", "image"})
    cells = {row[0] for table in tables(card) for row in table}
    assert set(HOSTILE) <= cells
    assert headings(card, "h2") == SECTIONS
    assert len({len(row) for table in tables(card) for row in table[:1]}) > 1
    assert all(len(row) == len(table[0]) for table in tables(card) for row in table)
    results = hub_data(card).eval_results or []
    groups = [(result.metric_args or {}).get("group", []) for result in results]
    assert [HOSTILE[0]] in groups


def shown(text: str) -> str:
    """Return what a reader sees of Markdown, as text."""
    found = []
    for token in flat(text):
        if token.type in ("text", "code_inline"):
            found.append(token.content)
        elif token.type in ("softbreak", "paragraph_close", "td_close"):
            found.append("\n")
    return "".join(found)


def plain(text: str) -> str:
    """Return text without what a line of it cannot hold."""
    letters = (" " if not letter.isprintable() and letter.isspace() else letter for letter in text)
    return "".join(letters)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
@pytest.mark.parametrize(
    "place", ["{}", "- {}", "**a {} b**", "| a | b |\n| --- | --- |\n| {} | c |"]
)
def test_text_is_shown_as_it_is(text: str, place: str) -> None:
    safe = escape_markdown(text)
    tokens = flat(place.format(safe))
    structure = [token.type for token in flat(place.format("word")) if token.type != "text"]
    assert [
        token.type for token in tokens if token.type not in ("text", "text_special")
    ] == structure
    seen = "".join(token.content for token in tokens if token.type in ("text", "text_special"))
    expected = " ".join(text.replace("\u202e", "\ufffd").split())
    assert expected in " ".join(seen.split())


LETTERS = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs", "Cn", "Co"])


@given(st.text(LETTERS, min_size=1))
@example("a_b _c_ __d__ 1_000")
@example("[0.5, 0.7] [+1, -2](x) [1]: z")
def test_no_text_becomes_markup(text: str) -> None:
    safe = escape_markdown(text)
    tokens = flat(f"| a | b |\n| --- | --- |\n| {safe} | c |")
    kinds = [token.type for token in tokens if token.type not in ("text", "text_special")]
    expected = [t.type for t in flat("| a | b |\n| --- | --- |\n| x | c |") if t.type != "text"]
    assert kinds == expected


def test_limits_and_names_of_columns_stay_legible() -> None:
    assert escape_markdown("78.1 % [73.9, 81.8] of 480") == "78.1 % [73.9, 81.8] of 480"
    assert escape_markdown("+5.0 [\N{MINUS SIGN}1.0, +9.0]") == "+5.0 [\N{MINUS SIGN}1.0, +9.0]"
    assert escape_markdown("skin_tone x age_group") == "skin_tone x age_group"
    assert escape_markdown(Markdown("**bold**")) == "**bold**"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.from_regex(r"\A[a-z][a-z_-]{0,5}\Z").filter(lambda key: key not in ("y", "n", "on")),
        st.recursive(
            SCALARS,
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["type", "name", "args"]), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
@example({"a": [1e-05, 1e22, -0.0, "1e-05", "null", "~", "", "\u2028", "\U0001f469", "\x00"]})
def test_yaml_gives_the_same_data_back(value: dict[str, Any]) -> None:
    text = yaml_text(value)
    reserved = {"yes", "no", "off", "true", "false", "null"}
    if reserved.isdisjoint(value) and "inf" not in text:
        assert text.isascii()
        assert yaml.safe_load(text) == value


@pytest.mark.parametrize(
    ("path", "name"),
    [("run/predictions.parquet", "run"), ("vendor.csv", "vendor"), ("", "model")],
)
def test_a_model_is_called_by_its_run_or_file(path: str, name: str) -> None:
    inputs = [{"role": "predictions", "path": path, "sha256": "00"}]
    assert model_name_of(changed(full_report(), inputs=inputs)) == name


def test_a_model_is_called_what_it_is_said_to_be() -> None:
    card = render_model_card(full_report(), model_name="<b>7")
    assert headings(card, "h1") == ["Model card: &#60;b&#62;7"]
    assert hub_data(card).model_name == "<b>7"
