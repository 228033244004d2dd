"""The model that an audit trains of its own images, if it is asked to. It needs torch."""

from __future__ import annotations

from dataclasses import replace

from debias.config import to_table
from debias.data.source import ImageSource
from debias.jobs.audit_job import AuditJob, AuditTraining
from debias.jobs.audit_outputs import remove
from debias.jobs.train import TrainJob, run_train
from debias.rundir import RunDir, open_run
from debias.training.device import check_device
from debias.training.record import ChangedRunError, differences
from debias.training.settings import RunSettings, load_settings

_FROM_IMAGES = ("architecture", "target_fpr")
"""Settings that the images decide: what they are is known when these are measured."""


def check_training(training: AuditTraining, *, device: str) -> None:
    """See that a training could begin, before any image is read.

    Raises:
        DebiasError: there is no such device, preset, file or setting.
    """
    check_device(device)
    _settings(training, seed=0, num_non_faces=0)


def changed_settings(training: AuditTraining, trained: RunDir, *, seed: int) -> list[str]:
    """Return in words which settings an earlier training had otherwise; none if there is none.

    Args:
        training: what is asked for now.
        trained: the run directory of the earlier training, which may be missing.
        seed: of the training now.

    Raises:
        DebiasError: the earlier training's ``run.json`` is not what it must be.
    """
    if not trained.run_file.is_file():
        return []
    _, facts = open_run(trained.path, job="train")
    before = facts.get("settings", {})
    after = to_table(_settings(training, seed=seed, num_non_faces=0))
    return differences(
        *({k: v for k, v in each.items() if k not in _FROM_IMAGES} for each in (before, after))
    )


def train_model(job: AuditJob, training: AuditTraining, source: ImageSource, run: RunDir) -> None:
    """Train a model into ``run.trained``, or go on with the training that is there.

    One that was of other images is removed, with a line that says so.

    Args:
        job: the audit.
        training: with which settings.
        source: the images to train on.
        run: the audit's directory.

    Raises:
        DebiasError: the model cannot be trained.
    """
    num_non_faces = int(source.load().non_faces.sum())
    wanted = TrainJob(
        source=source,
        settings=_settings(training, seed=job.seed, num_non_faces=num_non_faces),
        output=run.trained.path,
        baseline=False,
        device=job.device,
        resume=run.trained.run_file.is_file(),
        cache=job.cache,
        num_workers=job.num_workers,
        show_progress=job.show_progress,
        say=job.say,
    )
    try:
        run_train(wanted)
    except ChangedRunError:
        remove(run.trained.path)
        job.say(f"removed {run.trained.path}: it was trained on other images; it is trained anew")
        run_train(replace(wanted, resume=False))


def _settings(training: AuditTraining, *, seed: int, num_non_faces: int) -> RunSettings:
    flags: dict[str, object] = {"architecture": "vae", "seed": seed}
    if num_non_faces >= training.least_non_faces:
        # Nobody uses its operating point: any that its validation resolves will do.
        flags |= {"architecture": "db-vae", "target_fpr": max(0.01, 200.0 / num_non_faces)}
    return load_settings(
        preset=training.preset,
        config=training.config,
        assignments=training.assignments,
        flags=flags,
    )
