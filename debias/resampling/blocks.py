"""Latents and vectors read in blocks, by as many threads as there are cores.

NumPy leaves Python's lock while it computes, so threads suffice. Blocks are cut in the same places
and their results joined in the same order however many threads there are: so every sum is the same
to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from debias.data.pool import in_order, num_cores
from debias.errors import DataError

Result = TypeVar("Result")

_BLOCK_BYTES = 2**21  # of a block's values: what stays in the processor's cache
_VECTOR_BLOCK = 2**18  # values of a vector in a block
_LEAST_SHARED = 2**22  # values below which threads cost more than they save


@runtime_checkable
class TensorLike(Protocol):
    """What is read like a torch tensor; torch itself is not imported."""

    def detach(self) -> Any:
        """Return the values without their gradient."""
        ...


LatentArray: TypeAlias = NDArray[Any] | TensorLike


def as_matrix(latents: LatentArray) -> NDArray[Any]:
    """Return ``latents`` as a NumPy array of shape (image, latent), copied only if it must be.

    Raises:
        DataError: not a matrix of real numbers, or an empty one.
    """
    array: Any = latents
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        if array.is_floating_point() and array.element_size() < 4:
            array = array.float()  # NumPy knows no bfloat16
        array = array.numpy()
    matrix: NDArray[Any] = np.asanyarray(array)
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "fiu":
        raise DataError(
            f"latents must be real numbers of shape (image, latent), at least one of each, not "
            f"{matrix.dtype} of shape {matrix.shape}"
        )
    return matrix


def over_blocks(
    matrix: NDArray[Any],
    work: Callable[[slice, NDArray[np.floating]], Result],
    *,
    dtype: type[np.floating] | None = None,
    chunk: int | None = None,
    num_threads: int | None = None,
) -> Iterator[Result]:
    """Yield ``work(rows, values)`` for blocks of consecutive rows, in their order.

    Args:
        matrix: shape (image, latent).
        work: called in several threads at once, with values of shape (latent, row), contiguous in
            each dimension.
        dtype: of the values; where None, float32 if that holds them exactly, else float64.
        chunk: rows in a block; chosen to fit the cache where None.
        num_threads: as many as there are cores where None; one where there is little to do.

    Raises:
        DataError: a value is not finite; names its row and dimension.
    """
    if dtype is None:
        dtype = np.float32 if np.can_cast(matrix.dtype, np.float32) else np.float64
    most = _BLOCK_BYTES // (matrix.shape[1] * np.dtype(dtype).itemsize)
    step = max(1, most if chunk is None else chunk)

    def piece(start: int) -> Result:
        rows = slice(start, min(start + step, len(matrix)))
        return work(rows, read_block(matrix, rows, dtype=dtype))

    starts = range(0, len(matrix), step)
    return share_out(piece, starts, num_values=matrix.size, num_threads=num_threads)


def read_block(
    matrix: NDArray[Any], rows: slice, *, dtype: type[np.floating]
) -> NDArray[np.floating]:
    """Return some rows as ``dtype``, shape (latent, row), contiguous in each dimension.

    Args:
        matrix: shape (image, latent).
        rows: consecutive ones.
        dtype: one that holds the values exactly.

    Raises:
        DataError: a value is not finite; names its row and dimension.
    """
    block: NDArray[np.floating] = np.ascontiguousarray(matrix[rows].T, dtype=dtype)
    finite = np.isfinite(block)
    if not finite.all():
        row, latent = (int(place) for place in np.argwhere(~finite.T)[0])
        raise DataError(
            f"the value of dimension {latent} is {block[latent, row]}",
            where=f"latents, row {rows.start + row}",
            hint="An encoder gives such values when its training diverged; look at its loss",
        )
    return block


def over_stretches(
    length: int, work: Callable[[slice], Result], *, num_threads: int | None = None
) -> Iterator[Result]:
    """Yield ``work(places)`` for consecutive stretches of a vector, in their order.

    Args:
        length: of the vector.
        work: called in several threads at once.
        num_threads: as many as there are cores where None; one where there is little to do.
    """

    def piece(start: int) -> Result:
        return work(slice(start, min(start + _VECTOR_BLOCK, length)))

    starts = range(0, length, _VECTOR_BLOCK)
    return share_out(piece, starts, num_values=length, num_threads=num_threads)


def share_out(
    work: Callable[[int], Result], items: range, *, num_values: int, num_threads: int | None
) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in their order, computed in threads where that pays.

    Args:
        work: called in several threads at once.
        items: what there is to do.
        num_values: how many values that is in all.
        num_threads: as many as there are cores where None; one where there is little to do.
    """
    num_workers = num_cores() if num_threads is None else num_threads
    if num_workers == 1 or num_values < _LEAST_SHARED:
        return map(work, items)
    return in_order(work, items, num_workers)
