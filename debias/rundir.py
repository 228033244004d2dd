"""A run directory: where a job writes, what made it, and how it writes without half-files."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debias.errors import DataError, OutputError, UsageError

RUN_FILE = "run.json"
_PACKAGES = ("debias-faces", "numpy", "pandas", "pillow", "scipy", "torch", "torchvision")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that replaces it, whole, when the block succeeds.

    On an error the temporary file is removed and ``path`` stays what it was.

    Raises:
        OutputError: the file cannot be written (no space, no permission).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"cannot be written: {error.strerror or error}",
            where=path,
            hint="Check the space left and the permissions",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all; NaN and infinities are refused, not written."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        DataError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=path) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"not a JSON file: {error}", where=path) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDir:
    """The paths inside a run directory; every job that reads or writes one asks here."""

    path: Path

    @property
    def run_file(self) -> Path:
        """What made this run: job, settings, seed, versions, data."""
        return self.path / RUN_FILE

    @property
    def model(self) -> Path:
        """The selected model: ``model.json`` and ``weights.safetensors``."""
        return self.path / "model"

    @property
    def checkpoints(self) -> Path:
        """The states to resume training from."""
        return self.path / "checkpoints"

    @property
    def history(self) -> Path:
        """One row an epoch."""
        return self.path / "history.csv"

    @property
    def tensorboard(self) -> Path:
        """The same figures for TensorBoard."""
        return self.path / "tensorboard"

    @property
    def sampling_weights(self) -> Path:
        """Each training face's sampling weight and the latents that drove it."""
        return self.path / "weights.parquet"

    @property
    def predictions(self) -> Path:
        """One row an image: ``image_id``, ``y_true``, ``y_score``, ``y_pred``, ``split``."""
        return self.path / "predictions.parquet"

    @property
    def operating_point(self) -> Path:
        """The threshold and the data it comes from."""
        return self.path / "operating_point.json"

    @property
    def failures(self) -> Path:
        """The images that could not be decoded, with reasons."""
        return self.path / "failures.csv"

    @property
    def report(self) -> Path:
        """The fairness report."""
        return self.path / "report.json"

    @property
    def report_page(self) -> Path:
        """The fairness report, to read and pass on."""
        return self.path / "report.html"

    @property
    def tables(self) -> Path:
        """A folder of the report's figures as CSV files."""
        return self.path / "tables"

    @property
    def model_card(self) -> Path:
        """A summary of the report in Markdown."""
        return self.path / "README.md"

    @property
    def audit(self) -> Path:
        """An audit of an image set."""
        return self.path / "audit.json"

    @property
    def audit_page(self) -> Path:
        """The audit, to read and pass on."""
        return self.path / "audit.html"

    @property
    def findings(self) -> Path:
        """One row an image and finding of an audit."""
        return self.path / "findings.csv"

    @property
    def measures(self) -> Path:
        """One row an image: what an audit measured of its pixels."""
        return self.path / "measures.parquet"

    @property
    def trained(self) -> RunDir:
        """The training of an audit's own model."""
        return RunDir(path=self.path / "trained")

    @property
    def training_set(self) -> Path:
        """The faces that an audit trained its own model on."""
        return self.path / "training-set"

    @property
    def rebalanced(self) -> Path:
        """A cleaned, rebalanced image set, as ``debias data prepare`` writes one."""
        return self.path / "rebalanced"

    @property
    def detections(self) -> Path:
        """One row a face that was found in a picture: its box and its score."""
        return self.path / "detections.parquet"

    @property
    def detections_coco(self) -> Path:
        """The same, with the pictures, in COCO's format."""
        return self.path / "detections.json"

    @property
    def pictures(self) -> Path:
        """One row a picture that was searched for faces."""
        return self.path / "pictures.csv"

    @property
    def drawn(self) -> Path:
        """The searched pictures with boxes drawn."""
        return self.path / "drawn"

    @property
    def baseline(self) -> RunDir:
        """The plain classifier of the same budget that a debiased run is compared with."""
        return RunDir(path=self.path / "baseline")


def check_output(
    path: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    can_resume: bool = False,
    inputs: Iterable[Path | None] = (),
) -> None:
    """See that a job may write to ``path``, before any work is done and anything is changed.

    An existing, non-empty directory is refused, unless ``resume`` continues it or ``overwrite``
    replaces it. Only a directory that a debias job made may be replaced, and none that holds, or
    lies in, what the job reads.

    Args:
        path: where the job is to write.
        overwrite: an existing directory may be replaced.
        resume: an existing run is continued.
        can_resume: whether the job could continue one, for the message.
        inputs: files and folders that the job reads.

    Raises:
        OutputError: the directory exists, is not one of ours, overlaps with an input, or cannot be
            written to.
        UsageError: both ``overwrite`` and ``resume`` are given.
    """
    if overwrite and resume:
        raise UsageError("--overwrite and --resume exclude each other", where=path)
    _refuse_unwritable(path)
    whole = path.resolve()
    for given in inputs:
        source = None if given is None else given.resolve()
        if source is not None and (source.is_relative_to(whole) or _is_run_inside(whole, source)):
            raise OutputError(
                f"would overwrite what is read from {given}",
                where=path,
                hint="Choose another --output",
            )
    ours = (path / RUN_FILE).is_file()
    if resume:
        if not ours:
            raise OutputError(
                "no run to resume", where=path, hint="Leave out --resume to start one"
            )
        return
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        ways = "--overwrite or --resume" if can_resume else "--overwrite"
        raise OutputError(
            "already exists", where=path, hint=f"Choose another --output, or add {ways}"
        )
    if not ours:
        raise OutputError(
            f"not made by debias (no {RUN_FILE}), so it is not overwritten",
            where=path,
            hint="Choose another --output, or delete it yourself",
        )
    _refuse_unwritable(whole.parent)  # it is replaced as a whole


def check_folder(path: Path) -> None:
    """See that a folder is there and can be written to.

    Raises:
        OutputError: it is not, or cannot be.
    """
    if not path.is_dir():
        raise OutputError("there is no such folder", where=path, hint="Make it first")
    _refuse_unwritable(path)


def _refuse_unwritable(path: Path) -> None:
    """Refuse a folder that cannot be made, or written to if it is there."""
    place = path
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        is_folder = place.is_dir()
    except OSError as error:
        raise OutputError(f"cannot be reached: {error.strerror}", where=path) from None
    if not is_folder:
        raise OutputError(
            "is a file, not a folder" if place == path else f"cannot be made: {place} is a file",
            where=path,
            hint="Choose another --output",
        )
    try:
        with tempfile.TemporaryFile(dir=place):  # permissions alone do not tell
            pass
    except OSError as error:
        what = "cannot be written to" if place == path else f"cannot be made in {place}"
        raise OutputError(
            f"{what}: {error.strerror}",
            where=path,
            hint="Choose another --output, or check the permissions and the space left",
        ) from None


def _is_run_inside(path: Path, source: Path) -> bool:
    """Return whether ``path`` lies in a run that is read from."""
    return path.is_relative_to(source) and (source / RUN_FILE).is_file()


def create_run(path: Path, *, overwrite: bool = False, resume: bool = False) -> RunDir:
    """Return a run directory to write to, made if need be; see :func:`check_output`.

    Raises:
        OutputError: the directory exists, is not one of ours, or cannot be made.
        UsageError: both ``overwrite`` and ``resume`` are given.
    """
    check_output(path, overwrite=overwrite, resume=resume)
    try:
        if overwrite and path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", where=path) from error
    return RunDir(path=path)


def open_run(path: Path, *, job: str) -> tuple[RunDir, dict[str, Any]]:
    """Return an existing run directory to read from, and what made it.

    Args:
        path: the directory.
        job: the job that must have made it.

    Raises:
        DataError: ``path`` is no run directory, or another job made it.
    """
    if not (path / RUN_FILE).is_file():
        raise DataError(
            f"not a run directory (no {RUN_FILE})",
            where=path,
            hint=f"Give the directory that `debias {job} --output` wrote",
        )
    run = RunDir(path=path)
    facts = read_json(run.run_file)
    if not isinstance(facts, dict) or facts.get("job") != job:
        raise DataError(f"not made by `debias {job}`", where=path)
    return run, facts


def predictions_file(path: Path) -> Path:
    """Return ``path``, or the predictions inside it if it is a run directory.

    Raises:
        DataError: it is a run directory that holds none.
    """
    if not (path / RUN_FILE).is_file():
        return path
    predictions = RunDir(path=path).predictions
    if not predictions.exists():
        raise DataError(
            f"is a run without {predictions.name}",
            where=path,
            hint="Name a run of `debias train` or `debias predict`, or a table",
        )
    return predictions


def provenance(*, job: str, settings: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """Return what a person needs to make a result again: versions, settings, time, machine kind.

    Host and user names are left out on purpose: run directories are shared.
    """
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "job": job,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **versions},
        "platform": f"{sys.platform}-{platform.machine()}",
        "settings": dict(settings),
        **facts,
    }
