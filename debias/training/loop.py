"""The training loop: latents, histograms, weights, indices, batch, step, and latents again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from debias.data.store import ImageStore
from debias.inference.pixels import place_store
from debias.models.checkpoint import save_model
from debias.models.db_vae import FaceModel, ModelOutput, training_loss
from debias.resampling.sampler import plan_epoch
from debias.resampling.streaming import LatentStream
from debias.rundir import RunDir
from debias.seeding import numpy_generator
from debias.training.augment import augment
from debias.training.batches import EpochLatents, load_batch, stream_for
from debias.training.guard import LossGuard, require_finite
from debias.training.optimization import (
    averaged,
    build_optimizer,
    epoch_steps,
    learning_rate,
    set_learning_rate,
)
from debias.training.processes import Processes, processes_of
from debias.training.progress import Monitor
from debias.training.randomness import epoch_generators, torch_seeded
from debias.training.settings import RunSettings
from debias.training.state import Progress, load_state, save_state
from debias.training.validation import LabelledRows, validation_figures
from debias.training.weighting import Rebuild, Weigher, health_figures, latent_weigher

Forward = Callable[[Tensor, Tensor, torch.Generator], ModelOutput]
LossWeigher = Callable[[NDArray[np.int64], Tensor], Tensor]
SHOWN = ("effective_sample_size",)  # of the weights' health, on the progress bar


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """A store, and which of its rows train and validate."""

    store: ImageStore
    train: LabelledRows
    validation: LabelledRows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What a training consists of, set up once.

    Attributes:
        model: the bare model, whose parameters are trained.
        average: its moving average, if one is kept.
        selected: the model that is validated, encoded with and saved: the average, if kept.
        forward: the model as Fabric (and the compiler) wrapped it.
        optimizer: the bare optimiser.
        stepper: the same as Fabric wrapped it.
    """

    settings: RunSettings
    data: TrainingData
    fabric: Fabric
    model: FaceModel
    average: AveragedModel | None
    selected: FaceModel
    forward: Forward
    optimizer: torch.optim.Optimizer
    stepper: torch.optim.Optimizer
    num_batches: int
    learning_rate: Callable[[int], float]
    monitor: Monitor
    weigher: Weigher | None
    loss_weigher: LossWeigher | None
    stream: LatentStream | None
    processes: Processes


def fit(
    model: FaceModel,
    data: TrainingData,
    *,
    settings: RunSettings,
    fabric: Fabric,
    run: RunDir,
    show_progress: bool = True,
    weigher: Weigher | None = None,
    loss_weigher: LossWeigher | None = None,
) -> Progress:
    """Train a model, writing the selected one, the states and the logs to a run directory.

    If the run directory holds states, training goes on from the newest. On the CPU the result
    is, bit for bit, that of a run that was never interrupted, with the same number of threads.

    Args:
        model: a fresh model, the same in every process.
        data: images.
        settings: of the run.
        fabric: launched; gives device, precision and processes.
        run: where to write.
        show_progress: whether to draw a bar.
        weigher: gives the faces' sampling weights whenever they are due, in every process; those
            of the first count. None for the settings' rule, and uniform draws for a model without
            a latent space.
        loss_weigher: from the store's rows of a batch and their classification losses, both of
            shape (batch,), how much each loss counts, relative to 1; None for all alike.

    Returns:
        The history, and which epoch's model was kept.

    Raises:
        ConfigError: the pixels do not fit in the memory of the device that is to hold them.
        TrainingError: the loss is not finite, or diverges; the states on disk are from before.
        CheckpointError: the states on disk do not fit the settings.
    """
    training = settings.training
    data = replace(data, store=place_store(data.store, fabric.device, training.pixels))
    model.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = averaged(model, training.average) if training.average else None
    optimizer = build_optimizer(model, training)
    modules: dict[str, nn.Module] = {"model": model}
    if average is not None:
        modules["average"] = average
    processes, num_faces = processes_of(fabric), len(data.train.faces)
    stream = stream_for(model, num_faces, settings=settings.weighting, processes=processes)
    state = load_state(run.checkpoints, modules=modules, optimizer=optimizer, stream=stream)
    progress, probabilities = state or (Progress(), torch.empty(0, dtype=torch.float64))
    wrapped, stepper = fabric.setup(model, optimizer)
    num_batches = epoch_steps(training, num_faces=num_faces)
    parts = _Parts(
        settings=settings,
        data=data,
        fabric=fabric,
        model=model,
        average=average,
        selected=cast(FaceModel, model if average is None else average.module),
        forward=torch.compile(wrapped) if training.compile else wrapped,
        optimizer=optimizer,
        stepper=stepper,
        num_batches=num_batches,
        learning_rate=partial(learning_rate, training, num_steps=training.epochs * num_batches),
        monitor=Monitor(
            run,
            num_steps=training.epochs * num_batches,
            first_step=progress.epoch * num_batches,
            show=show_progress and fabric.is_global_zero,
            write=fabric.is_global_zero,
        ),
        weigher=weigher or (latent_weigher if model.latent_head is not None else None),
        loss_weigher=loss_weigher,
        stream=stream,
        processes=processes,
    )
    with parts.monitor as monitor, torch_seeded(settings.seed, "training"):
        for epoch in range(progress.epoch, training.epochs):
            monitor.start_epoch()
            probabilities = _refresh(parts, progress, probabilities)
            monitor.show({k: value for k, value in progress.health.items() if k in SHOWN})
            means = _train_epoch(parts, probabilities, progress, epoch=epoch)
            progress.epoch = epoch + 1
            if fabric.is_global_zero:
                _finish_epoch(parts, progress, {**means, **progress.health}, run)
            save_state(
                run.checkpoints,
                progress=progress,
                modules=modules,
                optimizer=optimizer,
                probabilities=probabilities,
                stream=stream,
                processes=processes,
            )
            if fabric.is_global_zero:
                monitor.log_epoch(progress.history)
            fabric.barrier()
    return progress


def _refresh(parts: _Parts, progress: Progress, probabilities: Tensor) -> Tensor:
    """Return the faces' sampling probabilities for the next epoch, the same on every rank.

    Their health goes to ``progress``, also where draws are uniform, for the active latents.
    """
    train = parts.data.train
    if parts.weigher is None:
        return torch.full((len(train.faces),), 1 / len(train.faces), dtype=torch.float64)
    rebuild = Rebuild(
        model=parts.selected,
        store=parts.data.store,
        faces=train.faces,
        non_faces=train.non_faces,
        epoch=progress.epoch,
        settings=parts.settings.weighting,
        autocast=parts.fabric.autocast,
        stream=parts.stream,
        processes=parts.processes,
    )
    if rebuild.is_due:
        weights = parts.weigher(rebuild)
        progress.health = health_figures(weights)
        probabilities = torch.from_numpy(weights.probabilities)
    return parts.fabric.broadcast(probabilities)


def _train_epoch(
    parts: _Parts, probabilities: Tensor, progress: Progress, *, epoch: int
) -> dict[str, float]:
    """Make the steps of an epoch; returns the mean loss parts."""
    settings, training, fabric = parts.settings, parts.settings.training, parts.fabric
    first_step = epoch * parts.num_batches
    faces, non_faces = parts.data.train.faces, parts.data.train.non_faces
    plan = plan_epoch(
        face_probabilities=probabilities.numpy(),
        num_non_faces=max(1, len(non_faces)),
        batch_size=training.batch_size,
        seed=settings.seed,
        epoch=epoch,
        num_batches=parts.num_batches,
    )
    latents = EpochLatents(parts.stream, plan, probabilities.numpy())
    plan = plan.shard(fabric.global_rank, fabric.world_size)
    # A model that does not classify is trained on the faces alone.
    others = plan.non_face_rows[:, : None if parts.model.classifier is not None else 0]
    rank, device = fabric.global_rank, fabric.device
    changes, noise = epoch_generators(settings.seed, epoch, rank=rank, device=device)
    guard = LossGuard(factor=training.divergence, progress=progress, first_step=first_step)
    parts.model.train()
    for batch, step in enumerate(range(first_step, first_step + parts.num_batches)):
        images, y, chosen = load_batch(
            parts.data.store, faces[plan.face_rows[batch]], non_faces[others[batch]], device=device
        )
        face_rows = torch.arange(len(plan.face_rows[batch]), device=device)
        images = augment(images, settings.augmentation, generator=changes)
        output = parts.forward(images, face_rows, noise)
        latents.add(output, num_faces=len(face_rows))
        loss = training_loss(
            output,
            images,
            y,
            face_rows,
            settings=settings.objective,
            kl_scale=settings.objective.kl_scale(step / parts.num_batches),
            loss_weigher=None
            if parts.loss_weigher is None
            else partial(parts.loss_weigher, chosen),
        )
        set_learning_rate(parts.optimizer, parts.learning_rate(step))
        parts.stepper.zero_grad(set_to_none=True)
        fabric.backward(loss.total)
        if training.gradient_clip:
            torch.nn.utils.clip_grad_norm_(parts.model.parameters(), training.gradient_clip)
        parts.stepper.step()
        if parts.average is not None:
            parts.average.update_parameters(parts.model)
        parts.monitor.advance(len(images) * fabric.world_size)
        if guard.add(loss.stacked()):
            parts.monitor.show({name: part for name, part in guard.check().items() if part})
            latents.count()
    guard.check()
    latents.end()
    return guard.epoch_means()


def _finish_epoch(
    parts: _Parts, progress: Progress, figures: dict[str, float], run: RunDir
) -> None:
    """Validate, save the model if it is the one to keep so far, and add a row to the history."""
    settings = parts.settings
    validated = validation_figures(
        parts.selected,
        parts.data.store,
        parts.data.validation.sample(
            settings.training.validation_images,
            generator=numpy_generator(settings.seed, "validation"),
        ),
        settings=settings.objective,
        autocast=parts.fabric.autocast,
    )
    loss, last = validated["val_loss"], settings.training.selection == "last"
    require_finite(parts.selected, loss, step=progress.epoch * parts.num_batches)
    if last or progress.best_loss is None or loss < progress.best_loss:
        progress.best_epoch, progress.best_loss = progress.epoch, loss
        save_model(parts.selected, run.model, about={"epoch": progress.epoch, "val_loss": loss})
    progress.history.append(
        {
            "epoch": progress.epoch,
            **validated,
            **figures,
            "learning_rate": parts.learning_rate(progress.epoch * parts.num_batches - 1),
            "images_per_second": parts.monitor.images_per_second,
        }
    )
