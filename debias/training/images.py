"""From the images that a person named to the rows that train, validate and test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from debias.data.manifest import Manifest
from debias.data.source import ImageSource
from debias.data.splits import assign_splits
from debias.data.store import ImageStore, build_store, default_cache
from debias.data.windows import expand_windows
from debias.errors import DataError, TooFewNegativesError
from debias.metrics.operating_point import negatives_needed, smallest_target_fpr
from debias.models.db_vae import CLASSIFYING
from debias.training.settings import RunSettings
from debias.training.validation import LabelledRows

SPLITS = ("train", "val", "test")
LABELS = ((1, "faces"), (0, "non-faces"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitImages:
    """Decoded images and where each belongs.

    Attributes:
        manifest: the images that could be decoded, windows included, each in a split.
        store: their pixels.
    """

    manifest: Manifest
    store: ImageStore

    def rows(self, split: str) -> LabelledRows:
        """Return the store's rows of a split, by label."""
        table = self.manifest.table[self.manifest.table["split"] == split]
        faces, non_faces = (
            self.store.rows(table.loc[table["label"] == label, "image_id"]) for label, _ in LABELS
        )
        return LabelledRows(faces=faces, non_faces=non_faces)

    def counts(self) -> dict[str, int]:
        """Return the number of images of each split and label, as ``train/faces``."""
        return _counts(self.manifest)

    def digest(self) -> str:
        """Return a digest of pixels, labels and splits: equal ones train the same model."""
        columns = ["image_id", "label", "split", "identity_id"]
        table = self.manifest.table[columns].sort_values("image_id").fillna("").astype(str)
        content = self.store.directory.name + table.to_csv(index=False)
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()

    def described(self) -> str:
        """Return the counts in words, and how many images failed."""
        counts = self.counts()
        parts = [
            f"{split} " + " + ".join(f"{counts[f'{split}/{name}']:,} {name}" for _, name in LABELS)
            for split in SPLITS
        ]
        failed = len(self.store.failures)
        return "; ".join(parts) + (f"; {failed:,} could not be decoded" if failed else "")


def split_images(
    source: ImageSource,
    settings: RunSettings,
    *,
    cache: Path | None = None,
    num_workers: int | None = None,
    show_progress: bool = True,
) -> SplitImages:
    """Return the images of a source: split, cut into windows, and decoded.

    Args:
        source: what a person named.
        settings: of the run.
        cache: where decoded images are kept.
        num_workers: threads that decode; None uses all cores.
        show_progress: draw a progress bar.

    Raises:
        DataError: the images are not valid, or a split that is needed has none.
        TooFewNegativesError: the validation non-faces do not resolve the operating point.
    """
    data = settings.data
    manifest = source.load(fractions=data.fractions, seed=data.seed)
    if manifest.table["label"].isna().any():
        raise DataError(
            "images without a label cannot train",
            where=source.images,
            hint="Give a manifest with a `label` column, or --faces DIR and --non-faces DIR",
        )
    manifest = assign_splits(manifest, fractions=data.fractions, seed=data.seed)
    manifest = expand_windows(
        manifest, num_windows=data.windows, seed=data.seed, min_side=data.min_side
    )
    _require_enough(manifest, settings)
    store = build_store(
        manifest,
        settings.decoding,
        cache=cache or default_cache(),
        num_workers=num_workers,
        strict=data.strict,
        progress=show_progress,
    )
    decoded = manifest.subset(manifest.table["image_id"].isin(store.image_ids).to_numpy())
    _require_enough(decoded, settings)
    return SplitImages(manifest=decoded, store=store)


def _counts(manifest: Manifest) -> dict[str, int]:
    found: pd.Series[int] = manifest.table.groupby(["split", "label"]).size()
    return {
        f"{split}/{name}": int(found.get((split, label), 0))
        for split in SPLITS
        for label, name in LABELS
    }


def _require_enough(manifest: Manifest, settings: RunSettings) -> None:
    """Refuse, before any training, images that cannot give what is asked for."""
    counts = _counts(manifest)
    classifies = settings.architecture in CLASSIFYING
    for split in ("train", "val"):
        for label, name in LABELS:
            if not counts[f"{split}/{name}"] and (label or classifies):
                raise DataError(
                    f"there are no {name} in split {split}",
                    where="images",
                    hint="Add some, or give a `split` column that places them",
                )
    needed, there = negatives_needed(target_fpr=settings.target_fpr), counts["val/non-faces"]
    if classifies and there < needed:
        windows = -(-needed * settings.data.windows // there)
        possible = smallest_target_fpr(num_negatives=there)
        rate = f", or ask for {possible:g} or more (--target-fpr)" if possible else ""
        raise TooFewNegativesError(
            f"an operating point at a false-positive rate of {settings.target_fpr:.3g} needs "
            f"{needed:,} validation non-faces (10 expected false positives) and there are "
            f"{there:,}",
            where="images",
            hint=f"Add non-face pictures, cut more windows from each (--windows {windows}){rate}",
        )
