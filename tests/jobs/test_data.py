"""``debias data``: what is told, what is written where, and what is never overwritten."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from published import SMALL, names, picture, prepared, text, two_faces
from running import Debias

from debias.data.attributes import PROVENANCES
from debias.data.catalog import list_definitions, load_definition
from debias.errors import DataError, OutputError, UsageError
from debias.jobs.data import PrepareJob, find_data, run_prepare
from debias.testbed.drawing import Drawing
from debias.testbed.renderer import SIZES
from debias.testbed.sets import list_testbeds, load_testbed

FILES = ["data.json", "failures.csv", "images.csv"]


def test_list_names_every_set_and_testbed(debias: Debias) -> None:
    outcome = debias("data", "list")
    assert outcome.status == 0
    first = [line.split()[0] for line in outcome.out.splitlines()]
    assert first == [*list_definitions(), *(f"testbed:{name}" for name in list_testbeds())]
    assert "lfw" in first
    assert all(len(line.split()) > 1 for line in outcome.out.splitlines())


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """As in `debias data list | head -1`."""
    command = [sys.executable, "-m", "debias", "data", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("name", list_testbeds())
def test_show_tells_of_a_testbed(name: str, debias: Debias) -> None:
    shown = debias("data", "show", f"testbed:{name}")
    assert shown.status == 0, shown.err
    words = " ".join(shown.out.split())
    assert f"testbed:{name}: {load_testbed(name).summary}" in words
    assert "train 6,000 faces + 6,000 non-faces" in words
    assert load_definition("testbed").consent in words
    half = " ".join(debias("data", "show", f"testbed:{name}:0.5").out.split())
    assert "train 3,000 faces + 3,000 non-faces" in half
    assert "val 300 + 1,000" in half


def test_help_tells_the_sizes_that_can_be_drawn(debias: Debias) -> None:
    told = " ".join(debias("data", "prepare", "--help").out.split())
    assert f"{SIZES[0]} to {SIZES[1]}" in told


@pytest.mark.parametrize("name", list_definitions())
def test_show_says_what_is_to_be_known(name: str, debias: Debias) -> None:
    outcome = debias("data", "show", name)
    assert outcome.status == 0
    words = " ".join(outcome.out.split())
    made = load_definition(name)
    told = [made.title, made.source, made.licence, made.terms, made.access, made.consent]
    told += [made.labels, *made.biases, *made.layout.expects, *made.layout.notes]
    told += [attribute.how for attribute in made.attributes]
    left_out = f"left out here {', '.join(made.layout.leave_out)}: each "
    assert (left_out in words) is bool(made.layout.leave_out)
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
        (["data", "show", "LFW"], 1, "Did you mean 'lfw'?"),
        (["data", "show", "testbed:plantd"], 1, "Did you mean 'planted'?"),
        (["data", "show", "testbed:dim:2"], 2, "the fraction of a testbed is 2.0"),
        (
            ["data", "--debug", "list"],
            2,
            "--debug stands too early. Write it at the end: debias da",
        ),
        (["data", "prepare", "lfw"], 2, "required: --root"),
        (["data", "prepare", "lwf", "--root", "."], 1, "Did you mean 'lfw'?"),
        (["data", "prepare", "lfw", "--root", ".", "--outptu", "x"], 2, "Did you mean '--output'?"),
        (["data", "prepare", "testbed", "--root", "x"], 2, "Name one of testbed:bal"),
        (["data", "prepare", "lfw", "--root", ".", "--size", "32"], 2, "--size: is of testbeds"),
        (
            ["data", "prepare", "lfw", "--root", ".", "--workers", "2"],
            2,
            "--workers: is of testbeds",
        ),
        (["data", "prepare", "testbed:plantd", "--root", "x"], 1, "Did you mean 'planted'?"),
        (
            ["data", "prepare", "testbed:dim:2", "--root", "x"],
            2,
            "the fraction of a testbed is 2.0",
        ),
        (["data", "prepare", SMALL, "--root", "x", "--output", "y"], 2, "is drawn into --root"),
        (
            ["data", "prepare", SMALL, "--root", "x", "--workers", "0"],
            2,
            "'0' is not a whole number",
        ),
        (["data", "prepare", SMALL, "--root", "x", "--size", "1000"], 2, "pixels, 16 to 512"),
        (["train", "--data", SMALL, "--output", "o", "--workers", "-3"], 2, "'-3' is not a whole"),
    ],
)
def test_wrong_usage(
    words: list[str],
    status: int,
    message: str,
    debias: Debias,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = debias(*words)
    assert not list(tmp_path.iterdir())
    assert outcome.status == status
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert "Traceback" not in outcome.err


def test_prepare_writes_beside_the_pictures(tmp_path: Path, debias: Debias) -> None:
    made = prepared(debias, "utkface", two_faces(tmp_path / "set"))
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
    root = two_faces(tmp_path / "set")
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
    root = two_faces(tmp_path)
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
    root = two_faces(tmp_path)
    text(root / name, "mine")
    if content is not None:
        text(root / "data.json", content)
    for words in ([], ["--overwrite"]):
        refused = debias("data", "prepare", "utkface", "--root", root, *words)
        assert refused.status == 1
    assert (root / name).read_text() == "mine"
    if content is None:
        assert "which `debias data prepare` did not make, so it is not replaced" in refused.err


@pytest.mark.parametrize("kind", ["testbed:planted:0.002", "mit-faces"])
def test_pictures_that_an_earlier_preparation_only_listed_stay(
    kind: str, tmp_path: Path, debias: Debias
) -> None:
    mine = picture(tmp_path / "images/my1.jpg")
    prepared(debias, "folder", tmp_path)
    listed = (tmp_path / "images.csv").read_bytes()
    if kind == "mit-faces":
        with h5py.File(tmp_path / "train_face.h5", "w") as file:
            file["images"] = np.zeros((3, 8, 8, 3), dtype=np.uint8)
            file["labels"] = np.zeros(3)
    refused = debias("data", "prepare", kind, "--root", tmp_path, "--overwrite", "--quiet")
    assert refused.status == 1
    assert "holds images, which `debias data prepare` did not make" in refused.err
    assert mine.is_file()
    assert (tmp_path / "images.csv").read_bytes() == listed
    assert find_data(str(tmp_path)).name == "folder"


def test_a_drawing_replaces_its_own(tmp_path: Path, debias: Debias) -> None:
    first = prepared(debias, "testbed:dim:0.002", tmp_path / "t")
    assert first.facts["draws"] is True
    again = prepared(debias, "testbed:dim:0.001", tmp_path / "t", "--overwrite", "--size", "32")
    assert len(again.images) < len(first.images)
    there = {path.relative_to(again.folder).as_posix() for path in again.folder.rglob("*.jpg")}
    assert there == set(again.images["path"])


def test_labels_that_somebody_put_beside_a_list_stay(tmp_path: Path, debias: Debias) -> None:
    picture(tmp_path / "a.jpg")
    prepared(debias, "folder", tmp_path)
    mine = text(tmp_path / "attributes.csv", "image_id,gender\na.jpg,female\n")
    two_faces(tmp_path)
    for name in ("folder", "utkface"):  # one would remove it, one write over it
        refused = debias("data", "prepare", name, "--root", tmp_path, "--overwrite")
        assert refused.status == 1
        assert "holds attributes.csv, which" in refused.err
    assert mine.read_text().startswith("image_id,gender")


@pytest.mark.parametrize("words", [["--size", "1000"], ["--size", "15"], ["--workers", "0"]])
def test_a_wrong_option_leaves_an_earlier_drawing_alone(
    words: list[str], tmp_path: Path, debias: Debias
) -> None:
    root = tmp_path / "t"
    made = prepared(debias, "testbed:dim:0.001", root)
    before = sorted(path.name for path in root.rglob("*"))
    refused = debias("data", "prepare", "testbed:dim:0.001", "--root", root, "--overwrite", *words)
    assert refused.status == 2
    assert sorted(path.name for path in root.rglob("*")) == before
    assert find_data(str(root)).manifest == made.folder / "images.csv"
    fresh = debias("data", "prepare", "testbed:dim:0.001", "--root", tmp_path / "new", *words)
    assert fresh.status == 2
    assert not (tmp_path / "new").exists()


def test_a_testbed_is_not_drawn_beside_a_file(tmp_path: Path, debias: Debias) -> None:
    text(tmp_path / "file", "x")
    refused = debias("data", "prepare", "testbed:dim:0.001", "--root", tmp_path / "file")
    assert refused.status == 1
    assert "file: is a file. Name a folder to draw into" in refused.err
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("name", [name for name in list_definitions() if name != "testbed"])
def test_an_archive_is_told_to_be_unpacked(name: str, tmp_path: Path, debias: Debias) -> None:
    if name == "mit-faces":  # its file is what is read
        return
    text(tmp_path / "set.tar.gz", "x")
    text(tmp_path / "images.csv", "what stands in the way beside it is told later")
    refused = debias("data", "prepare", name, "--root", tmp_path / "set.tar.gz")
    assert refused.status == 1
    assert "is a file, not a folder. Unpack it and name the folder" in refused.err
    assert names(tmp_path) == ["images.csv", "set.tar.gz"]


def test_from_python_a_testbed_is_named_in_the_same_way(tmp_path: Path) -> None:
    said: list[str] = []
    made = run_prepare(
        PrepareJob(
            name="testbed:dim:0.001", root=tmp_path / "t", show_progress=False, say=said.append
        )
    )
    assert made.name == "testbed:dim"
    assert said[0].startswith("testbed:dim: ")
    with pytest.raises(UsageError, match="is not drawn"):
        run_prepare(PrepareJob(name="lfw", root=tmp_path, drawing=Drawing(population="dim")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attributes": None}, "is damaged: it has no `attributes`"),
        ({"root": 3}, "not written by `debias data prepare`"),
        ({"name": None}, "not written by `debias data prepare`"),
        ({"complete": "yes"}, "not written by `debias data prepare`"),
    ],
)
def test_a_damaged_record_is_told(
    change: dict[str, object], message: str, tmp_path: Path, debias: Debias
) -> None:
    made = prepared(debias, "utkface", two_faces(tmp_path))
    text(tmp_path / "data.json", json.dumps({**made.facts, **change}))
    refused = debias("train", "--data", tmp_path, "--output", tmp_path / "out")
    assert refused.status == 1
    assert message in refused.err
    assert "Traceback" not in refused.err


def test_attributes_of_an_earlier_preparation_do_not_stay(tmp_path: Path, debias: Debias) -> None:
    root = two_faces(tmp_path / "set")
    assert "attributes.csv" in names(prepared(debias, "utkface", root).folder)
    prepared(debias, "folder", root, "--overwrite")
    assert [name for name in names(root) if not name.endswith(".jpg")] == FILES
    assert find_data(str(root)).attributes is None


def test_a_killed_preparation_is_told_and_can_be_done_again(
    tmp_path: Path, debias: Debias, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = two_faces(tmp_path)

    def no_space(*_: object, **__: object) -> None:
        raise OutputError("cannot be written: no space", where="images.csv")

    with monkeypatch.context() as patch:
        patch.setattr("debias.data.prepared_folder.write_table", no_space)
        failed = debias("data", "prepare", "utkface", "--root", root)
    assert failed.status == 1
    assert "no space" in failed.err
    used = debias("train", "--data", root, "--output", tmp_path / "out")
    assert used.status == 1
    assert "was left unfinished. Run the same `debias data prepare` with --overwrite" in used.err
    refused = debias("data", "prepare", "utkface", "--root", root)
    assert refused.status == 1
    assert "was left unfinished. Write elsewhere with --output DIR, or replace it" in refused.err
    assert len(prepared(debias, "utkface", root, "--overwrite").images) == 2


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path, debias: Debias) -> None:
    root = two_faces(tmp_path / "set")
    text(tmp_path / "file", "x")
    refused = debias("data", "prepare", "utkface", "--root", root, "--output", tmp_path / "file/in")
    assert refused.status == 1
    assert "Write elsewhere with --output DIR; the pictures stay where they are" in refused.err


def test_a_visible_testbed_is_the_same(tmp_path: Path, debias: Debias) -> None:
    made = prepared(debias, SMALL, tmp_path / "drawn")
    hidden = find_data(SMALL, cache=tmp_path / "cache", show_progress=False)
    for name in ("images.csv", "attributes.csv"):
        assert (made.folder / name).read_bytes() == (hidden.folder / name).read_bytes()
    for path in made.images["path"][:20]:
        assert (made.folder / path).read_bytes() == (hidden.folder / path).read_bytes()
    assert made.facts["name"] == "testbed:planted"
    assert made.facts["counts"]["images"] == len(made.images)
    other = prepared(debias, SMALL, tmp_path / "other", "--seed", "1", "--size", "32")
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
