"""The audit's one decoding pass: each file is read and decoded once, and all is measured then."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
from tqdm import tqdm

from debias.audit.measured import MeasuredImages
from debias.audit.pass_parts import MeasuredRows, PartsFolder, joined, key_of, open_parts
from debias.audit.pass_tasks import PictureFile, measure_files
from debias.audit.pixel_measures import WORKING_SIDE
from debias.data.decode import Crop, DecodeSettings, Fit, quiet_pillow
from debias.data.manifest import WINDOW_COLUMNS, Manifest
from debias.data.pool import in_order, num_cores
from debias.data.ray_pool import RayCluster, connected, refuse_shards, require_root, require_seen
from debias.errors import ConfigError, DataError

FORMAT = 2
"""Raise it when the same files and settings come to give other measures."""
FILES_A_TASK = 32

Keyed = tuple[int, str, Sequence[PictureFile]]
"""The files of a part, with its number and its key."""
Measured = tuple[int, str, MeasuredRows]
"""A part that was measured, with its number and its key."""
Stamp = tuple[int, int, int] | None
"""A file's size and the times of its content and of its entry; None if there is no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassSettings:
    """How pictures are measured, and which files are refused.

    Args:
        fit: what of a picture that is not square light, colour, skin and thumbnail are taken of;
            see :class:`~debias.data.decode.DecodeSettings`.
        max_pixels: a file whose header announces more is refused undecoded.
        max_bytes: a larger file is refused unread.
        files_a_part: after so many files what was measured is kept on disk, and a pass that was
            interrupted goes on from there.

    Raises:
        ConfigError: a setting is out of its range.
    """

    fit: Fit = "crop"
    max_pixels: int = DecodeSettings().max_pixels
    max_bytes: int = DecodeSettings().max_bytes
    files_a_part: int = 2048

    def __post_init__(self) -> None:
        if self.files_a_part < 1:
            raise ConfigError(f"files_a_part is {self.files_a_part}", hint="It must be at least 1")
        _ = self.decode  # refuses the others

    @property
    def decode(self) -> DecodeSettings:
        """How files become small pictures."""
        return DecodeSettings(
            image_size=WORKING_SIDE,
            fit=self.fit,
            max_pixels=self.max_pixels,
            max_bytes=self.max_bytes,
        )


def measure_images(
    manifest: Manifest,
    *,
    settings: PassSettings,
    directory: Path,
    num_workers: int | None = None,
    ray: RayCluster | None = None,
    show_progress: bool = False,
    resume: bool = False,
) -> MeasuredImages:
    """Return what the pixels of each image tell, and keep it on disk.

    Each file is read and decoded once, at its full size, whatever number of rows are windows of
    it. A file that gives no pixels is a row with a reason. Memory does not grow with the number of
    images but for a row of measures each, some 700 bytes. Interrupted at any moment, the pass goes
    on with ``resume`` after the last part that was finished; files that changed are measured anew.
    Not for several threads at once; see :func:`debias.data.decode.quiet_pillow`.

    Args:
        manifest: the images; labels and splits do not matter here.
        settings: how to measure.
        directory: where to keep what was measured; made if it is missing.
        num_workers: threads; as many as there are cores when None. They change no measure.
        ray: the Ray cluster whose workers measure, and change no measure either; None for threads
            of this process. The workers must see the manifest's root under the same path.
        show_progress: show on standard error how far it is, and how long it will take.
        resume: go on with the pass that lies in ``directory``, if there is one; without it, what
            it holds is measured anew.

    Raises:
        ConfigError: there is no thread to work.
        DataError: the manifest has no rows; or ``resume``, and the directory holds a pass over
            other images or with other settings.
        EngineError: the Ray cluster cannot be reached, or does not finish.
        MissingExtraError: Ray is not installed.
        OutputError: the directory cannot be written.
    """
    if num_workers is not None and num_workers < 1:
        raise ConfigError(f"num_workers is {num_workers}", hint="It must be at least 1")
    if len(manifest) == 0:
        raise DataError("there are no images to measure", where=manifest.root)
    key = _pass_key(manifest, settings)
    folder = open_parts(directory, key=key, num_images=len(manifest), resume=resume)
    tables = _finished(manifest, settings, folder, key) if resume else {}
    bar = tqdm(
        desc="Measuring",
        initial=sum(len(table) for table in tables.values()),
        total=len(manifest),
        disable=not show_progress,
        unit=" images",
        dynamic_ncols=True,
    )
    missing = (
        (number, files)
        for number, files in enumerate(_parts(manifest, settings.files_a_part))
        if number not in tables
    )
    with quiet_pillow(), bar:
        keyed = ((number, _part_key(key, files, manifest), files) for number, files in missing)
        if ray is None:
            num_threads = num_workers or num_cores()
            parts = _measure_here(keyed, manifest, settings.decode, num_threads, bar)
        else:
            parts = _measure_on_ray(keyed, manifest, settings.decode, ray, bar)
        for number, part_key, part in parts:
            tables[number] = folder.write(number, part_key, part)
    return folder.gather(list(tables.values()), manifest)


def _finished(
    manifest: Manifest, settings: PassSettings, folder: PartsFolder, key: str
) -> dict[int, pd.DataFrame]:
    """Return the tables of the parts that are there, by their number."""
    tables = {}
    for number, files in enumerate(_parts(manifest, settings.files_a_part)):
        rows = np.array([row for file in files for row in file.rows], dtype=np.intp)
        table = folder.read(number, _part_key(key, files, manifest), rows)
        if table is not None:
            tables[number] = table
    return tables


def _measure_here(
    missing: Iterable[Keyed],
    manifest: Manifest,
    settings: DecodeSettings,
    num_workers: int,
    bar: tqdm[NoReturn],
) -> Iterator[Measured]:
    """Yield number, key and measures of each part, measured in threads."""
    measure = partial(measure_files, settings=settings)
    for number, part_key, files in missing:  # keys are taken before the files are read
        measured = []
        loaded = _loaded(_tasks(files), manifest, settings)
        for done in in_order(measure, loaded, num_workers):
            measured.append(done)
            bar.update(len(done.rows))
        yield number, part_key, joined(measured)


def _measure_on_ray(
    missing: Iterable[Keyed],
    manifest: Manifest,
    settings: DecodeSettings,
    cluster: RayCluster,
    bar: tqdm[NoReturn],
) -> Iterator[Measured]:
    """Yield number, key and measures of each part, measured by the workers of a cluster."""
    refuse_shards(manifest)
    parts = list(missing)
    root = manifest.root.resolve()
    tasks = [task for _, _, files in parts for task in _tasks(files)]
    with connected(cluster) as workers:
        results = workers.in_order(partial(make_measurer, settings=settings, root=root), tasks)
        for number, part_key, files in parts:
            measured = []
            for done in islice(results, len(_tasks(files))):
                measured.append(done)
                bar.update(len(done.rows))
            part = joined(measured)
            _require_seen(files, part)
            yield number, part_key, part


def make_measurer(
    *, settings: DecodeSettings, root: Path
) -> Callable[[Sequence[PictureFile]], MeasuredRows]:
    """Return what a worker of a cluster does with some files."""

    def measure(files: Sequence[PictureFile]) -> MeasuredRows:
        require_root(root)
        with quiet_pillow():
            return measure_files(files, settings=settings)

    return measure


def _require_seen(files: Sequence[PictureFile], part: MeasuredRows) -> None:
    reasons = dict(zip(part.rows.tolist(), part.reasons.tolist(), strict=True))
    for file in files:
        if reasons[file.rows[0]] is not None:
            require_seen(file.path, reasons[file.rows[0]])


def _loaded(
    tasks: Sequence[Sequence[PictureFile]], manifest: Manifest, settings: DecodeSettings
) -> Iterator[Sequence[PictureFile]]:
    """Yield the tasks with the content of their files, where these are in shards."""
    if manifest.shards is None:
        yield from tasks
        return
    paths = (_inside(file, manifest) for task in tasks for file in task)
    contents = manifest.shards.contents(paths, settings)
    for task in tasks:
        loaded = zip(task, islice(contents, len(task)), strict=True)
        yield [replace(file, content=content) for file, content in loaded]


def _inside(file: PictureFile, manifest: Manifest) -> str:
    return file.path.relative_to(manifest.root).as_posix()


def _tasks(files: Sequence[PictureFile]) -> list[Sequence[PictureFile]]:
    return [files[start : start + FILES_A_TASK] for start in range(0, len(files), FILES_A_TASK)]


def _parts(manifest: Manifest, num_files: int) -> Iterator[Sequence[PictureFile]]:
    """Yield the files, some at a time, each with all rows of it, in the order of first rows."""
    table = manifest.table
    codes, unique = pd.factorize(table["path"])
    paths = unique.tolist()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(paths)))
    windows = table[list(WINDOW_COLUMNS)].to_numpy(dtype=np.float64)
    for first in range(0, len(paths), num_files):
        part = []
        for number in range(first, min(first + num_files, len(paths))):
            rows = order[ends[number - 1] if number else 0 : ends[number]].tolist()
            crops = [None if math.isnan(windows[row, 0]) else Crop(*windows[row]) for row in rows]
            part.append(PictureFile(path=manifest.root / paths[number], rows=rows, crops=crops))
        yield part


def _pass_key(manifest: Manifest, settings: PassSettings) -> str:
    """Return a key of the rows and of how they are measured: not of where the files lie."""
    columns = ["image_id", "path", *WINDOW_COLUMNS]
    rows = pd.util.hash_pandas_object(manifest.table[columns], index=False).to_numpy()
    digest = hashlib.blake2b(rows.tobytes(), digest_size=16).hexdigest()
    return key_of(FORMAT, version("pillow"), asdict(settings), digest)


def _part_key(pass_key: str, files: Sequence[PictureFile], manifest: Manifest) -> str:
    """Return a key of a part: of its rows, and of its files as they are now."""
    shards = manifest.shards
    if shards is not None:
        return key_of(pass_key, [shards.digests[_inside(file, manifest)] for file in files])
    return key_of(pass_key, [_stamp(file.path) for file in files])


def _stamp(path: Path) -> Stamp:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns
