"""Score images on a Ray cluster: each worker decodes its files and scores them.

No store is built, so nothing is kept but scores and digests: a set larger than any disk can be
scored. Batches are fixed by the image set alone, so scores do not depend on how many workers
there are or which of them die.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from debias.data.decode import DecodeSettings, ImageError, decode_windows, quiet_pillow, read_bytes
from debias.data.digests import READ_FAILED, digest_bytes
from debias.data.manifest import Manifest
from debias.data.ray_pool import (
    Kind,
    RayCluster,
    RayWorkers,
    connected,
    refuse_shards,
    require_root,
    require_seen,
)
from debias.data.source_files import (
    FAILURE_COLUMNS,
    SourceFile,
    require_decoded,
    source_files,
    store_key,
)
from debias.data.store import ImageStore
from debias.errors import UsageError
from debias.inference.predict import predict_logits
from debias.inference.scoring import ScoredImages, prediction_rows
from debias.models.db_vae import FaceModel

WINDOWS_A_TASK = 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredFile:
    """What a worker says of a file.

    Attributes:
        digest: of its content, or why it cannot be read; see :mod:`debias.data.digests`.
        reason: why it gives no pixels; None where it does.
        logits: log odds of "face", float64 of shape (window,); empty where there is a reason.
    """

    digest: str
    reason: str | None
    logits: NDArray[np.float64]


def score_on_ray(
    model: FaceModel,
    manifest: Manifest,
    settings: DecodeSettings,
    *,
    cluster: RayCluster,
    device: str = "auto",
    strict: bool = False,
    progress: bool = False,
) -> ScoredImages:
    """Return the scores of a manifest's images, computed on a cluster.

    Pixels, failures and the key are those of :func:`~debias.data.store.build_store`. Scores are
    those of :func:`~debias.inference.scoring.score_images` but for the last digits, which depend
    on which images share a batch.

    Args:
        model: a model that classifies; it is sent to the workers.
        manifest: the images; the workers must see its root under the same path.
        settings: how to decode them.
        cluster: who works.
        device: ``cpu``, or ``cuda`` for a GPU each worker; ``auto`` for GPUs where it has any.
        strict: refuse images that cannot be decoded.
        progress: show on standard error how far it is.

    Raises:
        DataError: no image can be decoded, or with ``strict``, one cannot; or workers do not see
            the files that are here.
        EngineError: see :func:`~debias.data.ray_pool.connected` and
            :meth:`~debias.data.ray_pool.RayWorkers.in_order`.
        UsageError: workers cannot be told to use this device.
        MissingExtraError: Ray is not installed.
    """
    refuse_shards(manifest)
    files = source_files(manifest)
    tasks = list(_tasks(files))
    scored: list[ScoredFile] = []
    bar = tqdm(desc="Scoring", total=len(manifest), disable=not progress, unit=" images")
    with connected(cluster) as workers, bar:
        kind = _kind(device, workers)
        make_work = partial(
            make_scorer, model.cpu(), root=manifest.root.resolve(), settings=settings, kind=kind
        )
        for found in workers.in_order(make_work, tasks, kind=kind):
            scored += found
            bar.update(sum(1 if one.reason else len(one.logits) for one in found))
    for file, one in zip(files, scored, strict=True):
        if one.reason is not None:
            require_seen(manifest.root / file.path, one.reason)
    failures = pd.DataFrame(
        [
            (image_id, file.path, one.reason)
            for file, one in zip(files, scored, strict=True)
            if one.reason is not None
            for image_id in file.image_ids
        ],
        columns=FAILURE_COLUMNS,
    )
    require_decoded(failures, manifest, strict=strict)
    digested = [replace(file, digest=one.digest) for file, one in zip(files, scored, strict=True)]
    return ScoredImages(
        predictions=prediction_rows(manifest, _by_id(files, scored)),
        failures=failures,
        key=store_key(digested, settings),
        device=f"ray:{'cpu' if kind == 'CPU' else 'cuda'}",
    )


def _kind(device: str, workers: RayWorkers) -> Kind:
    kinds: dict[str, Kind] = {"cpu": "CPU", "cuda": "GPU"}
    if device == "auto":
        return "GPU" if workers.num_processors("GPU") else "CPU"
    if device not in kinds:
        raise UsageError(
            f"workers cannot be told to use {device!r}",
            where="--device",
            hint="With --engine ray use auto, cpu or cuda, which is a GPU each worker",
        )
    return kinds[device]


def make_scorer(
    model: FaceModel, *, root: Path, settings: DecodeSettings, kind: Kind
) -> Callable[[Sequence[SourceFile]], list[ScoredFile]]:
    """Return what a worker does with some files: decode each, and score all windows at once.

    Args:
        model: a model that classifies, on the CPU.
        root: the folder of the files' paths.
        settings: how to decode them.
        kind: where the model is put.
    """
    placed = model.to("cpu" if kind == "CPU" else "cuda")

    def score(files: Sequence[SourceFile]) -> list[ScoredFile]:
        require_root(root)
        with quiet_pillow():
            decoded = [decode_file(file, root, settings) for file in files]
        pixels = [one for _, one in decoded if not isinstance(one, str)]
        logits = iter(_logits(placed, pixels))
        return [
            ScoredFile(digest=digest, reason=one, logits=np.empty(0))
            if isinstance(one, str)
            else ScoredFile(digest=digest, reason=None, logits=next(logits))
            for digest, one in decoded
        ]

    return score


def decode_file(
    file: SourceFile, root: Path, settings: DecodeSettings
) -> tuple[str, NDArray[np.uint8] | str]:
    """Return the digest of a file's content, and its windows or the reason why there are none."""
    try:
        data = read_bytes(root / file.path, settings)
    except ImageError as problem:
        return f"{READ_FAILED}{problem.what}", problem.what
    try:
        return digest_bytes(data), decode_windows(data, file.crops, settings)
    except ImageError as problem:
        return digest_bytes(data), problem.what


def _logits(model: FaceModel, pixels: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float64]]:
    """Return the logits of each file's windows."""
    if not pixels:
        return []
    images = np.concatenate(pixels)
    rows = np.arange(len(images))
    store = ImageStore(
        directory=Path(),
        images=images,
        image_ids=pd.Index(rows.astype(str)),
        failures=pd.DataFrame(columns=FAILURE_COLUMNS),
    )
    logits = predict_logits(model, store, rows)
    return np.split(logits, np.cumsum([len(one) for one in pixels])[:-1])


def _tasks(files: Sequence[SourceFile]) -> Iterator[Sequence[SourceFile]]:
    """Yield a few files at a time, of one batch of windows together."""
    task: list[SourceFile] = []
    waiting = 0
    for file in files:
        if task and waiting + len(file.crops) > WINDOWS_A_TASK:
            yield task
            task, waiting = [], 0
        task.append(file)
        waiting += len(file.crops)
    if task:
        yield task


def _by_id(files: Sequence[SourceFile], scored: Sequence[ScoredFile]) -> pd.Series[float]:
    """Return the logits by image id, of the images that have one."""
    ids = [
        image_id
        for file, one in zip(files, scored, strict=True)
        if one.reason is None
        for image_id in file.image_ids
    ]
    return pd.Series(np.concatenate([one.logits for one in scored]), index=pd.Index(ids))
