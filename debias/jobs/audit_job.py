"""What to audit, and where to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from debias.data.ray_pool import RayCluster
from debias.data.source import ImageSource
from debias.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditTraining:
    """With which settings an audit trains a model of its own; later ones win.

    The images decide the architecture, and the audit's seed is that of the training.

    Attributes:
        least_non_faces: with as many non-faces it is a DB-VAE, with fewer a VAE of the faces.
        preset: named settings of :data:`debias.training.settings.PRESETS`.
        config: a TOML file of settings.
        assignments: single ones, as ``section.key=value``.
    """

    least_non_faces: int
    preset: str = "default"
    config: Path | None = None
    assignments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditJob:
    """What to audit, and where to write.

    Attributes:
        source: the images.
        output: the directory for ``audit.html`` and what belongs to it.
        attributes: what is known of the people shown, by ``image_id``; None for nothing.
        groups: the attributes whose shares are judged, and crossed; ``new=column`` renames.
        provenance: where the labels of each attribute come from, by its name.
        reference: a table of the shares that groups should have; None asks for equal ones.
        models: run directories of models with a latent space, of which the first says who is
            rare; further ones are asked for what their latents tell of attributes. None asks no
            model.
        train: trains such a model on these images first; None trains none.
        embedding: vectors by ``image_id``, to look for copies in as well.
        write_manifest: also write a cleaned, rebalanced set to train on.
        include_ids: name some images of each finding, and the rarest faces, in the page.
        include_images: show the rarest and the most common faces, and what the decoder makes of
            them, even if they are photographs. It takes a model.
        seed: of everything that is drawn at random.
        device: of the model: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        overwrite: replace an existing audit.
        resume: continue an audit, perhaps with other options: pictures that were measured are not
            read again, nor is a model trained again on the same images with the same settings.
        cache: where images decoded for the model are kept.
        num_workers: threads that decode, or with Ray processes that measure; None uses all cores.
        ray: the Ray cluster that measures the pictures; None measures them in this process. What
            a model is asked is computed in this process all the same.
        show_progress: draw progress bars.
        say: takes a line for the person watching.
    """

    source: ImageSource
    output: Path
    attributes: Path | None = None
    groups: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    reference: Path | None = None
    models: tuple[Path, ...] = ()
    train: AuditTraining | None = None
    embedding: Path | None = None
    write_manifest: bool = False
    include_ids: bool = False
    include_images: bool = False
    seed: int = 0
    device: str = "auto"
    overwrite: bool = False
    resume: bool = False
    cache: Path | None = None
    num_workers: int | None = None
    ray: RayCluster | None = None
    show_progress: bool = True
    say: Callable[[str], None] = print

    @property
    def inputs(self) -> list[tuple[str, Path]]:
        """Role and path of what is read, and no output may replace."""
        files = [
            ("attributes", self.attributes),
            ("reference", self.reference),
            *(("model", model) for model in self.models),
            ("embedding", self.embedding),
            ("config", None if self.train is None else self.train.config),
        ]
        named = [(role, path) for role, path in files if path is not None]
        return [*(("images", path) for path in self.source.inputs), *named]


def check_models(models: Sequence[Path], *, trains_model: bool, include_images: bool) -> None:
    """Refuse models that exclude each other, and pictures that take a model where there is none.

    Args:
        models: run directories to ask.
        trains_model: one is trained first.
        include_images: photographs are shown.

    Raises:
        UsageError: it is so.
    """
    if models and trains_model:
        raise UsageError("--model and --train-model exclude each other")
    resolved = [model.resolve() for model in models]
    for model, path in zip(models, resolved, strict=True):
        if resolved.count(path) > 1:
            raise UsageError(
                f"names {model} twice",
                where="--model",
                hint="Give runs of different trainings, or this one once",
            )
    if include_images and not models and not trains_model:
        raise UsageError(
            "shows the faces of the largest and the smallest weight, and weights take a model",
            where="--include-images",
            hint="Add --model RUN or --train-model",
        )
