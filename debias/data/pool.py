"""Work in threads, results in order, never more than a few of them waiting."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Enough for the threads never to wait for the writer, few enough to bound the memory.
WAITING_PER_WORKER = 4


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], num_workers: int
) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in their order, computed in threads.

    Reading, decoding and resizing an image leave Python's lock alone, so threads keep the cores
    busy, but for thumbnails, half of whose time is Python's own. Unlike processes they start at
    once and in any program.

    Args:
        work: called in several threads at once.
        items: taken one by one, a little ahead of the results.
        num_workers: threads.
    """
    rest = iter(items)
    pool = ThreadPoolExecutor(num_workers)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in islice(rest, WAITING_PER_WORKER * num_workers):
            waiting.append(pool.submit(work, item))
        while waiting:
            yield waiting.popleft().result()
            for item in islice(rest, 1):
                waiting.append(pool.submit(work, item))
    finally:
        pool.shutdown(cancel_futures=True)


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
