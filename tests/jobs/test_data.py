"""``debias data`` and ``--data``: what is written where, what is never overwritten, and its use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from published import picture, pictures, prepared, text
from running import QUICK, Debias

from debias.data.attributes import PROVENANCES
from debias.data.catalog import list_definitions, load_definition
from debias.errors import DataError, OutputError, UsageError
from debias.jobs import data as job
from debias.jobs.data import Drawing, find_data
from debias.testbed import files
from debias.testbed.files import write_testbed
from debias.testbed.sets import Testbed, list_testbeds, load_testbed

SMALL = "testbed:planted:0.01"
FILES = ["data.json", "failures.csv", "images.csv"]


def faces(root: Path) -> Path:
    pictures(root, ["26_0_1_20170116184024662.jpg", "27_1_0_20170116184024663.jpg"])
    return root


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_list_names_every_set_and_testbed(debias: Debias) -> None:
    outcome = debias("data", "list")
    assert outcome.status == 0
    first = [line.split()[0] for line in outcome.out.splitlines()]
    assert first == [*list_definitions(), *(f"testbed:{name}" for name in list_testbeds())]
    assert "lfw" in first
    assert all(len(line.split()) > 1 for line in outcome.out.splitlines())


@pytest.mark.parametrize("name", list_definitions())
def test_show_says_what_is_to_be_known(name: str, debias: Debias) -> None:
    outcome = debias("data", "show", name)
    assert outcome.status == 0
    words = " ".join(outcome.out.split())
    made = load_definition(name)
    told = [made.title, made.source, made.licence, made.terms, made.access, made.consent]
    told += [made.labels, *made.biases, *made.layout.expects, *made.layout.notes]
    told += [attribute.how for attribute in made.attributes]
    for said in told:
        assert " ".join(said.split()) in words.replace(" - ", " ") or said in words
    for attribute in made.attributes:
        assert attribute.provenance in PROVENANCES
        assert f"{attribute.name} " in words
    longest = max(len(line) for line in outcome.out.splitlines() if "http" not in line)
    assert longest <= 88


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["data"], 2, "required: ACTION"),
        (["data", "shw"], 2, "shw"),
        (["data", "show", "fairfce"], 1, "Did you mean 'fairface'?"),
        (["data", "prepare", "lfw"], 2, "required: --root"),
        (["data", "prepare", "lwf", "--root", "."], 1, "Did you mean 'lfw'?"),
        (["data", "prepare", "lfw", "--root", ".", "--outptu", "x"], 2, "Did you mean '--output'?"),
        (["data", "prepare", "testbed", "--root", "x"], 2, "Add --population, one of bal"),
        (["data", "prepare", "lfw", "--root", ".", "--population", "planted"], 2, "testbed alone"),
        (["data", "prepare", "testbed", "--root", "x", "--size", "9"], 2, "--size needs --pop"),
        (
            ["data", "prepare", "testbed", "--root", "x", "--population", "plantd"],
            1,
            "Did you mean 'planted'?",
        ),
        (
            ["data", "prepare", "testbed", "--root", "x", "--population", "dim", "--fraction", "2"],
            2,
            "the fraction of a testbed is 2.0",
        ),
    ],
)
def test_wrong_usage(words: list[str], status: int, message: str, debias: Debias) -> None:
    outcome = debias(*words)
    assert outcome.status == status
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert "Traceback" not in outcome.err


def test_prepare_writes_beside_the_pictures(tmp_path: Path, debias: Debias) -> None:
    made = prepared(debias, "utkface", faces(tmp_path / "set"))
    assert made.facts["root"] == "."
    assert made.facts["complete"] is True
    assert made.facts["job"] == "data"
    assert made.facts["attributes"] == dict.fromkeys(["gender", "race", "age"], "estimated")
    assert {"debias-faces", "pandas", "python"} <= made.facts["versions"].keys()
    pixels = made.pixels(tmp_path / "cache")
    moved = tmp_path / "moved"
    shutil.move(tmp_path / "set", moved)
    assert find_data(str(moved)).root.resolve() == moved
    assert len(pixels) == 2


def test_prepare_writes_elsewhere_and_leaves_the_pictures_alone(
    tmp_path: Path, debias: Debias, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = faces(tmp_path / "set")
    before = names(root)
    monkeypatch.chdir(tmp_path)  # a folder named in few words is found from elsewhere too
    made = prepared(debias, "utkface", Path("set"), "--output", Path("lists/utk"))
    assert names(root) == before
    assert made.images["path"].tolist() == before
    assert len(made.pixels(tmp_path / "cache")) == 2
    monkeypatch.chdir("/")
    found = find_data(str(tmp_path / "lists/utk"))
    assert found.root == root
    assert found.attributes == tmp_path / "lists/utk/attributes.csv"
    shutil.rmtree(root)
    with pytest.raises(DataError, match=r"its pictures are no longer in .*set\. Prepare it again"):
        find_data(str(tmp_path / "lists/utk"))


def test_nothing_is_overwritten_unasked(tmp_path: Path, debias: Debias) -> None:
    root = faces(tmp_path)
    prepared(debias, "utkface", root)
    before = {name: (root / name).read_bytes() for name in names(root)}
    refused = debias("data", "prepare", "utkface", "--root", root)
    assert refused.status == 1
    assert "already holds data.json. Write elsewhere with --output DIR, or" in refused.err
    assert {name: (root / name).read_bytes() for name in names(root)} == before
    picture(root / "28_1_0_20170116184024663.jpg")
    made = prepared(debias, "utkface", root, "--overwrite")
    assert len(made.images) == 3


@pytest.mark.parametrize("content", [None, '{"job": "train"}', "[]", "no json"])
@pytest.mark.parametrize("name", ["images.csv", "attributes.csv", "failures.csv"])
def test_what_somebody_else_made_is_never_overwritten(
    name: str, content: str | None, tmp_path: Path, debias: Debias
) -> None:
    root = faces(tmp_path)
    text(root / name, "mine")
    if content is not None:
        text(root / "data.json", content)
    for words in ([], ["--overwrite"]):
        refused = debias("data", "prepare", "utkface", "--root", root, *words)
        assert refused.status == 1
    assert (root / name).read_text() == "mine"
    if content is None:
        assert "which `debias data prepare` did not make, so it is not replaced" in refused.err


def test_attributes_of_an_earlier_preparation_do_not_stay(tmp_path: Path, debias: Debias) -> None:
    root = faces(tmp_path / "set")
    assert "attributes.csv" in names(prepared(debias, "utkface", root).folder)
    prepared(debias, "folder", root, "--overwrite")
    assert [name for name in names(root) if not name.endswith(".jpg")] == FILES
    assert find_data(str(root)).attributes is None


def test_a_killed_preparation_is_told_and_can_be_done_again(
    tmp_path: Path, debias: Debias, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = faces(tmp_path)

    def no_space(*_: object, **__: object) -> None:
        raise OutputError("cannot be written: no space", where="images.csv")

    with monkeypatch.context() as patch:
        patch.setattr("debias.data.prepared_folder.write_table", no_space)
        failed = debias("data", "prepare", "utkface", "--root", root)
    assert failed.status == 1
    assert "no space" in failed.err
    used = debias("predict", "--data", root, "--model", "m", "--output", tmp_path / "out")
    assert used.status == 1
    assert "was left unfinished. Run the same `debias data prepare` with --overwrite" in used.err
    assert len(prepared(debias, "utkface", root, "--overwrite").images) == 2


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path, debias: Debias) -> None:
    root = faces(tmp_path / "set")
    text(tmp_path / "file", "x")
    refused = debias("data", "prepare", "utkface", "--root", root, "--output", tmp_path / "file/in")
    assert refused.status == 1
    assert "Write elsewhere with --output DIR; the pictures stay where they are" in refused.err


@pytest.mark.parametrize(
    ("named", "status", "message"),
    [
        ("testbed:plantd", 1, "Did you mean 'planted'?"),
        ("testbed:planted:much", 2, "cannot read the fraction 'much'. Write testbed:NAME:0.1"),
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


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The testbeds drawn in this test: names and numbers of images."""
    found: list[tuple[str, int]] = []

    def counted(testbed: Testbed, folder: Path, **words: object) -> pd.DataFrame:
        found.append((testbed.name, testbed.num_images))
        return write_testbed(testbed, folder, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "write_testbed", counted)
    return found


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
    monkeypatch.setattr(job, "VERSION", -1)
    find_data("testbed:dim:0.002", cache=tmp_path, show_progress=False)
    assert len(drawings) == 2


def test_an_interrupted_drawing_is_not_taken_for_a_finished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(job, "write_contents", stop)
        with pytest.raises(KeyboardInterrupt):
            find_data("testbed:dim:0.002", cache=tmp_path, show_progress=False)
    assert not [path for path in (tmp_path / "testbeds").iterdir() if path.is_dir()]
    assert find_data("testbed:dim:0.002", cache=tmp_path, show_progress=False).attributes


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    text(tmp_path / "file", "x")
    with pytest.raises(OutputError, match=r"cannot keep the testbed: .*DEBIAS_CACHE"):
        find_data("testbed:dim:0.002", cache=tmp_path / "file", show_progress=False)


def test_a_visible_testbed_is_the_same(tmp_path: Path, debias: Debias) -> None:
    words = ["--population", "planted", "--fraction", "0.01"]
    made = prepared(debias, "testbed", tmp_path / "drawn", *words)
    hidden = find_data(SMALL, cache=tmp_path / "cache", show_progress=False)
    for name in ("images.csv", "attributes.csv"):
        assert (made.folder / name).read_bytes() == (hidden.folder / name).read_bytes()
    for path in made.images["path"][:20]:
        assert (made.folder / path).read_bytes() == (hidden.folder / path).read_bytes()
    assert made.facts["name"] == "testbed:planted"
    assert made.facts["counts"]["images"] == len(made.images)
    other = prepared(debias, "testbed", tmp_path / "other", *words, "--seed", "1", "--size", "32")
    assert (other.folder / "factors.parquet").exists()
    assert (other.folder / "attributes.csv").read_bytes() != (
        made.folder / "attributes.csv"
    ).read_bytes()
    assert other.pixels(tmp_path / "cache").keys() == made.pixels(tmp_path / "cache").keys()


@pytest.mark.parametrize("population", list_testbeds())
def test_a_fraction_is_bounded(population: str) -> None:
    for fraction in (-1.0, 0.0, 1.5, float("nan")):
        with pytest.raises(UsageError, match="the fraction of a testbed"):
            Drawing(population=population, fraction=fraction)
    assert Drawing(population=population).testbed() == load_testbed(population)


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
    for number, path in enumerate(things["path"]):
        place = tmp_path / f"caltech/101_ObjectCategories/c{number % 3}/image_{number:04d}.jpg"
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
