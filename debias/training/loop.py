"""The training loop: latents, histograms, weights, indices, batch, step, and latents again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from debias.data.store import ImageStore
from debias.models.checkpoint import save_model
from debias.models.db_vae import FaceModel, ModelOutput, training_loss
from debias.resampling.sampler import plan_epoch
from debias.rundir import RunDir
from debias.seeding import numpy_generator
from debias.training.augment import augment
from debias.training.guard import LossGuard
from debias.training.optimization import (
    averaged,
    build_optimizer,
    epoch_steps,
    learning_rate,
    set_learning_rate,
)
from debias.training.progress import Monitor
from debias.training.randomness import torch_generator, torch_seeded
from debias.training.settings import RunSettings
from debias.training.state import Progress, load_state, save_state
from debias.training.validation import LabelledRows, validation_figures
from debias.training.weighting import face_weights, health_figures

SHOWN = ("effective_sample_size",)  # of the weights' health, on the progress bar
Forward = Callable[[Tensor, Tensor, torch.Generator], ModelOutput]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """A store, and which of its rows train and validate."""

    store: ImageStore
    train: LabelledRows
    validation: LabelledRows


def fit(
    model: FaceModel,
    data: TrainingData,
    *,
    settings: RunSettings,
    fabric: Fabric,
    run: RunDir,
    show_progress: bool = True,
) -> Progress:
    """Train a model, writing the selected one, the states and the logs to a run directory.

    If the run directory holds states, training goes on from the newest. On the CPU the result
    is, bit for bit, that of a run that was never interrupted.

    Args:
        model: a fresh model, the same in every process.
        data: images.
        settings: of the run.
        fabric: launched; gives device, precision and processes.
        run: where to write.
        show_progress: whether to draw a bar.

    Returns:
        The history, and which epoch's model was kept.

    Raises:
        TrainingError: the loss is not finite, or diverges; the states on disk are from before.
        CheckpointError: the states on disk do not fit the settings.
    """
    training, seed = settings.training, settings.seed
    model.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = averaged(model, training.average) if training.average else None
    optimizer = build_optimizer(model, training)
    modules = {"model": model} if average is None else {"model": model, "average": average}
    progress, probabilities = load_state(run.checkpoints, modules=modules, optimizer=optimizer) or (
        Progress(),
        torch.empty(0, dtype=torch.float64),
    )
    selected = cast(FaceModel, model if average is None else average.module)
    wrapped, stepper = fabric.setup(model, optimizer)
    forward: Forward = torch.compile(wrapped) if training.compile else wrapped
    validation = data.validation.sample(
        training.validation_images, generator=numpy_generator(seed, "validation")
    )
    num_batches = epoch_steps(training, num_faces=len(data.train.faces))
    num_steps = training.epochs * num_batches
    monitor = Monitor(
        run,
        num_steps=num_steps,
        first_step=progress.epoch * num_batches,
        batch_size=training.batch_size,
        show=show_progress and fabric.is_global_zero,
        write=fabric.is_global_zero,
    )
    with monitor, torch_seeded(seed, "training"):
        for epoch in range(progress.epoch, training.epochs):
            monitor.start_epoch()
            probabilities, health = _refresh(
                selected, data, settings, fabric, epoch=epoch, probabilities=probabilities
            )
            monitor.show({name: health[name] for name in SHOWN if name in health})
            plan = plan_epoch(
                face_probabilities=probabilities.numpy(),
                num_non_faces=len(data.train.non_faces),
                batch_size=training.batch_size,
                seed=seed,
                epoch=epoch,
                num_batches=num_batches,
            ).shard(fabric.global_rank, fabric.world_size)
            # Apart, so that with and without a latent space the images are changed alike.
            changes, noise = (
                torch_generator(seed, name, epoch, fabric.global_rank, device=fabric.device)
                for name in ("augmentation", "posterior")
            )
            torch.manual_seed(noise.initial_seed())  # layers that draw by themselves: dropout
            guard = LossGuard(
                factor=training.divergence, progress=progress, first_step=epoch * num_batches
            )
            wrapped.train()
            for batch in range(num_batches):
                step = epoch * num_batches + batch
                images, y, face_rows = _load(
                    data,
                    plan.face_rows[batch],
                    plan.non_face_rows[batch],
                    classifies=model.classifier is not None,
                    device=fabric.device,
                )
                images = augment(images, settings.augmentation, generator=changes)
                output = forward(images, face_rows, noise)
                parts = training_loss(
                    output,
                    images,
                    y,
                    face_rows,
                    settings=settings.loss,
                    kl_scale=settings.loss.kl_scale(step / num_batches),
                )
                set_learning_rate(
                    optimizer, learning_rate(training, step=step, num_steps=num_steps)
                )
                stepper.zero_grad(set_to_none=True)
                fabric.backward(parts.total)
                if training.gradient_clip:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), training.gradient_clip)
                stepper.step()
                if average is not None:
                    average.update_parameters(model)
                monitor.advance()
                if guard.add(parts.stacked()):
                    monitor.show({name: part for name, part in guard.check().items() if part})
            guard.check()
            progress.epoch = epoch + 1
            if fabric.is_global_zero:
                figures = validation_figures(
                    selected,
                    data.store,
                    validation,
                    settings=settings.loss,
                    autocast=fabric.autocast,
                )
                _keep(selected, progress, figures["val_loss"], training.selection, run)
                progress.history.append(
                    {
                        "epoch": progress.epoch,
                        **guard.epoch_means(),
                        **figures,
                        **health,
                        "learning_rate": learning_rate(training, step=step, num_steps=num_steps),
                        "images_per_second": monitor.images_per_second,
                    }
                )
                save_state(
                    run.checkpoints,
                    progress=progress,
                    modules=modules,
                    optimizer=optimizer,
                    probabilities=probabilities,
                )
                monitor.log_epoch(progress.history)
            fabric.barrier()
    return progress


def _refresh(
    model: FaceModel,
    data: TrainingData,
    settings: RunSettings,
    fabric: Fabric,
    *,
    epoch: int,
    probabilities: Tensor,
) -> tuple[Tensor, dict[str, float]]:
    """Return the faces' sampling probabilities for an epoch and their health, on every rank."""
    resampling, num_faces = settings.resampling, len(data.train.faces)
    if model.latent_head is None or resampling.rule == "uniform" or epoch < resampling.warmup:
        return torch.full((num_faces,), 1 / num_faces, dtype=torch.float64), {}
    figures: dict[str, float] = {}
    if resampling.refresh_due(epoch) and fabric.is_global_zero:
        weights = face_weights(
            model, data.store, data.train.faces, settings=resampling, autocast=fabric.autocast
        )
        probabilities, figures = torch.from_numpy(weights.probabilities), health_figures(weights)
    return fabric.broadcast((probabilities, figures))


def _load(
    data: TrainingData,
    faces: NDArray[np.int64],
    non_faces: NDArray[np.int64],
    *,
    classifies: bool,
    device: torch.device,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return images as uint8 (batch, channel, height, width), labels, and the faces' indices.

    A model that does not classify is trained on the faces alone.
    """
    chosen = data.train.faces[faces]
    if classifies:
        chosen = np.concatenate([chosen, data.train.non_faces[non_faces]])
    images = torch.from_numpy(data.store.gather(chosen)).to(device, non_blocking=True)
    y = torch.zeros(len(chosen), device=device)
    y[: len(faces)] = 1
    return images.permute(0, 3, 1, 2), y, torch.arange(len(faces), device=device)


def _keep(
    model: FaceModel, progress: Progress, val_loss: float, selection: str, run: RunDir
) -> None:
    """Save the model if it is the one to keep so far."""
    if selection == "last" or progress.best_loss is None or val_loss < progress.best_loss:
        progress.best_epoch, progress.best_loss = progress.epoch, val_loss
        save_model(model, run.model, about={"epoch": progress.epoch, "val_loss": val_loss})
