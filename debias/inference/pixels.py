"""Where a store's pixels lie while a device computes, and batches of them as tensors.

A GPU takes a whole store of small images into its own memory (a million of 64 x 64 are 12 GB), and
then gathers each batch there; nothing crosses the bus but row numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from debias.data.store import ImageStore
from debias.errors import ConfigError

Placement = Literal["auto", "device", "host"]
ROWS_A_COPY = 4096
LARGEST_SHARE = 0.5
"""Of the free memory of a GPU, what ``auto`` gives to pixels; the rest is for the training."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedStore(ImageStore):
    """A store whose pixels also lie in the memory of a device.

    Attributes:
        pixels: all images, on the device.
    """

    pixels: UInt8[Tensor, "image height width channel"]


def place_store(
    store: ImageStore, device: torch.device, placement: Placement = "auto"
) -> ImageStore:
    """Return a store with its pixels where they are to lie while ``device`` computes.

    Args:
        store: decoded images.
        device: that will ask for batches.
        placement: ``device`` copies all pixels into its memory, main memory for ``cpu``; ``host``
            leaves them in the file, which the system keeps in memory as far as there is room;
            ``auto`` copies to a GPU if they take at most half of what is free there.

    Raises:
        ConfigError: with ``device``, they do not fit.
    """
    if placement == "host" or (placement == "auto" and not _has_room(store, device)):
        return store
    try:
        pixels = torch.empty(store.images.shape, dtype=torch.uint8, device=device)
    except RuntimeError as problem:  # OutOfMemoryError of accelerators, RuntimeError of the CPU
        raise ConfigError(
            f"{store.images.nbytes / 1e9:,.1f} GB of pixels do not fit in the memory of {device}",
            where="training.pixels",
            hint="Leave it at auto, or use host",
        ) from problem
    for start in range(0, len(store), ROWS_A_COPY):
        part = np.array(store.images[start : start + ROWS_A_COPY])
        pixels[start : start + len(part)].copy_(torch.from_numpy(part))
    return PlacedStore(
        directory=store.directory,
        images=store.images,
        image_ids=store.image_ids,
        failures=store.failures,
        pixels=pixels,
    )


def _has_room(store: ImageStore, device: torch.device) -> bool:
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return store.images.nbytes <= LARGEST_SHARE * free


def take(
    store: ImageStore, rows: NDArray[np.int64], device: torch.device
) -> UInt8[Tensor, "row channel height width"]:
    """Return images of a store on a device, channels last in memory.

    Args:
        store: decoded images, placed or not.
        rows: which, shape (row,), in any order, repeated or not.
        device: where they are to be.

    Raises:
        IndexError: a row is negative or beyond the last.
    """
    if isinstance(store, PlacedStore) and store.pixels.device == device:
        store.check_rows(rows)
        chosen = torch.from_numpy(rows).to(device, non_blocking=True)
        return store.pixels.index_select(0, chosen).permute(0, 3, 1, 2)
    images = torch.from_numpy(store.gather(rows))
    if device.type == "cuda":
        images = images.pin_memory()  # so that the copy need not wait for the steps before it
    return images.to(device, non_blocking=True).permute(0, 3, 1, 2)
