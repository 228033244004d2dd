"""What a report leaves behind: its files agree, show names as text, and are whole or absent."""

from __future__ import annotations

import csv
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jobs.report_tables import (
    SMALL,
    face_tables,
    gender_table,
    grouping_of,
    measured,
    reported,
    write_tables,
)
from running import Debias, Python

BY_BOTH = ("--groups", "skin_tone,gender")
WRITTEN = ["README.md", "report.html", "report.json", "run.json", "tables"]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    return write_tables(tmp_path, *face_tables())


def test_page_card_tables_and_terminal_tell_the_same(
    words: list[str], tmp_path: Path, debias: Debias
) -> None:
    output = tmp_path / "out"
    outcome = debias("report", *words, *BY_BOTH, "--output", output, *SMALL)
    assert outcome.status == 0, outcome.err
    assert outcome.out.splitlines()[-1] == str(output / "report.html")
    assert sorted(item.name for item in output.iterdir()) == WRITTEN
    report = json.loads((output / "report.json").read_text())
    (point,) = report["operating_points"]
    grouping = grouping_of(point, ["skin_tone", "gender"])
    worst = measured(grouping, "recall")["dark x female"]
    assert grouping["worst"] == "dark x female"
    assert grouping["gap"] is not None
    groups = pd.read_csv(output / "tables" / "groups.csv")
    row = groups[(groups["by.skin_tone"] == "dark") & (groups["by.gender"] == "female")]
    assert row["value"].tolist() == [worst]
    groupings = pd.read_csv(output / "tables" / "groupings.csv").set_index("grouping")
    found = groupings.loc["skin_tone x gender"]
    assert found["gap_worst"] == "dark x female"
    assert found["gap_value"] == grouping["gap"]["value"]
    assert found["verdict_verdict"] == "disparity"
    in_percent, gap = f"{100 * worst:.1f}", f"{100 * grouping['gap']['value']:.1f}"
    for text in (
        html.unescape(re.sub(r"<[^>]+>", " ", (output / "report.html").read_text())),
        (output / "README.md").read_text(),
        outcome.out,
    ):
        text = " ".join(text.split())
        assert f"{in_percent} %" in text
        assert f"{gap} " in text
        assert "dark x female" in text
        assert text.lower().count("disparity found") >= 3
    card = (output / "README.md").read_text()
    assert f"value: {worst}" in card  # of the metadata
    tables = {item.stem for item in (output / "tables").glob("*.csv")}
    assert {"operating_points", "groups", "measures", "pairs", "disparities", "sweep"} < tables
    known = pd.read_csv(output / "tables" / "columns.csv")["table"].unique()
    assert set(known) == tables


def test_a_hostile_group_is_text_everywhere(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    name = "<script>alert(1)</script>"
    people["skin_tone"] = people["skin_tone"].replace("dark", name)
    words = write_tables(tmp_path, predictions, people)
    report = reported(debias, tmp_path / "out", *words, "--groups", "skin_tone")
    assert grouping_of(report["operating_points"][0], ["skin_tone"])["worst"] == name
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    _, _, body = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    assert "<script>" not in body
    with (tmp_path / "out" / "tables" / "groups.csv").open() as file:
        assert name in {row["by.skin_tone"] for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("condition", "status", "said"),
    [
        ("worst_recall[skin_tone,gender]<0.9", 3, "holds: "),
        ("worst_recall<0.01", 0, ""),
        ("verdict[skin_tone]==disparity", 3, "holds: "),
        ("gap.low[skin_tone,gender,pose=frontal]>0.1", 3, "holds: "),
        ("equalized_odds_difference>0.9", 3, "could not be evaluated: "),
        ("recall@stored<0.1", 3, "could not be evaluated: no such threshold came"),
    ],
)
def test_conditions_decide_the_status_after_all_is_written(
    condition: str, status: int, said: str, words: list[str], tmp_path: Path, debias: Debias
) -> None:
    options = (*BY_BOTH, "--within", "pose", "--fail-if", condition, *SMALL)
    output = tmp_path / "out"
    outcome = debias("report", *words, *options, "--output", output)
    assert outcome.status == status
    assert outcome.err.startswith(f"debias report: --fail-if {condition} {said}" if said else "")
    assert bool(outcome.err) == bool(said)
    assert sorted(item.name for item in output.iterdir()) == WRITTEN
    (kept,) = json.loads((output / "report.json").read_text())["conditions"]
    assert kept["condition"] == condition
    assert kept["holds"] == (said == "holds: ")
    assert (kept["value"] is None) == said.startswith("could not")


def spoilt(predictions: pd.DataFrame, how: str) -> pd.DataFrame:
    """Return predictions that must be refused."""
    if how == "label":
        return predictions.assign(y_true=predictions["y_true"].replace(1, 2))
    if how == "score":
        return predictions.assign(y_score=predictions["y_score"].where(predictions.index != 3))
    if how == "twice":
        return pd.concat([predictions, predictions.iloc[:1]])
    if how == "strangers":
        return predictions.assign(image_id="x" + predictions["image_id"])
    return predictions.drop(columns="y_true")


@pytest.mark.parametrize("how", ["label", "score", "twice", "strangers", "column"])
def test_bad_input_writes_nothing_and_spares_what_is_there(
    how: str, tmp_path: Path, debias: Debias
) -> None:
    predictions, people = face_tables(num_each=5, num_negatives=20)
    words = write_tables(tmp_path, spoilt(predictions, how), people)
    fresh, kept = tmp_path / "fresh", tmp_path / "kept"
    outcome = debias("report", *words, *BY_BOTH, "--output", fresh)
    assert outcome.status == 1
    assert len(outcome.err.splitlines()) == 1
    assert not fresh.exists()
    kept.mkdir()
    (kept / "run.json").write_text('{"job": "report"}')
    (kept / "report.json").write_text('{"the": "last one"}')
    outcome = debias("report", *words, *BY_BOTH, "--output", kept, "--overwrite")
    assert outcome.status == 1
    assert (kept / "report.json").read_text() == '{"the": "last one"}'
    assert not [item for item in tmp_path.iterdir() if "fresh" in item.name]


def test_the_same_seed_gives_the_same_files(
    words: list[str], tmp_path: Path, debias: Debias
) -> None:
    options = (*BY_BOTH, "--compare", words[0])
    first = reported(debias, tmp_path / "first", *words, *options)
    second = reported(debias, tmp_path / "second", *words, *options)
    ignored = {"created": "", "platform": ""}
    assert {**first, **ignored} == {**second, **ignored}
    for table in (tmp_path / "first" / "tables").iterdir():
        assert table.read_bytes() == (tmp_path / "second" / "tables" / table.name).read_bytes()
    other = reported(debias, tmp_path / "other", *words, *options, "--seed", "5")

    def by_chance(report: Any) -> list[float]:
        groupings = report["operating_points"][0]["groupings"]
        return [grouping["gap"].pop("null_p_value") for grouping in groupings] + [
            median
            for grouping in report["sweep"]["groupings"]
            for median in grouping["null_median"]
        ]

    assert by_chance(first) == by_chance(second) != by_chance(other)
    for one, two in zip(
        first["operating_points"][0]["groupings"],
        other["operating_points"][0]["groupings"],
        strict=True,
    ):
        assert one["groups"] == two["groups"]  # nothing of it is drawn


def test_a_report_tells_no_name_that_rows_were_chosen_by(tmp_path: Path, debias: Debias) -> None:
    """Nor where the file calls the column of names otherwise."""
    predictions, people = face_tables()
    predictions["who"] = "jane"
    predictions.loc[::2, "who"] = "joe"
    words = write_tables(tmp_path, predictions, people)
    output = tmp_path / "out"
    reported(debias, output, *words, *BY_BOTH, "--column", "identity_id=who", "--where", "who=jane")
    for name in ("report.json", "report.html", "README.md", "run.json"):
        assert "jane" not in (output / name).read_text()


NO_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "fairlearn", "sklearn", "matplotlib"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, NoTorch())
from debias.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_every_part_works_without_torch(tmp_path: Path, python: Python) -> None:
    table = gender_table()
    table["sample_weight"] = 1.5
    table.to_csv(tmp_path / "answers.csv", index=False)
    words = ("report", tmp_path / "answers.csv", "--groups", "skin_tone", "--within", "age")
    more = ("--compare", tmp_path / "answers.csv", "--fail-if", "fpr>0.9")
    done = python(NO_TORCH, *words, *more, "--output", tmp_path / "out", *SMALL)
    assert done.returncode == 0, done.stderr
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == WRITTEN


def test_slices_are_found_without_attributes(tmp_path: Path, debias: Debias) -> None:
    """Dark women lie apart in an embedding that knows nothing of tones and genders."""
    predictions, people = face_tables()
    dark_woman = (people["skin_tone"] == "dark") & (people["gender"] == "female")
    points = np.random.default_rng(0).normal(size=(len(people), 3))
    points[:, 0] += 6.0 * dark_woman
    embedding = pd.DataFrame(points, columns=["a", "b", "c"])
    embedding.insert(0, "image_id", people["image_id"])
    embedding.iloc[::-1].to_parquet(tmp_path / "points.parquet")
    words = write_tables(tmp_path, predictions.assign(seed=7), people)
    options = (*BY_BOTH, "--embedding", tmp_path / "points.parquet")
    report = reported(debias, tmp_path / "out", *words, *options)
    assert "embedding" in [item["role"] for item in report["inputs"]]
    slices = report["slices"]
    assert slices is not None
    assert (slices["num_dimensions"], slices["num_images"]) == (3, 480)
    assert slices["threshold"] == report["operating_points"][0]["threshold"]
    first = slices["slices"][0]
    assert 20 <= first["num_images"] <= 140
    rate, elsewhere = first["error_rate"]["value"], first["error_rate_elsewhere"]["value"]
    assert rate is not None
    assert elsewhere is not None
    assert rate > elsewhere + 0.3
    assert {"dark", "female"} <= {each["value"] for each in first["attributes"]}
    assert first["image_ids"] == []
    named = reported(debias, tmp_path / "named", *words, *options, "--include-ids")
    assert named["slices"] is not None
    inside = set(people.loc[dark_woman, "image_id"])
    midst = named["slices"]["slices"][0]["image_ids"]
    assert len(midst) == 10
    assert set(midst) <= inside
    told = (tmp_path / "out" / "report.json").read_text()
    assert not any(name in told for name in midst)
