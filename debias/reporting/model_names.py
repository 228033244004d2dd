"""What the models are called of which only the predictions are known."""

from __future__ import annotations

from pathlib import PurePosixPath

from debias.reporting.cells import shorten
from debias.reporting.schema import InputRole, ReportJson

MAX_LETTERS = 40


def model_name_of(report: ReportJson) -> str:
    """Return what the judged model is called: its run, or its file of predictions."""
    return _name(_path(report, "predictions")) or "model"


def compared_names(report: ReportJson) -> tuple[str, str]:
    """Return what the judged model and the compared one are called in a report of both.

    Each is called by its run or its file, so that a reader can tell who is who. Where that is the
    same, by the path of either; where both are columns of one file, by these; and where nothing
    tells them apart, by the part they play. Each name has at most ``MAX_LETTERS`` letters and a
    few more.

    Args:
        report: with or without a comparison.
    """
    paths = _path(report, "predictions"), _path(report, "compare")
    scores = tuple(
        str(report["settings"].get(key, {}).get("y_score", "y_score"))
        for key in ("columns", "compare_columns")
    )
    choices = [(_name(paths[0]), _name(paths[1])), paths]
    if paths[0] == paths[1]:
        choices.append((f"{_name(paths[0])}, {scores[0]}", f"{_name(paths[1])}, {scores[1]}"))
    for first, second in choices:
        names = shorten(first, MAX_LETTERS), shorten(second, MAX_LETTERS)
        if all(names) and names[0] != names[1]:
            return names
    return "the judged model", "the compared model"


def _path(report: ReportJson, role: InputRole) -> str:
    return next((item["path"] for item in report["inputs"] if item["role"] == role), "")


def _name(path: str) -> str:
    """Return the run that a file of predictions lies in, or else the file without its suffix."""
    pure = PurePosixPath(path)
    return pure.parent.name or pure.stem
