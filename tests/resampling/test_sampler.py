from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sized
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare
from torch.utils.data import DataLoader, TensorDataset

from debias.errors import CheckpointError, ConfigError, DataError, UsageError
from debias.resampling.draws import DrawMethod, draw_epoch
from debias.resampling.sampler import AdaptiveSampler, plan_epoch
from debias.resampling.settings import ResamplingSettings
from debias.seeding import numpy_generator

METHODS: tuple[DrawMethod, ...] = ("systematic", "multinomial")


def generator(seed: int = 0) -> np.random.Generator:
    return numpy_generator(seed, "test")


def skewed(num_images: int) -> NDArray[np.float64]:
    weights = np.random.default_rng(3).gamma(0.5, size=num_images)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def planted_latents(num_images: int = 1000) -> torch.Tensor:
    """One dimension in which the first 3 % of the images are rare, and one of noise."""
    rare = torch.where(torch.arange(num_images) < 0.03 * num_images, 1.0, 0.0)
    return torch.stack([rare, torch.linspace(0, 1, num_images)], dim=1)


@given(
    weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=50).filter(lambda w: sum(w) > 0),
    num_draws=st.integers(1, 300),
    seed=st.integers(0, 2**32),
)
def test_systematic_draws_are_within_one_of_their_expectation(
    weights: list[float], num_draws: int, seed: int
) -> None:
    shares = np.array(weights)
    rows = draw_epoch(shares, num_draws, generator=generator(seed))
    counts = np.bincount(rows, minlength=shares.size)
    expected = shares / shares.sum() * num_draws
    assert counts.sum() == num_draws
    assert counts.size == shares.size
    assert (np.abs(counts - expected) < 1 + 1e-6).all()


@pytest.mark.parametrize("method", METHODS)
def test_draws_follow_the_probabilities(method: DrawMethod) -> None:
    shares = skewed(20)
    totals = np.zeros(20)
    for seed in range(40):
        rows = draw_epoch(shares, 500, generator=generator(seed), method=method)
        totals += np.bincount(rows, minlength=20)
    # Independent draws fit at the usual level; systematic ones fit better than chance would.
    assert chisquare(totals, shares * totals.sum()).pvalue > 0.01


@pytest.mark.parametrize("method", METHODS)
def test_an_image_of_probability_zero_is_never_drawn(method: DrawMethod) -> None:
    shares = np.array([0.0, 0.3, 0.0, 0.0, 0.7, 0.0])
    for seed in range(50):
        rows = draw_epoch(shares, 200, generator=generator(seed), method=method)
        assert set(rows.tolist()) == {1, 4}


class FixedGenerator(np.random.Generator):
    """Gives one number in [0, 1) whenever it is asked for some."""

    def __init__(self, number: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.number = number

    def random(self, size: Any = None, dtype: Any = None, out: Any = None) -> Any:
        return self.number if size is None else np.full(size, self.number)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", [0.0, np.nextafter(1.0, 0.0)])
def test_the_ends_of_the_unit_interval_draw_no_image_of_probability_zero(
    method: DrawMethod, number: float
) -> None:
    shares = np.array([0.0, 0.25, 0.0, 0.5, 0.25, 0.0])
    rows = draw_epoch(shares, 1000, generator=FixedGenerator(number), method=method)
    assert set(rows.tolist()) <= {1, 3, 4}


@pytest.mark.parametrize("method", METHODS)
def test_beyond_two_to_the_24_every_image_can_be_drawn(method: DrawMethod) -> None:
    num_images = 2**24 + 1000
    shares = np.full(num_images, 1.0 / num_images)
    shares[-1000:] *= 1000  # the part that a float32 sum would lose
    rows = draw_epoch(shares, 100_000, generator=generator(), method=method)
    total = num_images - 1000 + 1000 * 1000
    tail = 1000 * 1000 / total
    upper = (num_images / 2 - 1000 + 1000 * 1000) / total
    assert np.mean(rows >= num_images - 1000) == pytest.approx(tail, abs=0.003)
    assert np.mean(rows >= num_images / 2) == pytest.approx(upper, abs=0.006)
    assert rows.max() < num_images
    assert len(np.unique(rows[rows >= num_images - 1000])) > 990


@pytest.mark.parametrize("method", METHODS)
def test_draws_come_in_random_order(method: DrawMethod) -> None:
    rows = draw_epoch(np.ones(2000), 2000, generator=generator(), method=method)
    assert abs(np.corrcoef(rows, np.arange(2000))[0, 1]) < 0.1


def test_uniform_systematic_draws_take_every_image_once() -> None:
    rows = draw_epoch(np.full(1000, 1e-3), 1000, generator=generator())
    assert (np.bincount(rows, minlength=1000) >= 1).mean() > 0.99


def test_the_same_generator_gives_the_same_draws() -> None:
    first, second, other = (
        draw_epoch(skewed(100), 300, generator=generator(seed)) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize(
    "probabilities",
    [
        np.array([]),
        np.array([0.0, 0.0]),
        np.array([0.5, -0.1]),
        np.array([0.5, np.nan]),
        np.array([0.5, np.inf]),
        np.ones((2, 2)),
    ],
)
def test_probabilities_that_cannot_be_are_refused(probabilities: NDArray[Any]) -> None:
    with pytest.raises(DataError, match="probabilities"):
        draw_epoch(probabilities, 5, generator=generator())


def test_draws_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        draw_epoch(np.ones(3), 0, generator=generator())
    method: Any = "bootstrap"
    with pytest.raises(UsageError, match="systematic or multinomial"):
        draw_epoch(np.ones(3), 5, generator=generator(), method=method)


def test_the_sampler_debiases_a_plain_pytorch_loop() -> None:
    latents = planted_latents()
    settings = ResamplingSettings(rule="paper", latents=(0,))
    sampler = AdaptiveSampler(1000, settings=settings, seed=0)
    loader = DataLoader(TensorDataset(torch.arange(1000)), batch_size=50, sampler=sampler)
    shares = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        rows = torch.cat([batch for (batch,) in loader])
        assert len(rows) == 1000
        shares.append((rows < 30).double().mean().item())
        health = sampler.update(latents)
        assert health.balanced == (0,)
    rare, common = 0.03 / 0.04, 0.97 / 0.98
    assert shares[0] == pytest.approx(0.03, abs=0.003)  # uniform before the first update
    # Each of the 30 images comes 14 or 15 times; the sum is within 1 of its expectation.
    assert shares[1:] == pytest.approx([rare / (rare + common)] * 2, abs=0.0011)


def test_each_epoch_differs_and_can_be_drawn_again() -> None:
    sampler = AdaptiveSampler(100, seed=4)
    epochs = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        epochs.append(list(sampler))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    sampler.set_epoch(1)
    assert list(sampler) == epochs[1]
    assert list(sampler) == epochs[2]  # epochs follow one another without set_epoch
    assert list(AdaptiveSampler(100, seed=5)) != epochs[0]


@pytest.mark.parametrize("num_replicas", [2, 3])
def test_ranks_share_one_epoch_in_equal_parts(num_replicas: int) -> None:
    parts = []
    for rank in range(num_replicas):
        sampler = AdaptiveSampler(100, seed=1, num_draws=200, rank=rank, num_replicas=num_replicas)
        sampler.update(planted_latents(100))
        sized: Sized = sampler
        parts.append(list(sampler))
        assert len(parts[-1]) == len(sized) == -(-200 // num_replicas)
    alone = AdaptiveSampler(100, seed=1, num_draws=len(parts[0]) * num_replicas)
    alone.update(planted_latents(100))
    together = [row for turn in zip(*parts, strict=True) for row in turn]
    assert together == list(alone)


def test_state_survives_a_file_without_pickled_code() -> None:
    first = AdaptiveSampler(1000, seed=7)
    first.update(planted_latents())
    list(first)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = AdaptiveSampler(1000, seed=0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert second.epoch == 1
    assert list(second) == list(first)
    np.testing.assert_array_equal(second.probabilities, first.probabilities)


def test_state_does_not_follow_the_sampler_it_was_taken_from() -> None:
    sampler = AdaptiveSampler(1000)
    state = sampler.state_dict()
    sampler.update(planted_latents())
    assert state["probabilities"].unique().numel() == 1
    other = AdaptiveSampler(1000)
    other.load_state_dict(state)
    state["probabilities"].zero_()
    assert other.probabilities.sum() == pytest.approx(1.0)


def test_states_that_do_not_fit_are_refused() -> None:
    sampler = AdaptiveSampler(10)
    with pytest.raises(CheckpointError, match="10 images"):
        sampler.load_state_dict(AdaptiveSampler(11).state_dict())
    with pytest.raises(CheckpointError, match="epoch, seed"):
        sampler.load_state_dict({"probabilities": np.ones(10)})


def test_update_tells_inactive_dimensions_from_either_source() -> None:
    mu = planted_latents()
    log_var = torch.zeros_like(mu)
    mu[:, 0] *= 4  # a divergence of 0.24 nats
    mu[:, 1] *= 0.1  # the noise says almost nothing: 0.002 nats
    by_log_var = AdaptiveSampler(1000).update(mu, log_var=log_var)
    by_divergence = AdaptiveSampler(1000).update(mu, kl_per_latent=np.array([0.24, 0.0017]))
    assert by_log_var == by_divergence
    assert by_log_var.active == (0,)
    sampler = AdaptiveSampler(1000)
    assert sampler.update(mu).active == (0, 1)
    assert sampler.weights is not None
    assert sampler.probabilities is sampler.weights.probabilities


def test_updates_that_do_not_fit_are_refused_and_change_nothing() -> None:
    sampler = AdaptiveSampler(1000)
    latents = planted_latents()
    with pytest.raises(DataError, match="999 images"):
        sampler.update(latents[:999])
    with pytest.raises(UsageError, match="not both"):
        sampler.update(latents, log_var=latents, kl_per_latent=np.ones(2))
    latents[5, 0] = torch.nan
    with pytest.raises(DataError, match="row 5"):
        sampler.update(latents)
    assert (sampler.probabilities == 1 / 1000).all()
    assert sampler.weights is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_images": 0},
        {"num_draws": 0},
        {"rank": 2, "num_replicas": 2},
        {"rank": -1, "num_replicas": 2},
        {"num_replicas": 0},
    ],
)
def test_samplers_that_cannot_be_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        AdaptiveSampler(**{"num_images": 10, **arguments})


def plan(epoch: int = 0, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "face_probabilities": skewed(100),
        "num_non_faces": 70,
        "batch_size": 16,
        "seed": 0,
        "epoch": epoch,
    }
    return plan_epoch(**{**arguments, **changes})


def test_a_plan_has_half_a_batch_of_each() -> None:
    epoch = plan()
    assert epoch.num_batches == 12  # 100 faces fill 12 halves of 8
    assert epoch.face_rows.shape == epoch.non_face_rows.shape == (12, 8)
    assert epoch.face_rows.dtype == epoch.non_face_rows.dtype == np.int64
    counts = np.bincount(epoch.face_rows.ravel(), minlength=100)
    assert (np.abs(counts - skewed(100) * 96) < 1 + 1e-9).all()
    assert plan(num_batches=3).face_rows.shape == (3, 8)


def test_a_batch_larger_than_the_faces_still_makes_an_epoch() -> None:
    epoch = plan(face_probabilities=np.full(3, 1 / 3), num_non_faces=2, batch_size=64)
    assert epoch.face_rows.shape == (1, 32)
    assert np.bincount(epoch.non_face_rows.ravel()).tolist() == [16, 16]


@given(
    num_non_faces=st.integers(1, 200),
    num_batches=st.integers(1, 8),
    num_epochs=st.integers(1, 6),
    seed=st.integers(0, 9),
)
def test_no_non_face_is_seen_again_before_all_others(
    num_non_faces: int, num_batches: int, num_epochs: int, seed: int
) -> None:
    seen = np.concatenate(
        [
            plan(
                epoch, num_non_faces=num_non_faces, num_batches=num_batches, seed=seed
            ).non_face_rows.ravel()
            for epoch in range(num_epochs)
        ]
    )
    for start in range(0, len(seen), num_non_faces):
        stretch = seen[start : start + num_non_faces]
        assert len(np.unique(stretch)) == len(stretch)
    assert seen.max() < num_non_faces


def test_passes_over_the_non_faces_are_shuffled_differently() -> None:
    passes = plan(num_non_faces=40, num_batches=10).non_face_rows.reshape(2, 40)
    assert (passes[0] != passes[1]).any()
    assert (passes[0] != np.arange(40)).any()


def test_a_plan_depends_on_its_arguments_alone() -> None:
    for name in ("face_rows", "non_face_rows"):
        first = getattr(plan(3), name)
        np.testing.assert_array_equal(getattr(plan(3), name), first)
        assert (getattr(plan(4), name) != first).any()
        assert (getattr(plan(3, seed=1), name) != first).any()


def test_shards_are_equal_parts_of_every_batch() -> None:
    epoch = plan()
    shards = [epoch.shard(rank, 4) for rank in range(4)]
    assert all(shard.face_rows.shape == (12, 2) for shard in shards)
    for name in ("face_rows", "non_face_rows"):
        together = np.stack([getattr(shard, name) for shard in shards], axis=2)
        np.testing.assert_array_equal(together.reshape(12, 8), getattr(epoch, name))
    with pytest.raises(ConfigError, match="multiple of 6"):
        epoch.shard(0, 3)
    with pytest.raises(ConfigError, match="rank 4"):
        epoch.shard(4, 4)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"batch_size": 7}, ConfigError),
        ({"batch_size": 0}, ConfigError),
        ({"num_batches": 0}, ConfigError),
        ({"num_non_faces": 0}, DataError),
        ({"face_probabilities": np.zeros(5)}, DataError),
        ({"face_probabilities": np.zeros(0)}, DataError),
    ],
)
def test_plans_that_cannot_be_are_refused(changes: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        plan(**changes)


def test_weights_need_no_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None; import numpy as np\n"
        "from debias.resampling.settings import ResamplingSettings\n"
        "from debias.resampling.weights import sampling_weights\n"
        "latents = np.arange(20.0).reshape(10, 2) ** 2\n"
        "print(sampling_weights(latents, settings=ResamplingSettings()).probabilities.sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(1.0)
