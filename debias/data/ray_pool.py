"""Work on the machines of a Ray cluster, results in order; :mod:`debias.data.pool` is for one.

Ray is an extra: it is imported when a cluster is asked for, and nowhere else. Items and results
travel pickled between processes of one cluster and one user; nothing from a file is unpickled.
"""

from __future__ import annotations

import logging
import os
import pickle
import re
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from debias.data.manifest import Manifest
from debias.data.pool import num_cores
from debias.errors import DataError, DebiasError, EngineError, MissingExtraError, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")

Kind = Literal["CPU", "GPU"]
MOUNT = "Mount the folder on every machine of the cluster, under the same path"
OBJECT_STORE_BYTES = 200_000_000
"""Of a cluster that is started here: items and results wait there, and both are small."""
OTHER_ADDRESS = "Check --engine-address and RAY_ADDRESS, or leave both out to use this machine"
CONNECT_SECONDS = 10.0
_ERROR = re.compile(r"[A-Za-z_][\w.]*(Error|Exception): ")
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_worker_niceness": "0",  # 15 by default, which starves workers on a machine that is shared
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # it prints what only its developers can act on
}
"""Ray reads these when it is imported and hands them on to its processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RayCluster:
    """Which cluster works, and with how many workers.

    Attributes:
        address: of a cluster that runs, such as ``10.0.0.5:6379`` or ``auto``; None for that in
            the environment's RAY_ADDRESS, or else for one of this machine's processes, which is
            started and stopped again.
        num_workers: processes that work; None for one a processor of the cluster.
    """

    address: str | None = None
    num_workers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RayWorkers:
    """The workers of a cluster that is connected.

    Args:
        ray: the module.
        wanted: how many; None for one a processor.
    """

    ray: Any
    wanted: int | None

    def num_processors(self, kind: Kind) -> int:
        """Return how many processors of a kind the cluster has, all machines together."""
        return int(self.ray.cluster_resources().get(kind, 0))

    def in_order(
        self,
        make_work: Callable[[], Callable[[Item], Result]],
        items: Iterable[Item],
        *,
        kind: Kind = "CPU",
    ) -> Iterator[Result]:
        """Yield ``make_work()(item)`` for each item, in their order.

        Each worker makes its work once, then takes items as it gets on. An item whose worker dies
        is given to another one, so that a death costs time only. An error of debias's own that
        the work raises is raised here.

        Args:
            make_work: pickled to the workers; what it loads, each of them loads once.
            items: what to work on; each is one task, and worth some tenths of a second.
            kind: what each worker has one of.

        Raises:
            EngineError: the cluster has fewer processors than workers are asked for, or does not
                finish the work.
        """
        size = self._size(kind)
        rows = [{"item": pickle.dumps(item)} for item in items]
        if not rows:
            return
        dataset = self.ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _Worker,
            fn_constructor_kwargs={"make_work": make_work},
            batch_size=1,
            compute=self.ray.data.ActorPoolStrategy(size=min(size, len(rows))),
            num_cpus=1 if kind == "CPU" else 0,
            num_gpus=0 if kind == "CPU" else 1,
        )
        dataset.context.execution_options.preserve_order = True
        dataset.context.enable_progress_bars = False
        dataset.context.print_on_execution_start = False
        try:
            for row in dataset.iter_rows():
                outcome = pickle.loads(row["result"])
                if isinstance(outcome, DebiasError):
                    raise outcome
                yield outcome
        except self.ray.exceptions.RayError as problem:
            raise EngineError(
                f"did not finish the work: {_reason(problem)[:300]}",
                where="the Ray cluster",
                hint="Every machine of it needs the same debias-faces and extras as this one",
            ) from problem

    def _size(self, kind: Kind) -> int:
        there = self.num_processors(kind)
        wanted = there if self.wanted is None else self.wanted
        if wanted > there or there == 0:  # Ray would wait for more without end
            raise EngineError(
                f"has {there} {kind}s for {wanted or 1} workers of one each",
                where="the Ray cluster",
                hint="Ask for fewer with --workers, or start more machines",
            )
        return wanted


def _reason(problem: Exception) -> str:
    """Return what went wrong first, from the traces that Ray's own errors wrap around it."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    causes = [line for line in lines if _ERROR.match(line) and not line.startswith("ray.")]
    return next(iter([*causes, *lines[-1:]]), type(problem).__name__)


@contextmanager
def connected(cluster: RayCluster) -> Iterator[RayWorkers]:
    """Give the workers of a cluster; a connection to one that is there already is used.

    Args:
        cluster: which.

    Raises:
        MissingExtraError: Ray is not installed.
        EngineError: there is no cluster at the address.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():  # Ray warns of its own parts
        warnings.simplefilter("ignore")
        try:
            import ray
            import ray.data
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"needs {error.name}, which is not installed",
                where="--engine ray",
                hint="Install it with: pip install 'debias-faces[ray]'",
            ) from None
        was_there = ray.is_initialized()
        if not was_there:
            _start(ray, cluster)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        try:
            yield RayWorkers(ray=ray, wanted=cluster.num_workers)
        finally:
            if not was_there:
                ray.shutdown()


def _start(ray: Any, cluster: RayCluster) -> None:
    address = cluster.address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"address": address}
    if not address:
        options = {
            "address": "local",  # not one that somebody else started on this machine
            "num_cpus": cluster.num_workers or num_cores(),
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
    else:
        _require_answer(address)
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as problem:  # Ray raises a bare one where its processes are slow to start
        ray.shutdown()
        reason = " ".join(str(problem).split()) or type(problem).__name__
        raise EngineError(
            f"no Ray cluster can be used: {reason[:200]}",
            where=address or "this machine",
            hint=OTHER_ADDRESS,
        ) from problem


def _require_answer(address: str) -> None:
    """Refuse an address at which nothing listens, for which Ray would wait for minutes.

    Raises:
        EngineError: there is no answer.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):  # such as "auto", which Ray looks up
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as problem:
        raise EngineError(
            f"no Ray cluster can be used: {problem.strerror or problem}",
            where=address,
            hint=OTHER_ADDRESS,
        ) from None


def refuse_shards(manifest: Manifest) -> None:
    """Refuse shards: workers are given files to read, and a shard is read from start to end.

    Raises:
        UsageError: the pictures are in shards.
    """
    if manifest.shards is not None:
        raise UsageError(
            "reads files, and these pictures are in shards",
            where="--engine ray",
            hint="Leave it out, or unpack them",
        )


def require_root(root: Path) -> None:
    """Refuse, on a worker, a folder of pictures that is not there.

    Raises:
        DataError: it is not.
    """
    if not root.is_dir():
        raise DataError(
            f"there is no such folder on the worker {socket.gethostname()}", where=root, hint=MOUNT
        )


def require_seen(path: Path, reason: str) -> None:
    """Refuse, where the work was asked for, that a worker could not read what can be read here.

    Args:
        path: a file.
        reason: why it gave no pixels.

    Raises:
        DataError: the reason is none here: another folder lies there.
    """
    unread = reason == "there is no such file" or reason.startswith("cannot be read:")
    if unread and path.is_file() and os.access(path, os.R_OK):
        raise DataError(f"a worker says {reason}, and here it can be read", where=path, hint=MOUNT)


class _Worker:
    """What each process of a cluster holds.

    Args:
        make_work: makes what it does with an item.
    """

    def __init__(self, make_work: Callable[[], Callable[[Any], Any]]) -> None:
        self._make_work = make_work
        self._work: Callable[[Any], Any] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """Return the pickled results of some pickled items."""
        return {"result": [pickle.dumps(self._outcome(item)) for item in batch["item"]]}

    def _outcome(self, item: bytes) -> Any:
        try:
            if self._work is None:
                self._work = self._make_work()
            return self._work(pickle.loads(item))
        except DebiasError as problem:  # a result like any other: Ray would wrap and retry it
            return problem
