"""Run directories: nothing is overwritten by accident, nothing is half-written."""

from __future__ import annotations

import errno
import json
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from debias.errors import DataError, OutputError, UsageError
from debias.rundir import (
    atomic_path,
    check_folder,
    check_output,
    create_run,
    open_run,
    predictions_file,
    provenance,
    read_json,
    write_json,
)


def _run(path: Path) -> Path:
    create_run(path)
    write_json(path / "run.json", {})
    return path


def test_new_and_empty_directories_are_taken(tmp_path: Path) -> None:
    assert create_run(tmp_path / "a" / "b").path.is_dir()
    assert create_run(tmp_path / "a" / "b").path.is_dir()


def test_an_existing_run_is_refused_continued_or_replaced(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    with pytest.raises(OutputError, match=r"already exists.*--overwrite or --resume"):
        check_output(run, can_resume=True)
    with pytest.raises(OutputError, match=r"already exists\. .* or add --overwrite$"):
        create_run(run)
    (run / "kept").touch()
    assert (create_run(run, resume=True).path / "kept").exists()
    assert not (create_run(run, overwrite=True).path / "kept").exists()


def test_only_our_own_directories_are_ever_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(OutputError, match="not made by debias"):
        create_run(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="out: is a file, not a folder"):
            create_run(tmp_path / "out", overwrite=overwrite)
    with pytest.raises(OutputError, match=r"out/a/b: cannot be made: .*/out is a file"):
        check_output(tmp_path / "out" / "a" / "b")


def test_what_cannot_be_written_to_is_found_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, asked = _run(tmp_path / "run"), []
    (tmp_path / "empty").mkdir()

    def refused(dir: Path) -> None:
        asked.append(dir)
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(OutputError, match=r"new/run: cannot be made in .*: Read-only file system"):
        check_output(tmp_path / "new" / "run")
    with pytest.raises(OutputError, match="empty: cannot be written to: Read-only"):
        check_output(tmp_path / "empty")
    with pytest.raises(OutputError, match="empty: cannot be written to: Read-only"):
        check_folder(tmp_path / "empty")
    with pytest.raises(OutputError, match="cannot be written to"):
        check_output(run, resume=True)
    assert asked == [tmp_path, tmp_path / "empty", tmp_path / "empty", run]


def test_what_is_replaced_needs_a_folder_that_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _run(tmp_path / "run")

    def refused(dir: Path) -> AbstractContextManager[None]:
        if dir == tmp_path:
            raise OSError(errno.EACCES, "Permission denied")
        return nullcontext()

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(OutputError, match="cannot be written to: Permission denied"):
        create_run(run, overwrite=True)
    assert (run / "run.json").is_file()


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_output(tmp_path / "a" / "b")
    check_folder(tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="no such folder"):
        check_folder(tmp_path / "a")


def test_a_run_names_its_predictions(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    assert predictions_file(tmp_path / "p.csv") == tmp_path / "p.csv"
    assert predictions_file(tmp_path) == tmp_path
    with pytest.raises(DataError, match=r"run: is a run without predictions\.parquet"):
        predictions_file(run)
    (run / "predictions.parquet").touch()
    assert predictions_file(run) == run / "predictions.parquet"


def test_contradictory_and_empty_requests(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        create_run(tmp_path, overwrite=True, resume=True)
    with pytest.raises(OutputError, match="no run to resume"):
        create_run(tmp_path / "none", resume=True)
    with pytest.raises(DataError, match="not a run directory"):
        open_run(tmp_path, job="train")
    write_json(tmp_path / "run.json", {"job": "report"})
    with pytest.raises(DataError, match="not made by `debias train`"):
        open_run(tmp_path, job="train")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "file.json"
    write_json(target, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(target, {"a": float("nan")})
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text(str(1 / 0))
    assert read_json(target) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_json(tmp_path / "file" / "below.json", {})


def test_provenance_is_json_and_names_no_host() -> None:
    import socket

    facts = provenance(job="train", settings={"seed": 1}, data={"key": "x"})
    text = json.dumps(facts)
    assert facts["settings"] == {"seed": 1}
    assert facts["versions"]["python"]
    assert socket.gethostname() not in text


@pytest.mark.parametrize("text", ["{", "9" * 5000, "[" * 100_000, "\ud800"])
def test_damaged_json(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataError, match=r"bad\.json: not a JSON file"):
        read_json(tmp_path / "bad.json")
