"""The command line: parses, calls a job, prints. No logic, and no torch before a job needs it."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from debias import __version__
from debias.cli_audit import add_audit
from debias.cli_data import add_data
from debias.cli_demo import add_demo
from debias.cli_detect import add_detect
from debias.cli_explore import add_explore
from debias.cli_images import add_engine, add_images, add_strict, image_source, ray_cluster
from debias.cli_options import (
    add_groups,
    add_output,
    label_provenance,
    names,
    prepared_data,
    take_groups,
)
from debias.cli_report import add_report, print_report
from debias.errors import DebiasError, MissingExtraError, UsageError, nearest

INTERRUPTED = 130
BROKEN_PIPE = 141
_EXTRAS = {
    **dict.fromkeys(
        ("torch", "torchvision", "lightning_fabric", "tensorboard", "safetensors", "jaxtyping"),
        "train",
    ),
    "numba": "testbed",
    "ray": "ray",
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
    if word in options:  # of the action, but written before it
        return f"{word} stands too early. Write it at the end: {parser.prog} ... {word}"
    return f"unknown option {word}. {nearest(word, options)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0 done, 1 the job failed, 2 wrong usage, 3 a condition of ``--fail-if`` holds.
    """
    chosen = _parser().parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
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
    add_detect(jobs, _add_job)
    add_report(jobs, _add_job)
    add_audit(jobs, _add_job)
    add_data(jobs, _add_job)
    add_explore(jobs, _add_job)
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


def _add_train(jobs: Any) -> None:
    parser = _add_job(jobs, "train", _train, "train a debiased face classifier")
    add_strict(add_images(parser))
    add_output(parser, resume=True)
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
    add_groups(parser)


_METAVARS = {str: "NAME", int: "N", float: "X"}
_FLAGS: dict[str, tuple[str, type, str]] = {
    "--architecture": (
        "architecture",
        str,
        "db-vae (the default), classifier, vae, beta-vae or autoencoder",
    ),
    "--resampling": (
        "resampling.rule",
        str,
        "margin (the default), product, max, paper, uniform",
    ),
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
    images = add_images(parser)
    add_strict(images)
    add_engine(images)
    parser.add_argument("--model", type=Path, required=True, metavar="RUN", help="a run directory")
    parser.add_argument(
        "--windows", type=int, metavar="N", help="windows of each non-face picture (as in training)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add_output(parser)


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
    from debias.training.device import check_device
    from debias.training.settings import load_settings

    settings = load_settings(
        preset=chosen.preset, config=chosen.config, assignments=chosen.set, flags=_nested(chosen)
    )
    prepared = prepared_data(chosen, check=lambda: check_device(chosen.device))
    if chosen.groups or settings.architecture in CLASSIFYING:
        take_groups(chosen, prepared)
    if bool(chosen.attributes) != bool(chosen.groups):
        raise UsageError("--attributes and --groups go together")
    if chosen.groups:
        from debias.data.attributes import read_attributes

        if settings.architecture not in CLASSIFYING:
            raise UsageError(f"a {settings.architecture} does not classify", where="--groups")
        # What is wrong with them shall not come out after hours of training.
        read_attributes(
            chosen.attributes, columns=names(chosen.groups), provenance=label_provenance(chosen)
        )
        check_output(
            chosen.output,
            overwrite=chosen.overwrite,
            resume=chosen.resume,
            can_resume=True,
            inputs=[chosen.attributes],
        )
    run = run_train(
        TrainJob(
            source=image_source(chosen, prepared),
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
        report = print_report(chosen, predictions=run.predictions, compare=compare)
        write_report(report, run.path)
    print(run.path)
    return 0


def _is_first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"  # set by torchrun


def _predict(chosen: argparse.Namespace) -> int:
    from debias.jobs.predict import PredictJob, run_predict
    from debias.training.device import check_device
    from debias.training.trained import open_classifier

    cluster = ray_cluster(chosen)

    def check() -> None:
        if cluster is None:  # else the workers' devices count
            check_device(chosen.device)
        open_classifier(chosen.model)

    run = run_predict(
        PredictJob(
            source=image_source(chosen, prepared_data(chosen, check=check)),
            model=chosen.model,
            output=chosen.output,
            windows=chosen.windows,
            device=chosen.device,
            overwrite=chosen.overwrite,
            strict=chosen.strict,
            cache=chosen.cache,
            num_workers=chosen.workers,
            ray=cluster,
            show_progress=not chosen.quiet,
        )
    )
    print(run.predictions)
    return 0
