"""``--engine ray``: the same results as in this process, whoever dies; on one small cluster."""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from debias.audit import pixel_pass
from debias.audit.pixel_pass import PassSettings, measure_images
from debias.data.decode import DecodeSettings
from debias.data.manifest import read_manifest
from debias.data.ray_pool import RayCluster, connected, require_seen
from debias.data.source_files import SourceFile, source_files
from debias.data.store import build_store
from debias.data.windows import expand_windows
from debias.errors import DataError, EngineError, UsageError
from debias.inference import distributed
from debias.inference.distributed import decode_file, score_on_ray
from debias.models.db_vae import FaceModel
from debias.models.networks import NetworkSettings
from debias.rundir import read_json
from debias.training.randomness import torch_seeded

if TYPE_CHECKING:  # a worker imports this file, and has not the tests' folder on its path
    from running import Debias, Python

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

NUM_WORKERS = 2


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """A cluster of this machine for all tests here, as ``debias`` itself starts one."""
    with connected(RayCluster(num_workers=NUM_WORKERS)):
        yield


@pytest.fixture(scope="module")
def damaged(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn set in another order, without one file, and with one that is broken."""
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "images").mkdir()
    for file in (drawn / "images").iterdir():
        (folder / "images" / file.name).write_bytes(file.read_bytes())
    (folder / "images" / "face-00007.jpg").unlink()
    (folder / "images" / "other-00003.jpg").write_bytes(b"not a picture")
    table = pd.read_csv(drawn / "images.csv").sample(frac=1, random_state=3)
    table.to_csv(folder / "images.csv", index=False)
    return folder


@pytest.fixture
def model() -> FaceModel:
    """An untrained classifier of 32 pixels, always the same."""
    settings = NetworkSettings(image_size=32, channels=(8, 16), blocks=(0,), latent_size=6)
    with torch_seeded(0, "initialisation"):
        return FaceModel(settings, architecture="classifier").eval()


def _scorer(*args: Any, **options: Any) -> Callable[[Sequence[SourceFile]], Any]:
    """Make the scorer that a worker finds; the one that is replaced here could not be pickled."""
    from debias.inference.distributed import make_scorer

    return make_scorer(*args, **options)


def test_predictions_are_those_of_this_process(
    trained: Path, damaged: Path, debias: Debias, tmp_path: Path
) -> None:
    for engine in ("local", "ray"):
        outcome = debias(
            *("predict", damaged / "images.csv", "--model", trained, "--engine", engine),
            *("--output", tmp_path / engine, "--device", "cpu", "--quiet"),
        )
        assert outcome.status == 0, outcome.err
        assert "13 could not be decoded" in outcome.out
    local, ray = (
        pd.read_parquet(tmp_path / engine / "predictions.parquet") for engine in ("local", "ray")
    )
    assert len(ray) == 119 + 59 * 12
    others = [name for name in local.columns if name != "y_score"]
    pd.testing.assert_frame_equal(ray[others], local[others])
    np.testing.assert_allclose(ray["y_score"], local["y_score"], rtol=0, atol=1e-6)
    failures = [(tmp_path / e / "failures.csv").read_text() for e in ("local", "ray")]
    assert failures[0] == failures[1]
    facts = [read_json(tmp_path / engine / "run.json")["data"] for engine in ("local", "ray")]
    assert facts[0] == facts[1]
    assert facts[0]["num_failed"] == 13


def test_workers_decode_the_very_pixels(damaged: Path, tmp_path: Path) -> None:
    settings = DecodeSettings(image_size=32)
    manifest = expand_windows(read_manifest(damaged / "images.csv"), num_windows=3, seed=0)
    store = build_store(manifest, settings, cache=tmp_path, progress=False)
    files = source_files(manifest)
    tasks = [files[start : start + 60] for start in range(0, len(files), 60)]

    def make_work() -> Callable[[Sequence[SourceFile]], list[NDArray[np.uint8] | str]]:
        return lambda files: [decode_file(file, damaged, settings)[1] for file in files]

    with connected(RayCluster()) as workers:
        decoded = [one for found in workers.in_order(make_work, tasks) for one in found]
    failed = 0
    for file, pixels in zip(files, decoded, strict=True):
        if isinstance(pixels, str):
            failed += len(file.image_ids)
        else:
            assert np.array_equal(pixels, store.gather(store.rows(list(file.image_ids))))
    assert failed == len(store.failures) == 4


def test_a_killed_worker_loses_nothing(
    model: FaceModel, damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "WINDOWS_A_TASK", 16)
    manifest = read_manifest(damaged / "images.csv")
    settings = DecodeSettings(image_size=32)
    score = partial(score_on_ray, model, manifest, settings, cluster=RayCluster(), device="cpu")
    whole = score()
    deaths = tmp_path / "deaths"
    deaths.mkdir()

    def make_mortal(*args: Any, **options: Any) -> Callable[[Sequence[SourceFile]], Any]:
        work = _scorer(*args, **options)

        def mortal(files: Sequence[SourceFile]) -> Any:
            death = deaths / files[0].image_ids[0]
            if files[0].image_ids[0] in fatal and not death.exists():
                death.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return work(files)

        return mortal

    firsts = [task[0].image_ids[0] for task in distributed._tasks(source_files(manifest))]
    assert len(firsts) > 10
    fatal = {firsts[2], firsts[7]}
    monkeypatch.setattr(distributed, "make_scorer", make_mortal)
    again = score()
    assert {file.name for file in deaths.iterdir()} == fatal
    pd.testing.assert_frame_equal(again.predictions, whole.predictions)  # to the last digit
    pd.testing.assert_frame_equal(again.failures, whole.failures)
    assert again.key == whole.key


def test_measures_are_those_of_this_process(
    damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_pass, "FILES_A_TASK", 8)
    manifest = expand_windows(read_manifest(damaged / "images.csv"), num_windows=2, seed=0)
    settings = PassSettings(files_a_part=50)
    measure = partial(measure_images, manifest, settings=settings)
    local = measure(directory=tmp_path / "local", num_workers=1)
    ray = measure(directory=tmp_path / "ray", ray=RayCluster())
    pd.testing.assert_frame_equal(ray.table, local.table, check_exact=True)
    for name in ("hashes", "thumbnails", "chroma"):
        assert np.array_equal(getattr(ray, name), getattr(local, name))
    assert (~ray.readable).sum() == 3
    # What one engine measured, the other goes on with.
    parts = sorted((tmp_path / "ray").glob("part-*.parquet"))
    assert len(parts) == 4
    assert [part.name for part in parts] == [
        part.name for part in sorted((tmp_path / "local").glob("part-*.parquet"))
    ]
    parts[1].unlink()
    again = measure(directory=tmp_path / "ray", num_workers=1, resume=True)
    pd.testing.assert_frame_equal(again.table, local.table, check_exact=True)


def test_an_audit_on_ray(damaged: Path, debias: Debias, tmp_path: Path) -> None:
    for engine in ("local", "ray"):
        outcome = debias(
            *("audit", damaged / "images.csv", "--engine", engine),
            *("--output", tmp_path / engine, "--quiet"),
        )
        assert outcome.status == 0, outcome.err
    tables = [(tmp_path / engine / "findings.csv").read_text() for engine in ("local", "ray")]
    assert tables[0] == tables[1]
    assert "there is no such file" in tables[0]


def test_results_keep_their_order_and_errors_their_words() -> None:
    def make_work() -> Callable[[int], int]:
        def work(item: int) -> int:
            if item == 99:
                raise DataError("is no number", where="item", hint="Give another")
            time.sleep(0.3 if item == 0 else 0.0)
            return item * item

        return work

    with connected(RayCluster()) as workers:
        assert list(workers.in_order(make_work, range(6))) == [k * k for k in range(6)]
        assert list(workers.in_order(make_work, [])) == []
        with pytest.raises(DataError, match=r"^item: is no number\. Give another$"):
            list(workers.in_order(make_work, [1, 99]))


def test_other_errors_of_workers_are_told() -> None:
    def make_work() -> Callable[[int], int]:
        raise ZeroDivisionError("of its own")

    with (
        connected(RayCluster()) as workers,
        pytest.raises(EngineError, match=r"did not finish.*of its own"),
    ):
        list(workers.in_order(make_work, [1]))


def test_more_workers_than_processors_are_refused() -> None:
    with (
        connected(RayCluster(num_workers=NUM_WORKERS + 1)) as workers,
        pytest.raises(EngineError, match=rf"has {NUM_WORKERS} CPUs for {NUM_WORKERS + 1} workers"),
    ):
        list(workers.in_order(lambda: pickle.dumps, [1]))


def test_files_that_workers_do_not_see(
    model: FaceModel, damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(damaged / "images.csv")
    settings = DecodeSettings(image_size=32)
    score = partial(score_on_ray, model, manifest, settings, cluster=RayCluster())

    def elsewhere(root: Path) -> Callable[..., Any]:
        return lambda *args, **options: _scorer(*args, **(options | {"root": root}))

    monkeypatch.setattr(distributed, "make_scorer", elsewhere(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"absent: there is no such folder on the worker.*Mount"):
        score(device="cpu")
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(distributed, "make_scorer", elsewhere(tmp_path / "empty"))
    with pytest.raises(DataError, match=r"a worker says there is no such file, and here it can"):
        score(device="cpu")
    with pytest.raises(DataError, match=r"face-.*a worker says there is no such file"):
        require_seen(damaged / "images" / "face-00001.jpg", "there is no such file")
    require_seen(damaged / "images" / "face-00007.jpg", "there is no such file")
    with pytest.raises(UsageError, match=r"--device: workers cannot be told to use 'mps'"):
        score(device="mps")


def test_a_cluster_that_is_not_there(drawn: Path, python: Python, tmp_path: Path) -> None:
    words = ["audit", drawn / "images.csv", "--output", tmp_path / "o"]
    code = "import sys; from debias.cli import main; sys.exit(main(sys.argv[1:]))"
    done = python(code, *words, "--engine", "ray", "--engine-address", "127.0.0.1:1")
    assert done.returncode == 1
    assert "debias audit: 127.0.0.1:1: no Ray cluster can be used: Conn" in done.stderr


BLOCKED = """
import sys
sys.modules["ray"] = None
from debias.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_without_ray_it_says_what_to_install(drawn: Path, python: Python, tmp_path: Path) -> None:
    words = ["audit", drawn / "images.csv", "--output", tmp_path / "o"]
    done = python(BLOCKED, *words, "--engine", "ray")
    assert done.returncode == 1
    assert "pip install 'debias-faces[ray]'" in done.stderr
    done = python(BLOCKED, *words, "--engine-address", "10.0.0.1:6379")
    assert done.returncode == 2
    assert "Add --engine ray" in done.stderr
