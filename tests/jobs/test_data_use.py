"""``--data``: what is read, what is drawn when, and what is told before that."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from published import SMALL, names, prepared, text, two_faces
from running import QUICK, Debias

from debias.data.combine import ListedSet
from debias.data.source import ImageSource
from debias.errors import OutputError
from debias.jobs.data import find_data
from debias.testbed import drawing, files
from debias.testbed.files import write_testbed
from debias.testbed.sets import Testbed, load_testbed
from debias.training.images import split_images
from debias.training.settings import load_settings


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The testbeds drawn in this test: names and numbers of images."""
    found: list[tuple[str, int]] = []

    def counted(testbed: Testbed, folder: Path, **words: object) -> pd.DataFrame:
        found.append((testbed.name, testbed.num_images))
        return write_testbed(testbed, folder, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "write_testbed", counted)
    return found


@pytest.mark.parametrize("job_words", [["train"], ["predict", "--model", "m"], ["report", "p.csv"]])
@pytest.mark.parametrize("inside", ["", "data"])
def test_a_set_inside_the_output_is_not_overwritten(
    inside: str, job_words: list[str], tmp_path: Path, debias: Debias
) -> None:
    run = tmp_path / "run"
    text(run / "run.json", "{}")
    prepared(debias, "utkface", two_faces(run / inside))
    before = sorted(run.rglob("*"))
    words = ["--data", run / inside, "--output", run, "--overwrite"]
    refused = debias(*job_words, *words)
    assert refused.status == 1
    assert "would overwrite what is read from" in refused.err
    assert sorted(run.rglob("*")) == before


@pytest.mark.parametrize("job_words", [["train"], ["predict", "--model", "m"]])
def test_pictures_inside_the_output_of_a_set_that_is_listed_elsewhere_stay(
    job_words: list[str], tmp_path: Path, debias: Debias, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("debias.training.trained.open_classifier", lambda _: None)
    run = tmp_path / "run"
    text(run / "run.json", "{}")
    made = prepared(debias, "utkface", two_faces(run / "data"), "--output", tmp_path / "lists")
    refused = debias(*job_words, "--data", made.folder, "--output", run, "--overwrite")
    assert refused.status == 1
    assert "would overwrite what is read from" in refused.err
    assert len(list((run / "data").glob("*.jpg"))) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report", "none.csv"], "none.csv: there is no such file"),
        (["report", "p.csv", "--compare", "none.csv"], "none.csv: there is no such file"),
        (["predict", "--model", "none", "--output", "o"], "not a run directory"),
        (
            ["predict", "--model", "none", "--output", "o", "--device", "tpu"],
            "unknown device 'tpu'",
        ),
        (["train", "--output", "o", "--device", "tpu"], "unknown device 'tpu'"),
    ],
)
def test_what_needs_no_drawing_is_told_before_it(
    words: list[str],
    message: str,
    drawings: list[tuple[str, int]],
    tmp_path: Path,
    debias: Debias,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    text(tmp_path / "p.csv", "x")
    refused = debias(*words, "--data", "testbed:dim:0.003")
    assert refused.status in (1, 2)
    assert message in refused.err
    assert drawings == []


def test_two_testbeds_together_are_told_by_name(tmp_path: Path, debias: Debias) -> None:
    words = ["--data", "testbed:dim:0.002", "--data", "testbed:planted:0.002"]
    refused = debias("train", *words, "--output", tmp_path / "o", *QUICK)
    assert refused.status == 1
    assert "testbed:dim and testbed:planted: " in refused.err
    assert "non-faces in common: use one of them" in refused.err


def test_the_shares_and_the_seed_divide_each_of_two_sets(tmp_path: Path, debias: Debias) -> None:
    """What run.json says of the division is what was done."""
    drawn = find_data(SMALL, cache=tmp_path / "cache", show_progress=False)
    table = pd.read_csv(drawn.manifest)
    for name, label in (("a", 1), ("b", 0)):
        part = table[table["label"] == label]
        part = part.assign(split="train") if label else part.drop(columns="split")
        text(tmp_path / name / "images.csv", part.to_csv(index=False))
    sets = [
        ListedSet(manifest=tmp_path / name / "images.csv", root=drawn.root) for name in ("a", "b")
    ]
    source = ImageSource(sets=tuple(sets))

    def divided(*assignments: str) -> pd.DataFrame:
        settings = load_settings(assignments=[*assignments, "target_fpr=0.9"])
        return split_images(
            source, settings, cache=tmp_path / "cache", show_progress=False
        ).manifest.table.set_index("image_id")

    usual = divided()
    others = usual["label"] == 0
    most = divided("data.validation=0.3", "data.test=0.5")
    assert (most.loc[others, "split"] == "test").mean() == pytest.approx(0.5, abs=0.02)
    assert (most.loc[others, "split"] == "val").mean() == pytest.approx(0.3, abs=0.02)
    assert (most.loc[~others, "split"] == "val").mean() == pytest.approx(0.6, abs=0.02)
    seeded = divided("data.seed=1").loc[usual.index, "split"]
    assert (seeded != usual["split"]).any()
    assert seeded.value_counts().to_dict() == usual["split"].value_counts().to_dict()


@pytest.mark.parametrize(
    ("named", "status", "message"),
    [
        ("testbed:plantd", 1, "Did you mean 'planted'?"),
        ("testbed:planted:much", 2, "cannot read the fraction 'much'. Write testbed:NAME:0.5"),
        ("testbed:planted:0", 2, "the fraction of a testbed is 0.0"),
        ("testbed:planted:nan", 2, "the fraction of a testbed is nan"),
        ("plantd", 1, "or testbed:NAME. Did you mean 'planted'?"),
        ("testbed", 1, "or testbed:NAME. Known: balanced, "),
        ("celeba", 1, "Prepare it first: debias data prepare celeba --root DIR"),
        (".", 1, "not a prepared data set (no data.json)"),
    ],
)
def test_data_that_is_not_there(
    named: str,
    status: int,
    message: str,
    debias: Debias,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("debias.training.trained.open_classifier", lambda _: None)
    text(tmp_path / "p.csv", "there is one")
    for words in (
        ["train", "--data", named, "--output", "o"],
        ["predict", "--data", named, "--model", "m", "--output", "o"],
        ["report", "p.csv", "--data", named],
    ):
        outcome = debias(*words)
        assert outcome.status == status
        assert message in outcome.err


@pytest.mark.parametrize(
    "words",
    [["images.csv"], ["--faces", "d"], ["--non-faces", "d"], ["images.csv", "--faces", "d"]],
)
def test_data_and_other_images_exclude_each_other(words: list[str], debias: Debias) -> None:
    for start in (["train"], ["predict", "--model", "m"]):
        outcome = debias(*start, *words, "--data", SMALL, "--output", "o")
        assert outcome.status == 2
        assert "--data: name the images in one way" in outcome.err


def test_a_testbed_is_drawn_once(drawings: list[tuple[str, int]], tmp_path: Path) -> None:
    first = find_data(SMALL, cache=tmp_path, show_progress=False)
    again = find_data(SMALL, cache=tmp_path, show_progress=False)
    assert first == again
    assert drawings == [("planted", load_testbed("planted").scaled(0.01).num_images)]
    assert first.folder.parent == tmp_path / "testbeds"
    assert first.groups == ("skin_tone", "gender")
    assert {"images.csv", "attributes.csv", "factors.parquet"} <= set(names(first.folder))
    said = json.loads((first.folder / "attributes.provenance.json").read_text())
    assert set(said.values()) == {"constructed"}
    assert find_data("testbed:dim:0.01", cache=tmp_path, show_progress=False) != first
    assert len(drawings) == 2


def test_nothing_is_drawn_for_an_output_that_is_refused(
    drawings: list[tuple[str, int]], tmp_path: Path, debias: Debias
) -> None:
    text(tmp_path / "out/mine.txt", "x")
    words = ["--data", "testbed:dim:0.003", "--output", tmp_path / "out"]
    for job_words in (["train"], ["predict", "--model", "m"], ["report", "p.csv"]):
        refused = debias(*job_words, *words)
        assert refused.status == 1
        assert "already exists" in refused.err
    assert drawings == []


def test_another_renderer_draws_anew(
    drawings: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_data("testbed:dim:0.002", cache=tmp_path, show_progress=False)
    monkeypatch.setattr(drawing, "VERSION", -1)
    find_data("testbed:dim:0.002", cache=tmp_path, show_progress=False)
    assert len(drawings) == 2


def test_an_interrupted_drawing_is_not_taken_for_a_finished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(drawing, "write_contents", stop)
        with pytest.raises(KeyboardInterrupt):
            find_data("testbed:dim:0.002", cache=tmp_path, show_progress=False)
    assert not [path for path in (tmp_path / "testbeds").iterdir() if path.is_dir()]
    assert find_data("testbed:dim:0.002", cache=tmp_path, show_progress=False).attributes


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    text(tmp_path / "file", "x")
    with pytest.raises(OutputError, match=r"cannot keep the testbed: .*DEBIAS_CACHE"):
        find_data("testbed:dim:0.002", cache=tmp_path / "file", show_progress=False)


def test_train_predict_and_report_take_data(tmp_path: Path, debias: Debias) -> None:
    run = tmp_path / "run"
    words = ["--data", SMALL, "--output", run, "--no-baseline", *QUICK]
    trained = debias("train", *words)
    assert trained.status == 0, trained.err
    assert "skin_tone (constructed; unknown for 0 faces)" in trained.out
    assert "gender (constructed; unknown for 0 faces)" in trained.out
    report = json.loads((run / "report.json").read_text())
    assert report["settings"]["groups"] == ["skin_tone", "gender"]
    assert any(note.startswith("Constructed: skin_tone, gender.") for note in report["notes"])
    scored = debias(
        *("predict", "--data", SMALL, "--where", "split=test,kind=face", "--model", run),
        *("--output", tmp_path / "scores", "--quiet"),
    )
    assert scored.status == 0, scored.err
    judged = debias(
        *("report", tmp_path / "scores", "--data", SMALL, "--groups", "monk"),
        *("--output", tmp_path / "report"),
    )
    assert judged.status == 0, judged.err
    assert "monk (constructed; unknown for 0 faces)" in judged.out
    both = debias("report", run, "--data", SMALL, "--attributes", "people.csv")
    assert both.status == 2
    again = debias("train", *words)
    assert again.status == 1
    assert "already exists" in again.err


def test_training_from_prepared_folders_elsewhere(
    drawn: Path, tmp_path: Path, debias: Debias
) -> None:
    """The pictures of a prepared folder are found through it, and those without attributes too."""
    root = tmp_path / "pictures"
    for row in pd.read_csv(drawn / "images.csv").itertuples():
        place = root / ("faces" if row.label else "non-faces") / Path(str(row.path)).name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(drawn / str(row.path), place)
    made = prepared(debias, "folder", root, "--output", tmp_path / "lists")
    assert not list(tmp_path.glob("lists/*.jpg"))
    run = tmp_path / "run"
    words = ["--data", made.folder, "--output", run, "--no-baseline", *QUICK]
    trained = debias("train", *words)
    assert trained.status == 0, trained.err
    assert not (run / "report.json").exists()
    refused = debias("train", *words, "--groups", "gender", "--overwrite")
    assert refused.status == 2
    assert "--groups: no set of --data has attributes" in refused.err
    refused = debias("report", run, "--data", made.folder)
    assert refused.status == 2
    assert "--data: nothing to group by is named or usual. There are no attributes" in refused.err


def test_a_model_that_does_not_classify_is_not_judged(tmp_path: Path, debias: Debias) -> None:
    words = ["--data", SMALL, "--output", tmp_path / "run", *QUICK, "--architecture", "vae"]
    trained = debias("train", *words)
    assert trained.status == 0, trained.err
    assert not (tmp_path / "run" / "report.json").exists()


def test_faces_of_one_set_and_non_faces_of_another(tmp_path: Path, debias: Debias) -> None:
    """The usual case: a set of faces with splits, and a set of pictures in categories."""
    drawn = find_data(SMALL, cache=tmp_path / "cache", show_progress=False).folder
    table = pd.read_csv(drawn / "images.csv").groupby("label")
    people, things = table.get_group(1), table.get_group(0)
    names_of = {0: "train/{}.jpg", 1: "val/{}.jpg"}
    rows = {0: ["file,age,gender,race,service_test"], 1: ["file,age,gender,race,service_test"]}
    for number, path in enumerate(people["path"]):
        name = names_of[number % 2].format(number)
        place = tmp_path / "fairface" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(drawn / path, place)
        gender, race = ("Male", "Female")[number // 2 % 2], ("Black", "White")[number % 5 == 0]
        rows[number % 2].append(f"{name},20-29,{gender},{race},True")
    for part, name in ((0, "train"), (1, "val")):
        text(tmp_path / f"fairface/fairface_label_{name}.csv", "\n".join(rows[part]) + "\n")
    kinds = ("accordion", "airplanes", "anchor")
    for number, path in enumerate(things["path"]):
        place = (
            tmp_path / f"caltech/101_ObjectCategories/{kinds[number % 3]}/image_{number:04d}.jpg"
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(drawn / path, place)
    faces = prepared(debias, "fairface", tmp_path / "fairface", "--output", tmp_path / "a").folder
    others = prepared(debias, "caltech-101", tmp_path / "caltech").folder
    words = ["--data", faces, "--data", others, "--no-baseline", *QUICK]
    trained = debias("train", *words, "--output", tmp_path / "run", "--groups", "gender,race")
    assert trained.status == 0, trained.err
    assert "gender (annotated; unknown for 0 faces)" in trained.out
    told = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    tested = set(told.loc[(told["split"] == "test") & (told["y_true"] == 1), "image_id"])
    assert tested == {names_of[1].format(k) for k in range(1, len(people), 2)}
    alone = debias("train", "--data", faces, "--output", tmp_path / "alone", *QUICK)
    assert alone.status == 1
    assert "there are no non-faces" in alone.err
