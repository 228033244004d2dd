from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from debias.data.attributes import parse_provenance
from debias.data.manifest import parse_where
from debias.errors import ConfigError, DataError, OutputError, UsageError
from debias.jobs.report import run_report, write_report
from debias.metrics.intervals import wilson
from debias.metrics.operating_point import operating_point
from debias.reporting.point_schema import OperatingPointJson
from debias.reporting.schema import SCHEMA_VERSION, ReportJson
from debias.reporting.settings import ReportSettings
from debias.reporting.text import render_text
from debias.rundir import create_run

NUM_FACES, NUM_NEGATIVES = 600, 1500
GROUPS = ["skin_tone", "gender"]
FAST = ReportSettings(num_replicates=50)


def make_tables(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions and attributes; dark female faces are found less often."""
    generator = np.random.default_rng(seed)
    tone = np.repeat(["dark", "light"], NUM_FACES // 2)
    gender = np.tile(["female", "male"], NUM_FACES // 2)
    harder = (tone == "dark") & (gender == "female")
    ids = [f"f{k:03d}" for k in range(NUM_FACES)] + [
        f"n{k // 12}" + (f"#w{k % 12:02d}" if k % 12 else "") for k in range(NUM_NEGATIVES)
    ]
    y_true = np.r_[np.ones(NUM_FACES, dtype=int), np.zeros(NUM_NEGATIVES, dtype=int)]
    centre = np.r_[np.where(harder, 2.0, 4.0), np.zeros(NUM_NEGATIVES)]
    predictions = pd.DataFrame(
        {"image_id": ids, "y_true": y_true, "y_score": generator.normal(centre, 1.0)}
    )
    predictions["y_pred"] = (predictions["y_score"] >= 2.0).astype(int)
    predictions["split"] = "test"
    order = generator.permutation(len(predictions))
    attributes = pd.DataFrame({"image_id": ids[:NUM_FACES], "skin_tone": tone, "gender": gender})
    return predictions.iloc[order], attributes.iloc[::-1]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    predictions, attributes = make_tables()
    paths = tmp_path / "predictions.parquet", tmp_path / "attributes.csv"
    predictions.to_parquet(paths[0], index=False)
    attributes.to_csv(paths[1], index=False)
    (tmp_path / "operating_point.json").write_text('{"threshold": 2.0, "target_fpr": 0.01}')
    return paths


def report_of(
    folder: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
    **arguments: Any,
) -> ReportJson:
    """Report on changed predictions, with the attributes as they are."""
    predictions, attributes = make_tables()
    change(predictions).to_parquet(folder / "changed.parquet", index=False)
    attributes.to_csv(folder / "attributes.csv", index=False)
    given: dict[str, Any] = {"attributes": folder / "attributes.csv", "groups": GROUPS}
    return run_report(
        predictions=folder / "changed.parquet", settings=FAST, **{**given, **arguments}
    )


def recalls(point: OperatingPointJson, grouping: int = -1) -> dict[str, float | None]:
    groups = point["groupings"][grouping]["groups"]
    return {group["name"]: group["recall"]["value"] for group in groups}


def test_the_figures_are_those_of_pandas(files: tuple[Path, Path]) -> None:
    report = run_report(predictions=files[0], attributes=files[1], groups=GROUPS, settings=FAST)
    predictions, attributes = make_tables()
    faces = predictions.merge(attributes, on="image_id", how="inner")
    negatives = predictions.loc[predictions["y_true"] == 0, "y_score"]
    stored, at_one_percent, at_one_per_mille = report["operating_points"]
    assert stored["source"] == "stored"
    assert at_one_percent["threshold"] == pytest.approx(
        operating_point(
            y_score_negatives=negatives,
            y_score_faces=predictions.loc[predictions["y_true"] == 1, "y_score"],
            target_fpr=0.01,
        ).threshold
    )
    for point in (stored, at_one_percent):
        found = faces["y_score"] >= point["threshold"]
        expected = found.groupby([faces["skin_tone"], faces["gender"]]).mean()
        assert recalls(point) == pytest.approx(
            {" x ".join(key): value for key, value in expected.items()}  # type: ignore[arg-type]
        )
        by_tone = found.groupby(faces["skin_tone"]).mean()
        assert recalls(point, 0) == pytest.approx(by_tone.to_dict())
        assert point["fpr"] is not None
        assert point["fpr"]["value"] == np.mean(negatives >= point["threshold"])
        grouping = point["groupings"][-1]
        assert grouping["gap"] is not None
        assert grouping["gap"]["worst"] == grouping["worst"] == "dark x female"
        assert grouping["gap"]["value"] == pytest.approx(np.ptp(expected))
        assert grouping["gap"]["null_p_value"] < 0.001
        assert grouping["mean_of_groups"] == pytest.approx(expected.mean())
        assert grouping["variance"] == pytest.approx((100 * expected).var(ddof=1))
        for group in grouping["groups"]:
            rate = group["recall"]
            low, high = wilson(num_successes=rate["num_successes"], num_trials=rate["num_trials"])
            assert (rate["low"], rate["high"]) == (float(low), float(high))
    assert at_one_per_mille["status"] == "refused"
    assert "needs 10,000 non-faces" in str(at_one_per_mille["reason"])
    assert "and there are 1,500" in str(at_one_per_mille["reason"])


def test_report_is_written_as_it_is_returned(files: tuple[Path, Path], tmp_path: Path) -> None:
    report = run_report(
        predictions=files[0], attributes=files[1], groups=GROUPS, output=tmp_path, settings=FAST
    )
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert report["schema_version"] == SCHEMA_VERSION
    assert [item["role"] for item in report["inputs"]] == [
        "predictions",
        "operating point",
        "attributes",
    ]
    assert all(len(item["sha256"]) == 64 for item in report["inputs"])
    assert {"python", "numpy"} <= set(report["versions"])


def test_a_report_marks_a_directory_of_its_own(files: tuple[Path, Path], tmp_path: Path) -> None:
    output = create_run(tmp_path / "output").path
    report = run_report(predictions=files[0], output=output, settings=FAST)
    facts = json.loads((output / "run.json").read_text())
    assert facts["job"] == "report"
    assert facts == {name: report[name] for name in facts}  # type: ignore[literal-required]
    assert {"created", "versions", "platform", "settings", "inputs"} < set(facts)
    again = create_run(output, overwrite=True).path
    assert not any(again.iterdir())
    write_report(report, again)
    written = ["README.md", "report.html", "report.json", "run.json", "tables"]
    assert sorted(item.name for item in again.iterdir()) == written
    (again / "run.json").unlink()
    write_report(report, again)
    assert (again / "run.json").is_file()


def test_a_report_leaves_a_run_and_a_strangers_folder_as_they_are(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    report = run_report(predictions=files[0], settings=FAST)
    run, strange = tmp_path / "run", tmp_path / "strange"
    for folder in (run, strange):
        folder.mkdir()
    (run / "run.json").write_text('{"job": "train"}')
    (strange / "thesis.tex").touch()
    for folder in (run, strange):
        write_report(report, folder)
        assert json.loads((folder / "report.json").read_text()) == report
    assert (run / "run.json").read_text() == '{"job": "train"}'
    with pytest.raises(OutputError, match="not made by debias"):
        create_run(strange, overwrite=True)


@pytest.mark.parametrize("absolute", [True, False])
def test_a_report_tells_no_folder_but_that_of_a_run(
    absolute: bool, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home" / "jane"
    run = home / "run7"
    run.mkdir(parents=True)
    for folder in (home, run):
        (folder / "predictions.parquet").write_bytes(files[0].read_bytes())
    (run / "run.json").write_text("{}")
    (home / "x.csv").write_bytes(files[1].read_bytes())
    monkeypatch.chdir(tmp_path)
    start = tmp_path if absolute else Path()
    report = run_report(
        predictions=start / "home/jane/run7",
        attributes=start / "home/jane/x.csv",
        groups=GROUPS,
        compare=start / "home/jane/predictions.parquet",
        settings=FAST,
    )
    names = [item["path"] for item in report["inputs"]]
    assert names == ["run7/predictions.parquet", "x.csv", "predictions.parquet"]
    assert "jane" not in json.dumps(report)
    monkeypatch.chdir(run)
    inside = run_report(predictions=Path("predictions.parquet"), settings=FAST)
    assert inside["inputs"][0]["path"] == "run7/predictions.parquet"


def test_a_report_tells_no_identity_that_rows_were_chosen_by(tmp_path: Path) -> None:
    def named(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(identity_id=np.where(table["image_id"] < "f300", "jane", "joe"))

    report = report_of(tmp_path, named, where=parse_where(["identity_id=jane", "image_id!=f000"]))
    assert report["rows"]["num_faces"] == 299
    assert report["rows"]["chosen"] == "identity_id=... and image_id!=... and split=test"
    assert report["settings"]["where"] == ["identity_id=...", "image_id!=..."]
    for told in (json.dumps(report), render_text(report)):
        assert "jane" not in told
        assert "f000" not in told


def test_the_same_files_and_seed_give_the_same_report(files: tuple[Path, Path]) -> None:
    first, second = (
        run_report(
            predictions=files[0],
            attributes=files[1],
            groups=GROUPS,
            compare=files[0],
            settings=FAST,
        )
        for _ in range(2)
    )
    assert {**first, "created": ""} == {**second, "created": ""}


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    """Only the bootstrap draws rows, and is not asked for here."""
    first = report_of(tmp_path)
    second = report_of(tmp_path, lambda table: table.sort_values("y_score"))
    for one, other in zip(_leaves(first), _leaves(second), strict=True):
        assert one == (pytest.approx(other, rel=1e-12) if isinstance(other, float) else other)


def _leaves(report: ReportJson) -> Iterator[Any]:
    """Give every number, word and null of the operating points, in order."""
    waiting: list[Any] = [report["operating_points"]]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        else:
            yield value


def test_a_run_directory_names_its_predictions(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    by_run = run_report(predictions=tmp_path, settings=FAST)
    by_file = run_report(predictions=files[0], settings=FAST)
    assert by_run["operating_points"] == by_file["operating_points"]


def test_groups_may_be_columns_of_the_predictions(tmp_path: Path) -> None:
    def with_tone(table: pd.DataFrame) -> pd.DataFrame:
        return table.merge(make_tables()[1], on="image_id", how="left")

    joined = report_of(tmp_path)
    inside = report_of(tmp_path, with_tone, attributes=None)
    assert inside["operating_points"] == joined["operating_points"]


def test_without_groups_there_are_the_overall_figures(files: tuple[Path, Path]) -> None:
    report = run_report(predictions=files[0], settings=FAST)
    assert [point["groupings"] for point in report["operating_points"]] == [[], [], []]
    assert report["join"] is None
    assert report["operating_points"][0]["recall"] is not None


def test_clusters_widen_the_intervals(tmp_path: Path) -> None:
    def picture_of_many(table: pd.DataFrame) -> pd.DataFrame:
        is_face = table["y_true"] == 1
        tenth = table["image_id"].str.slice(0, 3)
        return table.assign(identity_id=tenth.where(is_face), y_score=table["y_true"] * 1.0)

    report = report_of(tmp_path, picture_of_many)
    recall = report["operating_points"][1]["recall"]
    assert recall is not None
    assert report["rows"]["num_persons"] == NUM_FACES // 10
    assert recall["design_effect"] == pytest.approx(10.0)


def test_windows_of_a_picture_are_a_cluster(tmp_path: Path) -> None:
    report = report_of(tmp_path)
    assert report["rows"]["num_pictures"] == NUM_NEGATIVES // 12


def test_half_known_identities_are_counted_and_noted(tmp_path: Path) -> None:
    def half_known(table: pd.DataFrame) -> pd.DataFrame:
        person = table["image_id"].str.slice(0, 3)
        return table.assign(identity_id=person.where(table["image_id"] < "f400"))

    report = report_of(tmp_path, half_known)
    rows = report["rows"]
    assert (rows["num_faces_identified"], rows["num_persons"]) == (400, 40)
    assert any(note.startswith("200 of 600 faces have no identity_id") for note in report["notes"])
    assert "600, of which 400 have an identity_id (40 persons)" in render_text(report)


def test_whole_and_missing_identities_have_notes_of_their_own(tmp_path: Path) -> None:
    none = report_of(tmp_path)
    assert (none["rows"]["num_faces_identified"], none["rows"]["num_persons"]) == (0, None)
    assert any("no identity_id: faces count" in note for note in none["notes"])
    whole = report_of(tmp_path, lambda table: table.assign(identity_id=table["image_id"]))
    assert not any("identity_id" in note for note in whole["notes"])
    assert "600 of 600 persons" in render_text(whole)


def test_few_independent_non_faces_are_pointed_out(tmp_path: Path) -> None:
    """1,500 non-faces expect 15 false positives, but not if twelve at a time are of a kind."""

    def alike(table: pd.DataFrame) -> pd.DataFrame:
        picture = table["image_id"].str.partition("#")[0]
        scores = table.groupby(picture)["y_score"].transform("first")
        return table.assign(y_score=scores).drop(columns="y_pred")

    def few(report: ReportJson) -> list[str]:
        return [note for note in report["notes"] if "Few non-faces" in note]

    (tmp_path / "operating_point.json").write_text('{"threshold": 2.0, "target_fpr": 0.01}')
    report = report_of(tmp_path, alike)
    for point in report["operating_points"][:2]:
        fpr = point["fpr"]
        assert fpr is not None
        assert fpr["design_effect"] is not None
        assert fpr["design_effect"] > 11
        expected = point["expected_false_positives"]
        assert expected == pytest.approx(0.01 * 1500 / fpr["design_effect"])
    stored, here = few(report)
    assert stored.startswith("Few non-faces at the stored threshold for 1 %: 1,500, worth 12")
    assert here.startswith("Few non-faces at the threshold set here for 1 %: 1,500, worth 12")
    independent = report_of(tmp_path, lambda table: table.assign(picture=table["image_id"]))
    assert independent["operating_points"][1]["expected_false_positives"] == 15.0
    assert few(independent) == []


@pytest.mark.parametrize(
    ("split", "word"), [("val", "judged on validation images"), ("train", "trained on")]
)
def test_judging_what_made_the_model_is_pointed_out(tmp_path: Path, split: str, word: str) -> None:
    def one_of(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(split=np.where(table["image_id"] < "f300", split, "val"))

    report = report_of(tmp_path, one_of)
    assert report["rows"]["seen_splits"] == sorted({split, "val"})
    assert word in report["notes"][0]
    asked = report_of(tmp_path, one_of, where=parse_where(["split=val"]))
    for other in (asked, report_of(tmp_path)):
        assert not any("no test images" in note for note in other["notes"])


def test_stated_provenance_overrides_what_is_beside_the_file(tmp_path: Path) -> None:
    beside = {"skin_tone": "annotated", "gender": "self-reported"}
    (tmp_path / "attributes.provenance.json").write_text(json.dumps(beside))

    def provenances(**arguments: Any) -> list[str]:
        return [item["provenance"] for item in report_of(tmp_path, **arguments)["attributes"]]

    assert provenances() == ["annotated", "self-reported"]
    stated = parse_provenance("skin_tone=proxy")
    assert provenances(label_provenance=stated) == ["proxy", "self-reported"]


def test_numbers_that_were_not_cut_into_classes_are_refused(tmp_path: Path) -> None:
    _, attributes = make_tables()
    attributes["age"] = np.arange(len(attributes)) % 250
    attributes.to_csv(tmp_path / "ages.csv", index=False)
    with pytest.raises(DataError, match=r"'age' alone has 250 values\. Cut numbers into classes"):
        report_of(tmp_path, attributes=tmp_path / "ages.csv", groups=["gender", "age"])


def test_unmatched_faces_are_a_stratum_and_counted(tmp_path: Path) -> None:
    _, attributes = make_tables()
    some = attributes[attributes["image_id"] > "f099"].copy()
    some.loc[some["image_id"] < "f110", "gender"] = None
    extra = pd.DataFrame({"image_id": ["zz"], "skin_tone": ["dark"], "gender": ["male"]})
    pd.concat([some, extra]).to_csv(tmp_path / "some.csv", index=False)
    report = report_of(tmp_path, attributes=tmp_path / "some.csv")
    assert report["join"] == {
        "num_faces_matched": 500,
        "num_faces_unmatched": 100,
        "num_negatives_known": 0,
        "num_attributes_unmatched": 1,
    }
    grouping = report["operating_points"][0]["groupings"][-1]
    status = {group["name"]: group["status"] for group in grouping["groups"]}
    assert status["unknown x unknown"] == status["dark x unknown"] == "unknown"
    assert sum(group["recall"]["num_trials"] for group in grouping["groups"]) == NUM_FACES
    assert grouping["num_ranked"] == 4
    assert [label["num_unknown"] for label in report["attributes"]] == [100, 110]


def test_small_groups_are_shown_and_not_ranked(tmp_path: Path) -> None:
    _, attributes = make_tables()
    attributes.loc[attributes["image_id"] < "f029", "skin_tone"] = "tiny"
    attributes.to_csv(tmp_path / "tiny.csv", index=False)
    report = report_of(
        tmp_path,
        lambda table: table.assign(y_score=table["y_score"] - 9 * (table["image_id"] < "f029")),
        attributes=tmp_path / "tiny.csv",
        groups=["skin_tone"],
    )
    grouping = report["operating_points"][1]["groupings"][0]
    tiny = next(group for group in grouping["groups"] if group["name"] == "tiny")
    assert (tiny["status"], tiny["recall"]["value"]) == ("small", 0.0)
    assert grouping["worst"] == "dark"
    assert any("fewer than 30" in note for note in report["notes"])


def test_no_faces_leave_the_false_positives(tmp_path: Path) -> None:
    report = report_of(tmp_path, lambda table: table[table["y_true"] == 0])
    point = report["operating_points"][1]
    assert point["fpr"] is not None
    assert point["recall"] is not None
    assert (point["fpr"]["value"], point["recall"]["value"]) == (0.01, None)
    assert any("no faces" in note for note in report["notes"])
    assert "not estimable" in render_text(report)


def test_no_non_faces_leave_the_recall_of_the_decisions(tmp_path: Path) -> None:
    report = report_of(tmp_path, lambda table: table[table["y_true"] == 1])
    stored, refused, _ = report["operating_points"]
    assert stored["fpr"] is not None
    assert stored["fpr"]["value"] is None
    assert recalls(stored)["light x male"] is not None
    assert refused["status"] == "refused"
    assert any("no non-faces" in note for note in report["notes"])


def test_hard_decisions_are_enough(tmp_path: Path) -> None:
    report = report_of(tmp_path, lambda table: table.drop(columns="y_score"))
    decisions, *refused = report["operating_points"]
    assert (decisions["source"], decisions["threshold"]) == ("decisions", None)
    assert [point["status"] for point in refused] == ["refused", "refused"]


def test_scores_alone_say_that_no_threshold_came(tmp_path: Path) -> None:
    report = report_of(tmp_path, lambda table: table.drop(columns="y_pred"))
    assert [point["source"] for point in report["operating_points"]] == ["test", "test"]
    assert any("No threshold came" in note for note in report["notes"])


def test_tied_scores_are_pointed_out(tmp_path: Path) -> None:
    report = report_of(
        tmp_path, lambda table: table.assign(y_score=np.tanh(table["y_score"]).round(1))
    )
    assert any("Tied scores" in note for note in report["notes"])
    assert not any("Tied scores" in note for note in report_of(tmp_path)["notes"])


def test_rows_can_be_chosen(tmp_path: Path) -> None:
    report = report_of(
        tmp_path,
        lambda table: table.assign(pool=np.where(table["image_id"] < "f300", "a", "b")),
        where=parse_where(["pool=a"]),
    )
    assert report["rows"]["num_faces"] == 300
    assert report["rows"]["chosen"] == "pool=a and split=test"
    assert set(recalls(report["operating_points"][0], 0)) == {"dark"}


def test_comparison_is_paired_and_at_the_same_rate(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    predictions, _ = make_tables()
    other = predictions.assign(y_score=predictions["y_score"] + 5.0).iloc[::-1]
    other["y_score"] -= 3.0 * other["image_id"].between("f300", "f599")
    other.iloc[5:].to_csv(tmp_path / "other.csv", index=False)
    report = run_report(
        predictions=files[0],
        attributes=files[1],
        groups=["skin_tone"],
        compare=tmp_path / "other.csv",
        settings=FAST,
    )
    comparison = report["comparison"]
    assert comparison is not None
    assert (comparison["num_only_here"], comparison["num_only_other"]) == (5, 0)
    point, refused = comparison["points"]
    overall, by_tone = point["groupings"]
    dark, light = by_tone["groups"]
    assert overall["groups"][0]["name"] == "all"
    assert dark["difference"]["value"] == 0.0  # a shift of all scores moves the threshold with it
    low = light["difference"]["low"]
    assert low is not None
    assert low > 0.2
    assert refused["status"] == "refused"
    text = render_text(report)
    assert "== predictions compared with other " in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": ["skintone"]}, "Did you mean 'skin_tone'"),
        ({"groups": ["gender", "gender"]}, "named twice"),
        ({"groups": []}, "none of them to group by. Name some of its columns"),
        ({"label_provenance": {"gender": "guessed"}}, "guessed"),
        ({"attributes": Path("missing.csv")}, "missing.csv"),
        ({"compare": Path("missing.csv")}, "missing.csv"),
        ({"embedding": Path("missing.npz")}, "missing.npz: there is no such file"),
        ({"attributes": None}, "no column 'skin_tone'.* name that with --attributes"),
        ({"within": ["gendr"]}, "no column 'gendr'. Did you mean 'gender'"),
        (
            {"attributes": None, "groups": [], "label_provenance": {"gender": "proxy"}},
            "no attribute is named",
        ),
    ],
)
def test_bad_arguments_are_named(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((UsageError, DataError), match=message):
        report_of(tmp_path, **arguments)


def test_attributes_of_other_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the 600 faces"):
        report_of(tmp_path, lambda table: table.assign(image_id="x" + table["image_id"]))


@pytest.mark.parametrize(
    "change",
    [
        {"confidence": 1.0},
        {"confidence": 95.0},
        {"target_fpr": (0.01, 1.0)},
        {"min_group_size": 0},
        {"min_false_positives": 0},
        {"num_replicates": 0},
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        dataclasses.replace(ReportSettings(), **change)


def test_a_report_needs_no_torch(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Neither imported nor missed: the whole job runs where torch cannot be imported."""
    script = """
import sys
from pathlib import Path
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, NoTorch())
from debias.jobs.report import run_report
from debias.reporting.text import render_text
predictions, attributes, output = map(Path, sys.argv[1:])
print(render_text(run_report(predictions=predictions, attributes=attributes,
                             groups=["skin_tone", "gender"], compare=predictions, output=output)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, files), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert "dark x female" in done.stdout
    assert (tmp_path / "report.json").is_file()


def test_a_threshold_may_be_given(tmp_path: Path) -> None:
    def without_decisions(table: pd.DataFrame) -> pd.DataFrame:
        return table.drop(columns="y_pred", errors="ignore")

    (tmp_path / "operating_point.json").write_text('{"threshold": 2.0, "target_fpr": 0.02}')
    point = report_of(tmp_path, without_decisions, threshold=1.5)["operating_points"][0]
    assert (point["source"], point["threshold"], point["target_fpr"]) == ("given", 1.5, None)
    scores = make_tables()[0]
    found = (scores["y_score"] >= 1.5) & (scores["y_true"] == 1)
    assert point["recall"] is not None
    assert point["recall"]["num_successes"] == found.sum()
    with pytest.raises(UsageError, match="not a finite number"):
        report_of(tmp_path, without_decisions, threshold=float("nan"))
    with pytest.raises(UsageError, match="no y_score"):
        report_of(
            tmp_path,
            lambda table: table.assign(y_pred=1).drop(columns="y_score"),
            threshold=1.5,
        )
