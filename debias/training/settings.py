"""The settings of a training run, section by section, and the named presets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from debias.config import build, check_keys, merge, parse_assignments, read_toml, to_table
from debias.data.decode import DecodeSettings, Fit
from debias.errors import ConfigError, nearest
from debias.models.db_vae import CLASSIFYING, Architecture
from debias.models.losses import LossSettings
from debias.models.networks import NetworkSettings
from debias.resampling.settings import ResamplingSettings
from debias.training.augment import AugmentSettings
from debias.training.optimization import TrainingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """How images become pixels; their size is the model's.

    Attributes:
        fit: how an image that is not square becomes square.
        windows: windows cut from each non-face picture; the first is its centre square.
        min_side: smallest side of the other windows, as a share of the picture's short side.
        validation: share of the images held out to validate, where no split is given.
        test: share held out to test, where no split is given.
        seed: of the splits and windows that are made; apart from the run's seed, so that runs of
            several seeds are judged on the same images.
        strict: stop at the first set of images that cannot be decoded, instead of leaving
            them out and listing them.
    """

    fit: Fit = "crop"
    windows: int = 1
    min_side: float = 0.35
    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    strict: bool = False

    def __post_init__(self) -> None:
        if self.windows < 1:
            raise ConfigError(f"{self.windows} is below 1", where="data.windows")
        if not 0 < self.min_side <= 1:
            raise ConfigError("must be in (0, 1]", where="data.min_side")
        if not (self.validation > 0 and self.test >= 0 and self.validation + self.test < 1):
            raise ConfigError("shares must be positive and leave room for training", where="data")

    @property
    def fractions(self) -> tuple[float, float, float]:
        """The shares of train, validation and test, where no split is given."""
        return (1 - self.validation - self.test, self.validation, self.test)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Everything that decides a model, given the images.

    Attributes:
        architecture: which model: ``db-vae``; its ``classifier`` alone; or, of faces alone, an
            ``autoencoder``, a ``vae``, or a ``beta-vae`` (whose beta is ``loss.kl``).
        seed: of initialisation, augmentation and sampling.
        target_fpr: the false-positive rate at which the operating point is set, on the
            validation non-faces.
    """

    architecture: Architecture = "db-vae"
    seed: int = 0
    target_fpr: float = 0.01
    data: DataSettings = field(default_factory=DataSettings)
    model: NetworkSettings = field(default_factory=NetworkSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    resampling: ResamplingSettings = field(default_factory=ResamplingSettings)
    augmentation: AugmentSettings = field(default_factory=AugmentSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def __post_init__(self) -> None:
        if not 0 < self.target_fpr < 1:
            raise ConfigError(f"{self.target_fpr} is outside (0, 1)", where="target_fpr")
        latents = self.resampling.latents
        if latents and max(latents) >= self.model.latent_size:
            raise ConfigError(
                f"latent {max(latents)} does not exist",
                where="resampling.latents",
                hint=f"The model has latents 0 to {self.model.latent_size - 1}",
            )

    @property
    def objective(self) -> LossSettings:
        """The loss in force: a VAE's KL weight follows from the evidence bound, not ``loss.kl``."""
        if self.architecture == "vae":
            return self.loss.as_elbo(self.model.image_size)
        return self.loss

    @property
    def weighting(self) -> ResamplingSettings:
        """The resampling in force: without a classifier there is no ``margin``, but ``product``."""
        if self.resampling.rule == "margin" and self.architecture not in CLASSIFYING:
            return dataclasses.replace(self.resampling, rule="product")
        return self.resampling

    @property
    def decoding(self) -> DecodeSettings:
        """How image files become pixels of the model's size."""
        return DecodeSettings(image_size=self.model.image_size, fit=self.data.fit)


# No augmentation, a constant rate and no average: what both published recipes have in common.
_PUBLISHED: dict[str, Any] = {
    "augmentation": to_table(AugmentSettings.none()),
    "training": {
        "optimizer": "adam",
        "learning_rate": 5e-4,
        "weight_decay": 0.0,
        "schedule": "constant",
        "warmup": 0.0,
        "average": 0.0,
        "gradient_clip": 0.0,
        "batch_size": 32,
    },
}

PRESETS: dict[str, dict[str, Any]] = {
    # What experiments/rivals finds best. ``margin`` needs a classifier, so it is training's default
    # and not that of ResamplingSettings, which serve any latents.
    "default": {"resampling": {"rule": "margin", "target_ess": 0.3}},
    # [Amini2019], section "Experimental setup". It states neither the widths of the
    # convolutions nor the weights of the loss; both are the lab's here.
    "paper": merge(
        _PUBLISHED,
        {
            "model": {
                "image_size": 64,
                "channels": [12, 24, 48, 72],
                "kernel_sizes": [5],
                "blocks": [0],
                "norm": "batch",
                "pool": "flatten",
                "upsampling": "transposed",
                "hidden": 1000,
                "latent_size": 100,
            },
            "loss": {"pixel_loss": "l2", "pixel_reduction": "mean", "kl": 5e-4},
            "resampling": {"rule": "paper", "alpha": 0.01},
        },
    ),
    # The MIT course's laboratory on the method, with its errors mended: the log variance is one,
    # channels are RGB throughout, and non-faces stay out of the autoencoder.
    "mit-lab": merge(
        _PUBLISHED,
        {
            "model": {
                "image_size": 64,
                "channels": [12, 24, 48, 72],
                "kernel_sizes": [5, 5, 3, 3],
                "blocks": [0],
                "norm": "batch",
                "pool": "flatten",
                "upsampling": "transposed",
                "hidden": 512,
                "latent_size": 100,
            },
            "loss": {"pixel_loss": "l1", "pixel_reduction": "mean", "kl": 5e-4},
            "resampling": {"rule": "max", "alpha": 0.001, "num_bins": 10},
        },
    ),
}


def load_settings(
    *,
    preset: str = "default",
    config: Path | None = None,
    assignments: Iterable[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> RunSettings:
    """Return the settings of a run; later sources win: preset, file, assignments, flags.

    Args:
        preset: a name in :data:`PRESETS`.
        config: a TOML file with the sections of :class:`RunSettings`.
        assignments: ``section.key=value`` texts.
        flags: a nested table from command-line flags.

    Raises:
        ConfigError: an unknown preset or key, a wrong type, or a value out of range.
    """
    if preset not in PRESETS:
        raise ConfigError(
            f"unknown preset {preset!r}", where="--preset", hint=nearest(preset, PRESETS)
        )
    file = {} if config is None else read_toml(config)
    check_keys(RunSettings, file, where=str(config))  # so that the error names the file
    tables = (
        PRESETS[preset],
        file,
        parse_assignments(assignments),
        flags or {},
    )
    return build(RunSettings, merge(*tables))
