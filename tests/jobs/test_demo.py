"""``debias demo`` from end to end, on a tenth of a testbed, through the real command."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from running import Debias

from debias.cli import main
from debias.data.prepared_folder import PreparedData
from debias.jobs import demo as job
from debias.jobs.demo import TARGET_FPR, DemoJob
from debias.jobs.demo_size import FAST, FULL, DemoSize
from debias.jobs.demo_weights import ORDER, SEEN, weights_and_truth
from debias.metrics.operating_point import negatives_needed
from debias.reporting.settings import ReportSettings
from debias.rundir import RunDir
from debias.testbed.population import Population
from debias.testbed.rarity import planted_shares, true_rarity
from debias.testbed.sets import list_testbeds, load_testbed

SMALL = DemoSize(fraction=0.1, epochs=2, min_epoch_steps=40, target_fpr=0.05, takes="seconds")
WORDS = ("demo", "--testbed", "planted", "--device", "cpu", "--quiet")


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "FULL", SMALL)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A demo's folder, what it printed, ``demo.json`` and ``demo.html``."""
    folder = tmp_path_factory.mktemp("demos") / "demo"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = main([*WORDS, "--output", str(folder)])
    assert status == 0
    return SimpleNamespace(
        folder=folder,
        said=said.getvalue(),
        demo=json.loads((folder / "demo.json").read_text()),
        page=(folder / "demo.html").read_text(),
    )


def test_it_says_what_goes_on_and_ends_with_the_page(made: SimpleNamespace) -> None:
    lines = made.said.splitlines()
    assert lines[0] == "This takes seconds on two cores."
    assert [line[:3] for line in lines if re.match(r"\d/3", line)] == ["1/3", "2/3", "3/3"]
    assert "    the plain classifier of the same budget" in lines
    assert "At 1 % false positives:" in lines
    assert lines[-1] == str(made.folder / "demo.html")


def test_the_folder_holds_data_run_and_reports(made: SimpleNamespace, debias: Debias) -> None:
    folder, run = made.folder, made.folder / "model"
    assert json.loads((folder / "run.json").read_text())["job"] == "demo"
    assert json.loads((run / "run.json").read_text())["settings"]["architecture"] == "db-vae"
    assert len(pd.read_csv(folder / "data" / "images.csv")) == made.demo["data"]["num_images"]
    again = debias(
        *("report", run, "--compare", run / "baseline", "--groups", "skin_tone,gender"),
        *("--attributes", folder / "data" / "attributes.csv", "--output", folder / "again"),
    )
    assert again.status == 0, again.err
    repeated = json.loads((folder / "again" / "report.json").read_text())
    assert repeated["comparison"]["points"][0] == _report(run)["comparison"]["points"][0]


def _report(run: Path) -> Any:
    return json.loads((run / "report.json").read_text())


def test_the_numbers_are_those_of_the_reports(made: SimpleNamespace) -> None:
    demo, run = made.demo, made.folder / "model"
    first, second = _report(run), _report(run / "baseline")
    for name, report in (("db_vae", first), ("plain", second)):
        (point,) = [p for p in report["operating_points"] if p["source"] == "test"]
        finest = point["groupings"][-1]
        recall = {g["name"]: g["recall"] for g in finest["groups"]}
        assert {g["name"]: g[name] for g in demo["groups"]} == recall
        assert demo[name]["gap"] == finest["gap"]
        assert demo[name]["worst_recall"] == recall[finest["worst"]]
        assert demo[name]["recall"] == point["recall"]
        assert demo[name]["fpr"] == point["fpr"]
        assert demo[name]["worst_recall"]["value"] == min(r["value"] for r in recall.values())
    compared = first["comparison"]["points"][0]["groupings"]
    assert demo["changes"]["gap"].items() >= compared[-1]["gap"].items()
    assert demo["changes"]["worst_recall"].items() >= compared[-1]["worst_recall"].items()
    assert demo["changes"]["recall"].items() >= compared[0]["groups"][0]["difference"].items()
    for group, known in zip(demo["groups"], ORDER, strict=True):
        assert tuple(group["values"]) == known
        gained = group["db_vae"]["num_successes"] - group["plain"]["num_successes"]
        assert group["difference"]["value"] == pytest.approx(gained / 200)


def test_the_recalls_can_be_counted_again(made: SimpleNamespace) -> None:
    people = pd.read_parquet(made.folder / "data" / "factors.parquet").set_index("image_id")
    for name, folder in (("db_vae", "model"), ("plain", "model/baseline")):
        table = pd.read_parquet(made.folder / folder / "predictions.parquet")
        table = table[table["split"] == "test"].set_index("image_id")
        others = np.sort(table.loc[table["y_true"] == 0, "y_score"])[::-1]
        found = table["y_score"] > others[10]  # 10 of 1,000 are above
        assert others[9] > others[10]
        dark_women = (people["tone"] >= 7.5) & (people["gender"] == "female")
        rows = table.index[dark_women[table.index].to_numpy()]
        group = made.demo["groups"][ORDER.index(("dark", "female"))]
        assert group[name]["num_trials"] == len(rows) == 200
        assert group[name]["num_successes"] == int(found[rows].sum())


def test_weights_are_told_by_group_and_by_the_faces(made: SimpleNamespace) -> None:
    weights = pd.read_parquet(made.folder / "model" / "weights.parquet").set_index("image_id")
    people = pd.read_csv(made.folder / "data" / "attributes.csv").set_index("image_id")
    table = weights.join(people)
    told = made.demo["weights"]
    assert told["num_faces"] == len(table) == 600
    share = 1 / (weights["probability"] ** 2).sum()
    assert told["effective_sample_size"] == pytest.approx(share)
    for group in told["groups"]:
        rows = table[(table[["skin_tone", "gender"]] == group["values"]).all(axis=1)]
        assert group["num_faces"] == len(rows)
        assert group["mean_weight"] == pytest.approx(rows["weight"].mean())
    planted = planted_shares(load_testbed("planted").population)
    for group in told["groups"]:
        assert group["planted_share"] == planted[tuple(group["values"])]
    ordered = table["weight"].sort_values(ascending=False)
    for name, expected in (("rarest", ordered[:12]), ("commonest", ordered[:-13:-1])):
        assert [face["weight"] for face in told[name]] == pytest.approx(list(expected))
        for face in told[name]:
            assert table.loc[face["image_id"], "weight"] == face["weight"]
            assert face["shown"][:2] == list(people.loc[face["image_id"], ["skin_tone", "gender"]])


def test_the_page_shows_the_numbers_and_the_faces(made: SimpleNamespace) -> None:
    demo, page = made.demo, made.page
    cells = [
        re.sub(r"<[^>]+>|\s+", " ", row).split()
        for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    ]
    shown = {" ".join(cell) for cell in cells}
    for group in demo["groups"]:
        tone, people = group["values"][0], {"female": "women", "male": "men"}[group["values"][1]]
        figures = " ".join(
            f"{_points(r['value'])} [{_points(r['low'])}, {_points(r['high'])}]"
            for r in (group["plain"], group["db_vae"])
        )
        change = group["difference"]
        told = (
            f"{_points(change['value'], '+')} [{_points(change['low'], '+')}, "
            f"{_points(change['high'], '+')}] {change['change']}"
        )
        assert f"{tone}, {people} 200 faces {figures} {told}" in shown
    for group in demo["weights"]["groups"]:
        tone, people = group["values"][0], {"female": "women", "male": "men"}[group["values"][1]]
        share, weight = _points(group["planted_share"]), f"{group['mean_weight']:.2f}"
        assert f"{tone}, {people} {share} {group['num_faces']} {weight}" in shown
    images = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    faces = demo["weights"]["rarest"] + demo["weights"]["commonest"]
    assert len(images) == len(faces) == 24
    for image, face in zip(images, faces, strict=True):
        assert b64decode(image) == (made.folder / face["path"]).read_bytes()


def _points(share: float, sign: str = "") -> str:
    return f"{100 * share:{sign}.1f}".replace("-", "\N{MINUS SIGN}")


def test_the_full_report_is_a_command_away(
    made: SimpleNamespace, debias: Debias, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made.folder.parent)
    outcome = debias(*shlex.split(made.demo["next"]["report"])[1:])
    assert outcome.status == 0, outcome.err
    assert " compared with " in outcome.out


def test_folders_above_the_output_stay_private(made: SimpleNamespace) -> None:
    assert made.demo["folder"] == made.folder.name
    above = str(made.folder.parent)
    assert above not in made.page
    assert above not in json.dumps(made.demo)


def test_an_interrupted_demo_says_how_to_go_on_and_ends_alike(
    made: SimpleNamespace, debias: Debias, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "demo"

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(job, "run_train", interrupted)
        stopped = debias(*WORDS, "--output", folder)
    assert stopped.status == 130
    assert f"go on with: debias demo --output {folder} --resume" in stopped.err
    drawn = (folder / "data" / "images.csv").stat().st_mtime_ns

    refused = debias(*WORDS, "--output", folder)
    assert refused.status == 1
    assert "--overwrite or --resume" in refused.err
    other = debias(*WORDS, "--output", folder, "--resume", "--seed", "1")
    assert other.status == 2
    assert "seed (0 -> 1)" in other.err

    resumed = debias(*WORDS, "--output", folder, "--resume")
    assert resumed.status == 0, resumed.err
    assert (folder / "data" / "images.csv").stat().st_mtime_ns == drawn
    demo = json.loads((folder / "demo.json").read_text())
    assert demo["seconds"] is None
    assert "not known, since it was interrupted" in (folder / "demo.html").read_text()
    same = ("groups", "changes", "plain", "db_vae", "weights", "training", "data", "command")
    assert {k: demo[k] for k in same} == {k: made.demo[k] for k in same}


def test_what_is_wrong_comes_out_before_anything_is_drawn(debias: Debias, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    for words, status, message in [
        (("--testbed", "plantd"), 1, "Did you mean 'planted'?"),
        (("--device", "gpu"), 2, "unknown device 'gpu'"),
        (("--resume",), 1, "no run to resume"),
        (("--fst",), 2, "Did you mean '--fast'?"),
    ]:
        outcome = debias("demo", "--output", folder, *words)
        assert outcome.status == status
        assert message in outcome.err
        assert len(outcome.err.splitlines()) == 1
        assert not folder.exists()


def test_what_another_job_wrote_is_not_resumed(debias: Debias, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"job": "train", "settings": {}}')
    outcome = debias("demo", "--output", tmp_path, "--resume")
    assert outcome.status == 2
    assert "no demo to resume, but a run of another job" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_commands_to_go_on_with_are_quoted() -> None:
    found = job._next(DemoJob(output=Path("my runs/a demo"), testbed="balanced"))
    assert shlex.split(found["report"])[2] == "my runs/a demo/model"
    assert shlex.split(found["demo"])[-1] == "my runs/a demo-planted"
    assert shlex.split(found["demo"])[3] == found["testbed"] == "planted"


@pytest.mark.parametrize("size", [FULL, FAST])
@pytest.mark.parametrize("name", list_testbeds())
def test_the_sizes_resolve_the_rates_and_the_groups(size: DemoSize, name: str) -> None:
    testbed = load_testbed(name).scaled(size.fraction)
    assert testbed.non_faces[1] >= negatives_needed(target_fpr=size.target_fpr)
    assert testbed.non_faces[2] >= negatives_needed(target_fpr=TARGET_FPR)
    assert testbed.faces[2] >= ReportSettings().min_group_size


PLANTED = Population(skin_tones={"light": 0.67, "medium": 0.3, "dark": 0.03}, female=0.2)


def _weighed(
    folder: Path, *, population: Population = PLANTED, towards: tuple[str, ...] = ("skin_tone",)
) -> Any:
    """Return what is told of 600 faces in the planted shares, weighted by some attributes."""
    counts = {("light", "female"): 80, ("light", "male"): 322, ("medium", "female"): 36}
    counts |= {("medium", "male"): 144, ("dark", "female"): 4, ("dark", "male"): 14}
    people = pd.DataFrame(
        [pair for pair, count in counts.items() for _ in range(count)],
        columns=["skin_tone", "gender"],
    )
    rarity = true_rarity(people, population=PLANTED, columns=towards)
    ids = [f"face-{number:03d}" for number in np.random.default_rng(0).permutation(len(people))]
    weights = np.exp(rarity) + np.linspace(0, 1e-6, len(people))
    weights /= weights.mean()
    pd.DataFrame({"image_id": ids, "weight": weights}).to_parquet(folder / "weights.parquet")
    others = dict.fromkeys(SEEN[2:], "none")
    people.assign(image_id=ids, **others).to_csv(folder / "attributes.csv", index=False)
    paths = [f"images/{name}.jpg" for name in ids]
    pd.DataFrame({"image_id": ids, "path": paths}).to_csv(folder / "images.csv", index=False)
    data = PreparedData(name="some", folder=folder, root=folder, attribute_names=SEEN)
    return weights_and_truth(RunDir(path=folder), data, population=population, seed=0)


def test_weights_in_the_order_of_the_truth_reach_the_best_correlation(tmp_path: Path) -> None:
    both, tone, gender = _weighed(tmp_path)["rarity"]
    assert [item["columns"] for item in (both, tone, gender)] == [
        ["skin_tone", "gender"],
        ["skin_tone"],
        ["gender"],
    ]
    assert tone["value"] == pytest.approx(tone["largest"])
    # Ranks with ties of 402, 180 and 18 faces, beside ranks without.
    ties = sum(t * (t**2 - 1) for t in (402, 180, 18))
    assert tone["largest"] == pytest.approx(np.sqrt(1 - ties / (600 * (600**2 - 1))))
    assert tone["low"] <= tone["value"] <= tone["high"]
    assert both["value"] < both["largest"]
    assert gender["value"] < 0.2


def test_weights_of_a_group_are_its_mean(tmp_path: Path) -> None:
    told = _weighed(tmp_path)
    means = [group["mean_weight"] for group in told["groups"]]
    shares = np.array([402, 180, 18]) / 600
    scale = 1 / (shares @ [1 / 0.67, 1 / 0.3, 1 / 0.03])
    expected = np.repeat([scale / 0.67, scale / 0.3, scale / 0.03], 2)
    np.testing.assert_allclose(means, expected, rtol=1e-5)
    assert {face["shown"][0] for face in told["rarest"]} == {"dark"}
    assert {face["shown"][0] for face in told["commonest"]} == {"light"}


def test_no_truth_is_told_where_there_is_none(tmp_path: Path) -> None:
    picky = Population(accept=lambda faces: np.ones(len(faces)))
    told = _weighed(tmp_path, population=picky)
    assert told["rarity"] == []
    assert {group["planted_share"] for group in told["groups"]} == {None}
    even = _weighed(tmp_path, population=Population())
    assert {item["value"] for item in even["rarity"]} == {None}
