"""Pixels copied to a device are those of the store, and fit or are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from debias.data.store import ImageStore
from debias.errors import ConfigError
from debias.inference import pixels
from debias.inference.encode import encode
from debias.inference.pixels import PlacedStore, place_store, take
from debias.models.db_vae import FaceModel

CPU = torch.device("cpu")
ORDER = np.array([3, 0, 7, 7, 1, 5])


@pytest.mark.parametrize("placement", ["auto", "host"])
def test_a_cpu_reads_the_mapped_file(placement: pixels.Placement, store: ImageStore) -> None:
    assert place_store(store, CPU, placement) is store


@pytest.mark.parametrize("rows_a_copy", [1, 3, 4096])
def test_placed_pixels_are_those_of_the_store(
    rows_a_copy: int, store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "ROWS_A_COPY", rows_a_copy)
    placed = place_store(store, CPU, "device")
    assert isinstance(placed, PlacedStore)
    assert not np.shares_memory(placed.pixels.numpy(), store.images)
    there, here = take(placed, ORDER, CPU), take(store, ORDER, CPU)
    assert torch.equal(there, here)
    assert there.shape == (len(ORDER), 3, *store.images.shape[1:3])
    assert there.stride() == here.stride()


@pytest.mark.parametrize("rows", [[-1], [0, 8]])
@pytest.mark.parametrize("placement", ["host", "device"])
def test_a_row_that_is_not_there_is_refused(
    placement: pixels.Placement, rows: list[int], store: ImageStore
) -> None:
    with pytest.raises(IndexError, match="of 8"):
        take(place_store(store, CPU, placement), np.array(rows), CPU)


def test_a_model_on_another_device_gets_its_own_copies(store: ImageStore) -> None:
    placed = place_store(store, CPU, "device")
    assert take(placed, ORDER, torch.device("meta")).device.type == "meta"


def test_latents_are_the_same_wherever_pixels_lie(
    brightness_model: FaceModel, store: ImageStore
) -> None:
    from_file = encode(brightness_model, store, ORDER)
    from_copy = encode(brightness_model, place_store(store, CPU, "device"), ORDER)
    np.testing.assert_array_equal(from_file.mu, from_copy.mu)


@pytest.mark.parametrize(("free", "fits"), [(2.0, True), (1.9, False)])
def test_a_gpu_gives_pixels_half_of_what_is_free(
    free: float, fits: bool, store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu, size, made = torch.device("cuda"), store.images.nbytes, []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free * size, 100 * size))

    def empty(shape: tuple[int, ...], *, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        made.append(device)
        return torch.zeros(shape, dtype=dtype)  # no GPU is needed to see where it would be

    monkeypatch.setattr(torch, "empty", empty)
    assert isinstance(place_store(store, gpu, "auto"), PlacedStore) == fits
    assert made == ([gpu] if fits else [])


def test_pixels_that_do_not_fit_say_so(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "empty", full)
    with pytest.raises(ConfigError, match=r"GB of pixels do not fit in the memory of cpu") as told:
        place_store(store, CPU, "device")
    assert told.value.where == "training.pixels"
