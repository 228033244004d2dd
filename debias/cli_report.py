"""The command ``debias report``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias.cli_options import (
    DATA_HELP,
    add_groups,
    add_output,
    finite,
    label_provenance,
    names,
    positive,
    prepared_data,
    share,
    shares,
    take_groups,
)
from debias.errors import DataError, UsageError, nearest

if TYPE_CHECKING:
    from debias.reporting.conditions import FailCondition
    from debias.reporting.settings import ReportSettings

CONDITION_HOLDS = 3
"""The exit status of a report that was written and fails a condition of ``--fail-if``."""


def add_report(jobs: Any, add_job: Callable[..., Any]) -> None:
    """Add the command ``report`` to a parser; see :func:`debias.cli_data.add_data`."""
    parser = add_job(jobs, "report", _report, "say how well predictions serve each subgroup")
    parser.epilog = (
        "Exit status: 0 done, 1 the report failed, 2 wrong usage, "
        f"{CONDITION_HOLDS} a condition of --fail-if holds or cannot be evaluated."
    )
    _add_predictions(parser)
    groups = add_groups(parser)
    groups.add_argument(
        "--within",
        metavar="NAME,...",
        help="control features: report also within each of their values, such as pose,light",
    )
    groups.add_argument(
        "--negatives",
        type=_negatives,
        metavar="WORD",
        help="pool: all groups share the negatives; grouped: they belong to groups as faces do; "
        "auto (the default): grouped if at least half of them have attributes",
    )
    parser.add_argument(
        "--data", action="append", metavar="NAME", help=f"take the attributes of {DATA_HELP}"
    )
    _add_settings(parser)
    _add_search(parser)
    add_output(parser, required=False)


def _add_predictions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "predictions",
        type=Path,
        metavar="PREDICTIONS",
        help="a CSV or Parquet file, a folder of Parquet parts, or a run",
    )
    parser.add_argument("--compare", type=Path, metavar="OTHER", help="other predictions, or a run")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="what the predictions call a column: y_score=confidence; repeatable; NAME is "
        "image_id, y_true, y_score, y_pred, identity_id, picture, sample_weight, seed or split",
    )
    parser.add_argument(
        "--compare-column",
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="what OTHER calls a column, where not as --column says; repeatable",
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE,...",
        help="rows to use, by columns of the predictions; where no non-face has a value in one, "
        "it chooses among faces alone",
    )


def _add_settings(parser: argparse.ArgumentParser) -> None:
    settings = parser.add_argument_group("figures")
    for flag, (_, kind, metavar, summary) in FLAGS.items():
        settings.add_argument(flag, type=kind, metavar=metavar, help=summary)
    settings.add_argument(
        "--threshold",
        type=finite,
        metavar="X",
        help='the one in use: a score of at least X is answered "face" (by default the one stored '
        "beside the predictions, or their y_pred)",
    )
    settings.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        help=f"leave with status {CONDITION_HOLDS} if it holds: worst_recall<0.9, "
        "gap[skin_tone]@0.001>0.05, fpr>0.02, verdict==disparity; repeatable",
    )


def _add_search(parser: argparse.ArgumentParser) -> None:
    search = parser.add_argument_group("search for slices, which needs no attributes")
    search.add_argument(
        "--embedding",
        type=Path,
        metavar="FILE",
        help="vectors by image_id (Parquet, CSV or .npz): say where in them errors concentrate",
    )
    search.add_argument(
        "--include-ids", action="store_true", help="name images that lie in a slice"
    )


def _negatives(text: str) -> str:
    from debias.data.joining import REQUESTED_MODES

    if text not in REQUESTED_MODES:
        advice = nearest(text, REQUESTED_MODES)
        raise argparse.ArgumentTypeError(f"{text!r} is not a known value. {advice}")
    return text


FLAGS: dict[str, tuple[str, Callable[[str], Any], str, str]] = {
    "--target-fpr": (
        "target_fpr",
        shares,
        "X,...",
        "false-positive rates at which recall is compared (0.01,0.001)",
    ),
    "--margin": ("margin", share, "X", "a difference in recall that would not matter (0.02)"),
    "--min-group-size": (
        "min_group_size",
        positive,
        "N",
        "smaller groups are shown, but not ranked (30)",
    ),
    "--confidence": ("confidence", share, "X", "of every interval (0.95)"),
    "--replicates": ("num_replicates", positive, "N", "of the bootstrap (1000)"),
    "--seed": ("seed", int, "N", "of the simulations (0)"),
}
"""By its flag, each setting of a report: its name, its type, and how the help shows it."""


def print_report(
    chosen: argparse.Namespace, *, predictions: Path, compare: Path | None, **arguments: Any
) -> Any:
    """Report on predictions by the groups of a command, print the text, and return the report.

    Args:
        chosen: the options of :func:`debias.cli_options.add_groups`.
        predictions: what to judge.
        compare: predictions of a second model, if there are any.
        **arguments: further ones of :func:`debias.jobs.report.run_report`.
    """
    from debias.jobs.report import run_report
    from debias.reporting.text import render_text

    report = run_report(
        predictions=predictions,
        compare=compare,
        attributes=chosen.attributes,
        groups=names(chosen.groups),
        label_provenance=label_provenance(chosen),
        **arguments,
    )
    print(render_text(report), end="")
    return report


def _report(chosen: argparse.Namespace) -> int:
    from debias.data.manifest import parse_where
    from debias.data.prediction_columns import parse_columns
    from debias.jobs.report import write_report
    from debias.reporting.outcomes import evaluate_fail_if
    from debias.rundir import check_output, create_run, predictions_file

    settings, columns = _settings(chosen), parse_columns(chosen.column)
    compare_columns = parse_columns(chosen.compare_column, option="--compare-column")
    where = parse_where(chosen.where)
    _check_usage(chosen)
    _take_data(chosen)
    conditions = _conditions(chosen, settings)
    if chosen.output:
        inputs = (chosen.predictions, chosen.compare, chosen.attributes, chosen.embedding)
        check_output(chosen.output, overwrite=chosen.overwrite, inputs=inputs)
    report = print_report(
        chosen,
        predictions=predictions_file(chosen.predictions),
        compare=predictions_file(chosen.compare) if chosen.compare else None,
        where=where,
        columns=columns,
        compare_columns=compare_columns,
        within=names(chosen.within),
        embedding=chosen.embedding,
        threshold=chosen.threshold,
        include_ids=chosen.include_ids,
        conditions=conditions,
        settings=settings,
    )
    if chosen.output:
        write_report(report, create_run(chosen.output, overwrite=chosen.overwrite).path)
        print(chosen.output / "report.html")
    failed = [each for each in evaluate_fail_if(conditions, report) if each.fails]
    for each in failed:
        print(f"debias report: --fail-if {each.sentence}", file=sys.stderr)
    return CONDITION_HOLDS if failed else 0


def _check_usage(chosen: argparse.Namespace) -> None:
    if chosen.data and chosen.attributes is not None:
        raise UsageError("both give attributes", where="--attributes and --data", hint="Leave one")
    if chosen.attributes is not None and not names(chosen.groups):
        raise UsageError(
            "a file of attributes is given, but none of them to group by",
            where="--groups",
            hint="Name some of its columns: --groups skin_tone,gender",
        )
    if chosen.compare_column and chosen.compare is None:
        raise UsageError("nothing is compared", where="--compare-column", hint="Add --compare")
    if chosen.include_ids and chosen.embedding is None:
        raise UsageError("no slice is searched for", where="--include-ids", hint="Add --embedding")
    both = set(_new_names(chosen.groups)) & set(_new_names(chosen.within))
    if both:
        raise UsageError(f"{min(both)!r} is one of --groups, too", where="--within")


def _take_data(chosen: argparse.Namespace) -> None:
    """Take attributes and groups from ``--data``, if it is given."""

    def check() -> None:
        for path in (chosen.predictions, chosen.compare, chosen.embedding):
            if path is not None and not path.exists():
                raise DataError("there is no such file", where=path, hint="Check the path")

    prepared = prepared_data(chosen, check=check)
    take_groups(chosen, prepared)
    if prepared and chosen.attributes is None:
        known = ", ".join(name for one in prepared for name in one.attribute_names)
        hint = f"Name some with --groups: {known}" if known else "There are no attributes"
        raise UsageError("nothing to group by is named or usual", where="--data", hint=hint)
    if chosen.within and not chosen.groups:
        raise UsageError("nothing is grouped", where="--within", hint="Name attributes: --groups")


def _settings(chosen: argparse.Namespace) -> ReportSettings:
    from debias.reporting.settings import ReportSettings

    given = {
        name: getattr(chosen, flag[2:].replace("-", "_")) for flag, (name, *_) in FLAGS.items()
    }
    given["negatives"] = chosen.negatives
    return ReportSettings(**{name: value for name, value in given.items() if value is not None})


def _conditions(chosen: argparse.Namespace, settings: ReportSettings) -> tuple[FailCondition, ...]:
    """Return what ``--fail-if`` says; what cannot be meant shall not come out after the work."""
    from debias.reporting.conditions import check_fail_if, parse_fail_if

    conditions = parse_fail_if(chosen.fail_if)
    check_fail_if(
        conditions,
        columns=_new_names(chosen.groups),
        within=_new_names(chosen.within),
        target_fpr=settings.target_fpr,
    )
    return conditions


def _new_names(text: str | None) -> list[str]:
    """Return what attributes are called in the report: ``skin_tone`` for ``skin_tone=race``."""
    return [name.partition("=")[0].strip() for name in names(text)]
