"""A model on disk: weights as safetensors, settings as JSON. Nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from debias.config import build, to_table
from debias.errors import CheckpointError
from debias.models.db_vae import FaceModel
from debias.models.networks import NetworkSettings
from debias.rundir import atomic_path, read_json, write_json

MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
FORMAT = 1


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
        model: a model whose encoder is described by its settings.
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


def load_model(directory: Path) -> FaceModel:
    """Return the model that :func:`save_model` wrote, on the CPU and in eval mode.

    Raises:
        CheckpointError: a file is missing, damaged, of a newer format, or does not fit.
    """
    if not (directory / MODEL_FILE).is_file():
        raise CheckpointError(
            "no saved model",
            where=directory,
            hint="Give a run directory in which training has finished at least one epoch",
        )
    description = read_json(directory / MODEL_FILE)
    if description.get("format") != FORMAT:
        raise CheckpointError(
            f"format {description.get('format')!r} is not known to this version of debias",
            where=directory / MODEL_FILE,
            hint="Install the version that wrote it",
        )
    settings = build(NetworkSettings, description["network"], where=str(directory / MODEL_FILE))
    model = FaceModel(settings, architecture=description["architecture"])
    try:
        model.load_state_dict(load_tensors(directory / WEIGHTS_FILE))
    except RuntimeError as error:
        raise CheckpointError(
            "the weights do not fit the settings beside them", where=directory, hint=str(error)
        ) from None
    return model.eval()
