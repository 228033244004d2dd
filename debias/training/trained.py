"""Finished trainings, opened by the directory they are in."""

from __future__ import annotations

from pathlib import Path

from debias.config import build
from debias.errors import DataError
from debias.models.db_vae import CLASSIFYING
from debias.rundir import RunDir, open_run
from debias.training.settings import RunSettings


def open_classifier(model: Path) -> tuple[RunDir, RunSettings]:
    """Return a finished training run whose model classifies, and its settings.

    Args:
        model: the run directory.

    Raises:
        DataError: it is none, its model does not classify, or its training is not finished.
    """
    run, settings = _open_training(model)
    if settings.architecture not in CLASSIFYING:
        raise DataError(
            f"a model of architecture {settings.architecture!r} does not classify",
            where=model,
            hint="Train one with --architecture db-vae or classifier",
        )
    _require_finished(run.operating_point, model)
    return run, settings


def open_latent_model(model: Path) -> tuple[RunDir, RunSettings]:
    """Return a finished training run whose model has a latent space, and its settings.

    Args:
        model: the run directory.

    Raises:
        DataError: it is none, its model has no latent space, or its training is not finished.
    """
    run, settings = _open_training(model)
    if settings.architecture == "classifier":
        raise DataError(
            "a plain classifier has no latent space",
            where=model,
            hint="Train one with --architecture db-vae, vae, beta-vae or autoencoder",
        )
    _require_finished(run.sampling_weights, model)
    return run, settings


def _open_training(model: Path) -> tuple[RunDir, RunSettings]:
    run, facts = open_run(model, job="train")
    return run, build(RunSettings, facts["settings"], where=str(run.run_file))


def _require_finished(last: Path, model: Path) -> None:
    """Refuse a run that lacks what is written last."""
    if not last.exists():
        raise DataError(
            "its training is not finished",
            where=model,
            hint="Continue it with debias train --resume",
        )
