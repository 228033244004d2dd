"""A model on disk: weights as safetensors, settings as JSON. Nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from debias.config import build, to_table
from debias.errors import CheckpointError, ConfigError, DataError
from debias.models.db_vae import Architecture, FaceModel
from debias.models.networks import NetworkSettings
from debias.rundir import atomic_path, read_json, write_json

MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Description:
    architecture: Architecture
    network: NetworkSettings


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors to a safetensors file, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(plain))  # its own writer makes files that only the owner reads


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise CheckpointError("no such file", where=path) from None
    except SafetensorError as error:
        raise CheckpointError(f"not a readable safetensors file: {error}", where=path) from None


def save_model(model: FaceModel, directory: Path, *, about: Mapping[str, Any]) -> None:
    """Write a model so that :func:`load_model` gives it back.

    Args:
        model: any; an encoder of your own must be given again to load it.
        directory: where ``model.json`` and ``weights.safetensors`` go.
        about: JSON facts to keep beside the settings, such as the epoch.
    """
    description = {
        "format": FORMAT,
        "architecture": model.architecture,
        "network": to_table(model.settings),
        "about": dict(about),
    }
    save_tensors(model.state_dict(), directory / WEIGHTS_FILE)
    write_json(directory / MODEL_FILE, description)


def load_model(
    directory: Path, *, encoder: nn.Module | None = None, num_features: int | None = None
) -> FaceModel:
    """Return the model that :func:`save_model` wrote, on the CPU and in eval mode.

    Args:
        directory: where ``model.json`` and ``weights.safetensors`` are.
        encoder: for a model with an encoder of your own, such a module; the saved weights are
            loaded into it.
        num_features: the width of ``encoder``'s features; needed with ``encoder``.

    Raises:
        CheckpointError: a file is missing, damaged, of a newer format, or does not fit.
        ConfigError: the model has an encoder of your own, and none is given.
    """
    settings, architecture = _read_description(directory)
    model = FaceModel(
        settings, architecture=architecture, encoder=encoder, num_features=num_features
    )
    try:
        model.load_state_dict(load_tensors(directory / WEIGHTS_FILE))
    except RuntimeError as error:
        raise CheckpointError(
            "the weights do not fit the settings beside them",
            where=directory,
            hint=" ".join(str(error).split()),
        ) from None
    return model.eval()


def _read_description(directory: Path) -> tuple[NetworkSettings, Architecture]:
    """Return what ``model.json`` says of a model, checked."""
    file = directory / MODEL_FILE
    if not file.is_file():
        raise CheckpointError(
            "no saved model",
            where=directory,
            hint="Give a run directory in which training has finished at least one epoch",
        )
    try:
        description = read_json(file)
    except DataError as error:
        raise CheckpointError(error.what, where=file) from None
    if not isinstance(description, dict):
        raise CheckpointError("not a description of a model", where=file)
    if description.get("format") != FORMAT:
        raise CheckpointError(
            f"format {description.get('format')!r} is not known to this version of debias",
            where=file,
            hint="Install the version that wrote it",
        )
    known = {key: description[key] for key in _Description.__slots__ if key in description}
    try:
        saved = build(_Description, known, where="model")
    except ConfigError as error:
        raise CheckpointError(f"{error.where}: {error.what}", where=file, hint=error.hint) from None
    return saved.network, saved.architecture
