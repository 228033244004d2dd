"""The command line: parses, calls a job, prints. No logic, and no torch before a job needs it."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from debias import __version__
from debias.cli_data import add_data
from debias.cli_demo import add_demo
from debias.errors import DebiasError, MissingExtraError, UsageError, nearest

if TYPE_CHECKING:
    from debias.data.prepared_folder import PreparedData
    from debias.data.source import ImageSource

INTERRUPTED = 130
_EXTRAS = {
    **dict.fromkeys(
        ("torch", "torchvision", "lightning_fabric", "tensorboard", "safetensors", "jaxtyping"),
        "train",
    ),
    "numba": "testbed",
}
"""Which extra brings a package that the base install does without."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors name the nearest option and leave with status 2."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        chosen, unknown = self.parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            parser = getattr(chosen, "parser", self)
            parser.error(_unknown(word, parser))
        return chosen

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _unknown(word: str, parser: argparse.ArgumentParser) -> str:
    if not word.startswith("-"):
        return f"unexpected argument {word!r}"
    options = [option for action in parser._actions for option in action.option_strings]
    return f"unknown option {word}. {nearest(word, options)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 the job failed, 2 wrong usage."""
    chosen = _parser().parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
    except KeyboardInterrupt:
        print(f"\ndebias {chosen.job}: interrupted{_kept(chosen)}", file=sys.stderr)
        return INTERRUPTED
    except (DebiasError, ModuleNotFoundError) as error:
        known = _as_debias_error(error)
        if known is None:
            raise
        if chosen.debug:
            traceback.print_exc()
        print(f"debias {chosen.job}: {known}", file=sys.stderr)
        return known.exit_status
    return status


def _kept(chosen: argparse.Namespace) -> str:
    if chosen.job == "demo" and (chosen.output / "run.json").is_file():
        return f"; go on with: debias demo --output {chosen.output} --resume, and the same options"
    started = chosen.job == "train" and (chosen.output / "checkpoints").is_dir()
    return "; finished epochs are kept, go on with --resume" if started else ""


def _as_debias_error(error: DebiasError | ModuleNotFoundError) -> DebiasError | None:
    if isinstance(error, DebiasError):
        return error
    extra = _EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        return None
    return MissingExtraError(
        f"needs {error.name}, which is not installed",
        hint=f"Install it with: pip install 'debias-faces[{extra}]'",
    )


def _parser() -> _Parser:
    parser = _Parser(
        prog="debias",
        description="Train, audit and judge face detectors that must work for everyone.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"debias {__version__}")
    jobs = parser.add_subparsers(dest="job", required=True, metavar="JOB", parser_class=_Parser)
    _add_train(jobs)
    _add_predict(jobs)
    _add_report(jobs)
    add_data(jobs, _add_job)
    add_demo(jobs, _add_job)
    return parser


def _add_job(jobs: Any, name: str, run: Callable[[Any], int], summary: str) -> _Parser:
    parser: _Parser = jobs.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + ".", allow_abbrev=False
    )
    parser.set_defaults(run=run, parser=parser)
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


_DATA_HELP = (
    "a folder that `debias data prepare` wrote, or testbed:NAME, which is drawn at its first use "
    "(testbed:NAME:0.1 is a tenth of it)"
)


def _add_images(parser: argparse.ArgumentParser) -> None:
    images = parser.add_argument_group("images")
    images.add_argument(
        "images",
        nargs="?",
        type=Path,
        metavar="MANIFEST",
        help="a CSV or Parquet file of images, or a folder of unlabelled ones to predict",
    )
    images.add_argument(
        "--data",
        action="append",
        metavar="NAME",
        help=f"{_DATA_HELP}; repeatable, for faces of one set and non-faces of another",
    )
    images.add_argument("--faces", type=Path, metavar="DIR", help="a folder of faces")
    images.add_argument("--non-faces", type=Path, metavar="DIR", help="a folder of non-faces")
    images.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE,...",
        help="use the manifest's rows with one of these values; also COLUMN!=VALUE; repeatable",
    )
    images.add_argument("--cache", type=Path, metavar="DIR", help="where decoded images are kept")
    images.add_argument("--workers", type=int, metavar="N", help="threads that decode")
    images.add_argument("--strict", action="store_true", help="stop if an image cannot be decoded")


def _add_output(
    parser: argparse.ArgumentParser, *, required: bool = True, resume: bool = False
) -> None:
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output", type=Path, required=required, metavar="DIR", help="where to write"
    )
    output.add_argument("--overwrite", action="store_true", help="replace an existing output")
    if resume:
        output.add_argument("--resume", action="store_true", help="continue an interrupted run")


def _add_groups(parser: argparse.ArgumentParser) -> None:
    groups = parser.add_argument_group("subgroups")
    groups.add_argument(
        "--attributes", type=Path, metavar="FILE", help="sensitive attributes by image_id"
    )
    groups.add_argument(
        "--provenance",
        metavar="NAME=WORD,...",
        help="where labels come from: self-reported, annotated, proxy, estimated, constructed or "
        "unknown",
    )
    groups.add_argument(
        "--groups",
        metavar="NAME,...",
        help="the attributes to report by; NAME=COLUMN reads NAME from another column (with --data "
        "by default skin_tone and gender, where known)",
    )


def _add_train(jobs: Any) -> None:
    parser = _add_job(jobs, "train", _train, "train a debiased face classifier")
    _add_images(parser)
    _add_output(parser, resume=True)
    settings = parser.add_argument_group("settings (the last one given wins, flags last of all)")
    settings.add_argument("--preset", default="default", help="default, paper or mit-lab")
    settings.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings")
    settings.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="one setting"
    )
    for flag, (path, kind, summary) in _FLAGS.items():
        settings.add_argument(flag, type=kind, dest=path, metavar=_METAVARS[kind], help=summary)
    settings.add_argument(
        "--no-baseline",
        action="store_true",
        help="do not also train the plain classifier that a DB-VAE is compared with",
    )
    settings.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    _add_groups(parser)


_METAVARS = {str: "NAME", int: "N", float: "X"}
_FLAGS: dict[str, tuple[str, type, str]] = {
    "--architecture": (
        "architecture",
        str,
        "db-vae (the default), classifier, vae, beta-vae or autoencoder",
    ),
    "--resampling": ("resampling.rule", str, "product (the default), max, paper or uniform"),
    "--seed": ("seed", int, "of initialisation, augmentation and sampling (0)"),
    "--epochs": ("training.epochs", int, "passes over the training faces (12)"),
    "--batch-size": ("training.batch_size", int, "images a step, half of them faces (128)"),
    "--image-size": ("model.image_size", int, "height and width in pixels, 32 to 128 (64)"),
    "--latent-size": ("model.latent_size", int, "number of latents (64)"),
    "--windows": ("data.windows", int, "windows cut from each non-face picture (1)"),
    "--target-fpr": ("target_fpr", float, "false-positive rate of the operating point (0.01)"),
}


def _add_predict(jobs: Any) -> None:
    parser = _add_job(jobs, "predict", _predict, "score images with a trained model")
    _add_images(parser)
    parser.add_argument("--model", type=Path, required=True, metavar="RUN", help="a run directory")
    parser.add_argument(
        "--windows", type=int, metavar="N", help="windows of each non-face picture (as in training)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    _add_output(parser)


def _add_report(jobs: Any) -> None:
    parser = _add_job(jobs, "report", _report, "say how well predictions serve each subgroup")
    parser.add_argument(
        "predictions", type=Path, metavar="PREDICTIONS", help="a CSV or Parquet file, or a run"
    )
    parser.add_argument("--compare", type=Path, metavar="OTHER", help="other predictions, or a run")
    parser.add_argument(
        "--where", action="append", default=[], metavar="COLUMN=VALUE,...", help="rows to use"
    )
    _add_groups(parser)
    parser.add_argument(
        "--data", action="append", metavar="NAME", help=f"take the attributes of {_DATA_HELP}"
    )
    _add_output(parser, required=False)


def _prepared(chosen: argparse.Namespace) -> list[PreparedData]:
    """Return the data sets that ``--data`` names."""
    if not chosen.data:
        return []
    others = [getattr(chosen, name, None) for name in ("images", "faces", "non_faces")]
    if any(other is not None for other in others):
        raise UsageError(
            "name the images in one way",
            where="--data",
            hint="It brings its own: leave out MANIFEST, --faces and --non-faces",
        )
    from debias.jobs.data import find_data
    from debias.rundir import check_output

    if chosen.output is not None:  # what is wrong with it shall not come out after the drawing
        resume = getattr(chosen, "resume", False)
        check_output(chosen.output, overwrite=chosen.overwrite, resume=resume)
    cache, workers = getattr(chosen, "cache", None), getattr(chosen, "workers", None)
    return [
        find_data(name, cache=cache, num_workers=workers, show_progress=not chosen.quiet)
        for name in chosen.data
    ]


def _take_groups(chosen: argparse.Namespace, prepared: list[PreparedData]) -> None:
    """Let ``--data`` say what ``--attributes`` and ``--groups`` do not."""
    if not prepared or chosen.attributes is not None:
        return
    known = [one for one in prepared if one.attributes is not None]
    if chosen.groups and len(known) != 1:
        names = " and ".join(one.name for one in known) or "no set of --data"
        raise UsageError(
            f"{names} {'have' if known else 'has'} attributes",
            where="--groups",
            hint="Name their file with --attributes",
        )
    groups = chosen.groups or (",".join(known[0].groups) if len(known) == 1 else "")
    if groups:
        chosen.attributes, chosen.groups = known[0].attributes, groups


def _source(chosen: argparse.Namespace, prepared: list[PreparedData]) -> ImageSource:
    from debias.data.combine import ListedSet
    from debias.data.source import ImageSource

    return ImageSource(
        images=chosen.images,
        sets=tuple(ListedSet(manifest=one.manifest, root=one.root) for one in prepared),
        faces=chosen.faces,
        non_faces=chosen.non_faces,
        where=tuple(chosen.where),
    )


def _nested(chosen: argparse.Namespace) -> dict[str, Any]:
    """Return the flags that were given as a table of settings."""
    table: dict[str, Any] = {}
    for path, _, _ in _FLAGS.values():
        value = getattr(chosen, path)
        if value is not None:
            section, _, key = path.rpartition(".")
            (table.setdefault(section, {}) if section else table)[key] = value
    if chosen.strict:
        table.setdefault("data", {})["strict"] = True
    return table


def _train(chosen: argparse.Namespace) -> int:
    from debias.jobs.train import TrainJob, run_train
    from debias.models.db_vae import CLASSIFYING
    from debias.rundir import check_output
    from debias.training.settings import load_settings

    settings = load_settings(
        preset=chosen.preset, config=chosen.config, assignments=chosen.set, flags=_nested(chosen)
    )
    prepared = _prepared(chosen)
    if chosen.groups or settings.architecture in CLASSIFYING:
        _take_groups(chosen, prepared)
    if bool(chosen.attributes) != bool(chosen.groups):
        raise UsageError("--attributes and --groups go together")
    if chosen.groups:
        from debias.data.attributes import read_attributes

        if settings.architecture not in CLASSIFYING:
            raise UsageError(f"a {settings.architecture} does not classify", where="--groups")
        # What is wrong with them shall not come out after hours of training.
        read_attributes(
            chosen.attributes, columns=_names(chosen.groups), provenance=_provenance(chosen)
        )
        check_output(
            chosen.output,
            overwrite=chosen.overwrite,
            resume=chosen.resume,
            inputs=[chosen.attributes],
        )
    run = run_train(
        TrainJob(
            source=_source(chosen, prepared),
            settings=settings,
            output=chosen.output,
            baseline=not chosen.no_baseline,
            device=chosen.device,
            overwrite=chosen.overwrite,
            resume=chosen.resume,
            cache=chosen.cache,
            num_workers=chosen.workers,
            show_progress=not chosen.quiet,
        )
    )
    if not _is_first_process():
        return 0
    if chosen.groups:
        from debias.jobs.report import write_report

        baseline = run.baseline.predictions
        compare = baseline if baseline.exists() else None
        write_report(_print_report(chosen, run.predictions, compare), run.path)
    print(run.path)
    return 0


def _is_first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"  # set by torchrun


def _print_report(chosen: argparse.Namespace, predictions: Path, compare: Path | None) -> Any:
    from debias.data.manifest import parse_where
    from debias.jobs.report import run_report
    from debias.reporting.text import render_text

    report = run_report(
        predictions=predictions,
        attributes=chosen.attributes,
        groups=_names(chosen.groups),
        where=parse_where(chosen.where if chosen.job == "report" else []),
        compare=compare,
        label_provenance=_provenance(chosen),
    )
    print(render_text(report), end="")
    return report


def _predict(chosen: argparse.Namespace) -> int:
    from debias.jobs.predict import PredictJob, run_predict

    run = run_predict(
        PredictJob(
            source=_source(chosen, _prepared(chosen)),
            model=chosen.model,
            output=chosen.output,
            windows=chosen.windows,
            device=chosen.device,
            overwrite=chosen.overwrite,
            strict=chosen.strict,
            cache=chosen.cache,
            num_workers=chosen.workers,
            show_progress=not chosen.quiet,
        )
    )
    print(run.predictions)
    return 0


def _report(chosen: argparse.Namespace) -> int:
    from debias.jobs.report import write_report
    from debias.rundir import check_output, create_run, predictions_file

    if chosen.data and chosen.attributes is not None:
        raise UsageError("both give attributes", where="--attributes and --data", hint="Leave one")
    prepared = _prepared(chosen)
    _take_groups(chosen, prepared)
    if prepared and chosen.attributes is None:
        known = ", ".join(name for one in prepared for name in one.attribute_names)
        hint = f"Name some with --groups: {known}" if known else "There are no attributes"
        raise UsageError("nothing to group by is named or usual", where="--data", hint=hint)
    if chosen.output:
        inputs = (chosen.predictions, chosen.compare, chosen.attributes)
        check_output(chosen.output, overwrite=chosen.overwrite, inputs=inputs)
    compare = predictions_file(chosen.compare) if chosen.compare else None
    report = _print_report(chosen, predictions_file(chosen.predictions), compare)
    if chosen.output:
        write_report(report, create_run(chosen.output, overwrite=chosen.overwrite).path)
        print(chosen.output / "report.json")
    return 0


def _provenance(chosen: argparse.Namespace) -> dict[str, str]:
    from debias.data.attributes import parse_provenance

    return parse_provenance(chosen.provenance) if chosen.provenance else {}


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]
