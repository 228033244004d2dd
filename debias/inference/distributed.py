"""Score images on a Ray cluster: each worker decodes its files and scores them.

No store is built, so nothing is kept but scores and digests: a set larger than any disk can be
scored. Batches are fixed by the image set alone, so scores do not depend on how many workers
there are or which of them die.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
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
from debias.data.tables import TEXT
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
    bar = tqdm(desc="Scoring", total=len(manifest), disable=not progress, unit=" images")
    with connected(cluster) as workers, bar:
        kind = _kind(device, workers)
        make_work = partial(
            make_scorer, model.cpu(), root=manifest.root.resolve(), settings=settings, kind=kind
        )
        scored = workers.in_order(make_work, _tasks(files), kind=kind)
        digests, reasons, logits = _as_columns(scored, bar.update)
    failed = [(files[place], reason) for place, reason in reasons.items()]
    for file, reason in failed:
        require_seen(manifest.root / file.path, reason)
    failures = pd.DataFrame(
        [(name, file.path, reason) for file, reason in failed for name in file.image_ids],
        columns=FAILURE_COLUMNS,
    )
    require_decoded(failures, manifest, strict=strict)
    is_scored = np.ones(len(files), dtype=np.bool_)
    is_scored[list(reasons)] = False
    image_ids = pd.Index(pd.array(files.ids_of(is_scored), dtype=TEXT))
    return ScoredImages(
        predictions=prediction_rows(manifest, pd.Series(logits, index=image_ids)),
        failures=failures,
        key=store_key(files.with_digests(digests), settings),
        device=f"ray:{'cpu' if kind == 'CPU' else 'cuda'}",
    )


def _as_columns(
    scored: Iterable[Sequence[ScoredFile]], advance: Callable[[int], object]
) -> tuple[pa.LargeStringArray, dict[int, str], NDArray[np.float64]]:
    """Return what is said of all files: the digests, the reasons by the file's place, the logits.

    Args:
        scored: of a few files at a time, in their order.
        advance: called with a number of windows each time that so many more are done.
    """
    digests: list[pa.LargeStringArray] = []
    reasons: dict[int, str] = {}
    logits: list[NDArray[np.float64]] = []
    place = 0
    for found in scored:
        digests.append(pa.array([one.digest for one in found], pa.large_string()))
        logits.append(np.concatenate([one.logits for one in found]))
        for one in found:
            if one.reason is not None:
                reasons[place] = one.reason
            place += 1
        advance(sum(1 if one.reason else len(one.logits) for one in found))
    texts = pa.chunked_array(digests, pa.large_string()).combine_chunks()
    return texts, reasons, np.concatenate(logits)


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


def _tasks(files: Iterable[SourceFile]) -> Iterator[Sequence[SourceFile]]:
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
