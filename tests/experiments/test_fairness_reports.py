"""The fairness reports from end to end, on a few drawn pictures in place of the real ones."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from debias.cli import main as command

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "fairness_reports"
SMALL = [
    *("training.epochs=1", "training.min_epoch_steps=1", "training.batch_size=16"),
    *("model.image_size=32", "model.channels=[8,16]", "model.blocks=[0]", "model.latent_size=4"),
    *("resampling.rule=uniform", "target_fpr=0.15"),
]
NAMES = ["real", "real-age-ita", "real-plain", "real-slices"]


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / "run.py"))


@pytest.fixture(scope="module")
def tabled() -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / "table.py"))


@pytest.fixture(scope="module")
def natural(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``images.csv`` in the columns of the real one."""
    folder = tmp_path_factory.mktemp("natural")
    shutil.copytree(drawn / "images", folder / "images")
    images = pd.read_csv(drawn / "images.csv")
    face = images["label"] == 1
    number = images.groupby("label").cumcount()
    images["split"] = np.array(["train", "val", "test"])[number % 3]
    images["race"] = np.where(face, np.array(["white", "black"])[number // 3 % 2], "")
    images["gender"] = np.where(face, np.array(["male", "female"])[number // 6 % 2], "")
    images["age"] = np.where(face & (number % 5 > 0), 20.0 + number, np.nan)
    images["ita"] = np.where(face, np.linspace(-40, 60, len(images)), np.nan)
    images["pool"] = np.where(face & (number % 10 == 9), "controlled", "natural")
    images.to_csv(folder / "images.csv", index=False)
    return folder


def test_it_trains_reports_and_keeps_aggregates(
    program: dict[str, Any],
    tabled: dict[str, Any],
    natural: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran: list[str] = []

    def in_this_process(words: list[str]) -> None:
        ran.append(words[0])
        few = ["--replicates", "20"] if words[0] == "report" else []
        assert command([*words, *few]) == 0

    inside = program["main"].__globals__
    monkeypatch.setitem(inside, "debias", in_this_process)
    for name in program["environment"](tmp_path):
        monkeypatch.setenv(name, "1")  # so that it is put back
    results = tmp_path / "results"
    words = [
        *("run.py", "--data", str(natural), "--windows", "50", "--parallel", "1"),
        *("--work", str(tmp_path / "work"), "--output", str(tmp_path / "reports")),
        *("--results", str(results), *(word for text in SMALL for word in ("--set", text))),
    ]
    monkeypatch.setattr(sys, "argv", words)
    inside["main"]()
    assert ran == ["train"] * 2 + ["report"] * 7
    assert sorted(path.stem for path in results.iterdir()) == NAMES
    kept = {name: (results / f"{name}.json").read_text() for name in NAMES}
    for text in kept.values():  # of no single image, and of no place on this machine
        assert "face-" not in text
        assert "other-" not in text
        assert str(tmp_path) not in text
    told = {name: json.loads(text) for name, text in kept.items()}
    assert told["real"]["rows"]["num_faces"] == 36  # 40 of the test, 4 of them set apart
    assert told["real"]["rows"]["num_negatives"] == 20 * 50
    assert told["real"]["comparison"]["num_faces"] == 36
    assert told["real-plain"]["comparison"] is None
    assert [
        (each["name"], each["provenance"])
        for name in ("real", "real-age-ita")
        for each in told[name]["attributes"]
    ] == [
        ("race", "proxy"),
        ("gender", "estimated"),
        ("age", "estimated"),
        ("ita", "estimated"),
    ]
    assert [point["target_fpr"] for point in told["real"]["points"]] == [0.15, 0.01, 0.001]
    assert [(each["judged"], each["latents_of"]) for each in told["real-slices"]] == [
        (judged, latents) for judged in ("db-vae", "plain") for latents in ("db-vae", "vae")
    ]
    assert {each["num_dimensions"] for each in told["real-slices"]} == {4}
    assert (tmp_path / "reports" / "real" / "report.html").exists()
    lines = "\n".join(tabled["tables"](told))
    assert "| 0.1 % | DB-VAE | refused |" in lines
    folders = program["Folders"](work=tmp_path / "work", output=tmp_path, results=results)
    again = program["real"](natural, 50, tmp_path / "work")
    for model in ("db-vae", "vae"):
        inside["train"](again, model, folders=folders, extra=[])
    assert ran.count("train") == 2  # what is there is not trained again
    capsys.readouterr()


def test_ages_and_angles_are_cut_into_bands(program: dict[str, Any]) -> None:
    values = pd.Series([15.9, 16, 29.9, 30, 59, 60, 116, np.nan])
    bands = program["banded"](values, program["AGES"])
    assert bands.fillna("?").tolist() == [
        *("?", "16-29", "16-29", "30-44", "45-59", "60 and over", "60 and over", "?")
    ]
    angles = program["banded"](pd.Series([-90.0, -30, 9.9, 10, 28, 41, 55]), program["ITAS"])
    assert angles.tolist() == [
        *("dark", "brown", "brown", "tan", "intermediate", "light", "very light")
    ]


def test_how_much_of_the_scores_the_latents_give(program: dict[str, Any], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    ids = [f"a{k}" for k in range(4000)]
    latents = pd.DataFrame(generator.normal(size=(4000, 3)), columns=["u", "v", "w"])
    noise = generator.normal(size=4000)
    latents.assign(image_id=ids).to_parquet(tmp_path / "latents.parquet")
    for weight, expected in ((0.0, 1.0), (1.0, 0.5), (100.0, 0.0)):
        scores = 1 / (1 + np.exp(-(latents["u"] + weight * noise)))
        table = pd.DataFrame({"image_id": ids, "y_score": scores}).sample(frac=1, random_state=0)
        table.to_parquet(tmp_path / "scores.parquet")
        found = program["share_explained"](
            tmp_path / "scores.parquet", tmp_path / "latents.parquet"
        )
        assert found == pytest.approx(expected, abs=0.05)


def test_the_testbed_is_named_and_drawn(
    program: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBIAS_CACHE", str(tmp_path))
    one = program["testbed"](0.001)
    assert one.source == ["--data", "testbed:planted:0.001"]
    assert len(one.images.load().table) == 6 + 1 + 6 * 2 + 6 + 2 + 10


def test_known_answers_of_the_tables(tabled: dict[str, Any]) -> None:
    rate = {"value": 0.9, "low": 0.85, "high": 0.94, "num_trials": 1200}
    group = {"name": "a", "status": "small", "recall": rate, "other_recall": {**rate, "value": 0.8}}
    change = {"value": 0.1, "low": 0.04, "high": 0.16}
    nothing = {"value": None, "low": None, "high": None}
    point = {
        "target_fpr": 0.001,
        "status": "estimated",
        "groupings": [
            {"columns": [], "groups": [{"difference": change}]},
            {
                "columns": ["tone", "sex"],
                "groups": [{**group, "difference": change}],
                "worst_recall": change,
                "gap": nothing,
            },
        ],
    }
    comparison = {"points": [{"target_fpr": 0.01, "status": "refused"}, point]}
    assert tabled["recall_table"](comparison) == [
        {
            "group": "a (small)",
            "faces": "1,200",
            "plain, 0.1 %": "80.0 [85.0, 94.0]",
            "DB-VAE, 0.1 %": "90.0 [85.0, 94.0]",
            "difference, 0.1 %": "+10.0 [+4.0, +16.0]",
        }
    ]
    alike, pair = tabled["change_table"](comparison)
    assert alike["recall"] == "+10.0 [+4.0, +16.0]"
    assert (pair["grouping"], pair["gap"]) == ("tone x sex", "not estimable")
    verdict = {"verdict": "inconclusive", "needed_per_group": 1234}
    assert tabled["_verdict"](verdict) == "inconclusive; 1,234 faces a group would settle it"


def test_known_answers_of_the_slices(tabled: dict[str, Any]) -> None:
    about = {"judged": "plain", "latents_of": "vae", "share_explained": 0.384}
    found = {
        "num_images": 2430,
        "error_rate": {"value": 0.05, "low": 0.04, "high": 0.06},
        "error_rate_elsewhere": {"value": 0.002},
        "attributes": [{"name": "tone", "value": "dark", "share": 0.83, "share_elsewhere": 0.2}],
    }
    one, nothing = tabled["slice_table"](
        [{**about, "slices": [found]}, {**about, "judged": "db-vae", "slices": []}]
    )
    assert list(one.values()) == [
        *("plain", "a VAE of faces", "38.4 %", "2,430", "5.0 [4.0, 6.0]", "0.2"),
        "tone dark 83 % (20)",
    ]
    assert nothing["errors of"] == "DB-VAE"
    assert nothing["faces"] == "none"


def test_the_readme_quotes_the_results(tabled: dict[str, Any]) -> None:
    files = (FOLDER / "results").glob("*.json")
    results = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    quoted = readme.partition("<!-- tables: made by table.py -->\n")[2]
    quoted = quoted.partition("\n<!-- end of tables -->")[0]
    assert quoted == "\n".join(tabled["tables"](results)) + "\n"
