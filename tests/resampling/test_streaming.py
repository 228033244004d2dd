"""Streamed histograms: what weighted draws say of all faces, forgetting, and many processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from debias.errors import CheckpointError, ConfigError, DataError
from debias.resampling.histogram import build_histograms, kl_per_latent
from debias.resampling.sampler import EpochPlan, plan_epoch
from debias.resampling.settings import ResamplingSettings
from debias.resampling.streaming import KEPT_AN_EPOCH, LatentStream
from debias.resampling.weights import SamplingWeights, sampling_weights

Floats = NDArray[np.float64]


def plan_of(probabilities: Floats, epoch: int, *, batch_size: int = 48) -> EpochPlan:
    return plan_epoch(
        face_probabilities=probabilities,
        num_non_faces=10,
        batch_size=batch_size,
        seed=0,
        epoch=epoch,
    )


def uniform(num_faces: int) -> Floats:
    return np.full(num_faces, 1 / num_faces)


def run_epoch(
    stream: LatentStream,
    mu: NDArray[Any],
    probabilities: Floats,
    epoch: int,
    *,
    rank: int = 0,
    num_ranks: int = 1,
    **others: NDArray[Any],
) -> NDArray[np.int64]:
    """Stream an epoch in which each face has the same latents throughout; returns the draws."""
    plan = plan_of(probabilities, epoch)
    stream.start_epoch(plan.face_rows, probabilities)
    draws = plan.shard(rank, num_ranks).face_rows.ravel()
    for some in np.array_split(draws, 3):
        stream.count(
            mu[some].astype(np.float32),
            **{name: values[some].astype(np.float32) for name, values in others.items()},
        )
    stream.end_epoch()
    return draws


def total_variation(one: Floats, other: Floats) -> Floats:
    return np.asarray(np.abs(one - other).sum(axis=1) / 2)


@pytest.fixture(scope="module")
def skewed() -> tuple[Floats, Floats]:
    """Latents with a rare cluster, and probabilities that draw it 15 times as often."""
    generator = np.random.default_rng(0)
    mu = generator.normal(size=(6000, 3))
    mu[:300, 0] += 5
    weights = np.where(np.arange(6000) < 300, 15.0, 1.0)
    return mu, weights / weights.sum()


def test_draws_by_weight_say_what_all_faces_would(skewed: tuple[Floats, Floats]) -> None:
    mu, probabilities = skewed
    log_var = np.where(mu < 0, -2.0, -0.1)
    stream = LatentStream(len(mu), 3, num_bins=10)
    run_epoch(stream, mu, uniform(len(mu)), 0, log_var=log_var)
    for epoch in range(1, 9):  # after which the uniform epoch counts 1 / 256
        draws = run_epoch(stream, mu, probabilities, epoch, log_var=log_var)
    assert stream.histograms is not None
    truth = build_histograms(mu, edges=stream.histograms.edges).bin_masses
    assert total_variation(stream.histograms.bin_masses, truth).max() < 0.02
    as_drawn = build_histograms(mu[draws], edges=stream.histograms.edges).bin_masses
    assert total_variation(as_drawn, truth)[0] > 0.3  # what the same draws say uncorrected
    assert stream.divergence is not None
    np.testing.assert_allclose(stream.divergence, kl_per_latent(mu, log_var), rtol=0.05)
    assert kl_per_latent(mu[draws], log_var[draws])[0] > 1.5 * stream.divergence[0]


@pytest.mark.parametrize("largest", [0.0, 1.0, 2.0, 3.0])
def test_the_correction_holds_however_skewed_the_weights_are(largest: float) -> None:
    generator = np.random.default_rng(round(largest))
    mu = generator.normal(size=(3000, 1))
    probabilities = np.exp(largest * np.tanh(mu[:, 0]))
    probabilities /= probabilities.sum()
    stream = LatentStream(len(mu), 1, num_bins=6, variational=False)
    run_epoch(stream, mu, uniform(len(mu)), 0)
    for epoch in range(1, 7):
        run_epoch(stream, mu, probabilities, epoch)
    assert stream.histograms is not None
    truth = build_histograms(mu, edges=stream.histograms.edges).bin_masses
    assert total_variation(stream.histograms.bin_masses, truth)[0] < 0.08


def test_an_epoch_counts_each_face_once(skewed: tuple[Floats, Floats]) -> None:
    mu, probabilities = skewed
    stream = LatentStream(len(mu), 3, num_bins=10)
    for epoch in range(12):
        run_epoch(stream, mu, probabilities, epoch)
    assert stream.histograms is not None
    # The draws of an epoch are half an epoch older than its end, and those before fade by half.
    expected = len(mu) * KEPT_AN_EPOCH**0.5 / (1 - KEPT_AN_EPOCH)
    assert stream.histograms.num_images == pytest.approx(expected, rel=0.05)


def test_older_latents_fade() -> None:
    before = np.linspace(0, 1, 4800)[:, np.newaxis] ** 4
    after = 1 - before  # over the same range: no edge has to move
    stream = LatentStream(len(before), 1, num_bins=2, variational=False)
    run_epoch(stream, before, uniform(len(before)), 0)
    assert stream.histograms is not None
    low = float((before < 0.5).mean())
    np.testing.assert_allclose(stream.histograms.bin_masses[0], [low, 1 - low], atol=1e-3)
    whole = np.mean(KEPT_AN_EPOCH ** (1 - np.arange(200) / 200))  # an epoch's, at its end
    for epoch in range(1, 4):
        run_epoch(stream, after, uniform(len(before)), epoch)
        new = whole * sum(KEPT_AN_EPOCH**k for k in range(epoch))
        old = KEPT_AN_EPOCH**epoch
        expected = (old * low + new * (1 - low)) / (old + new)
        assert stream.histograms.bin_masses[0, 0] == pytest.approx(expected, abs=0.01)


def test_edges_follow_latents_that_move_and_stay_with_those_that_hardly_do() -> None:
    mu = np.random.default_rng(0).uniform(0, 10, size=(4800, 2))
    mu[0], mu[1] = 0, 10
    stream = LatentStream(len(mu), 2, num_bins=10, variational=False)
    run_epoch(stream, mu, uniform(len(mu)), 0)
    assert stream.histograms is not None
    np.testing.assert_allclose(stream.histograms.edges, [np.arange(11)] * 2, atol=1e-5)
    moved = mu + np.array([0.9, 1.2])  # in bins
    run_epoch(stream, moved, uniform(len(mu)), 1)
    kept, refitted = stream.histograms.edges
    np.testing.assert_allclose(kept, np.arange(11), atol=1e-5)
    np.testing.assert_allclose(refitted, np.arange(11) + 1.2, atol=1e-5)
    exact = build_histograms(moved.astype(np.float32), edges=stream.histograms.edges)
    np.testing.assert_array_equal(stream.histograms.counts[1], exact.counts[1])
    # What lies beyond the edges that stayed is in the last, open bin.
    in_last = 0.5 * 0.1 + 0.5**0.5 * 0.19
    assert stream.histograms.bin_masses[0, -1] == pytest.approx(
        in_last / (0.5 + 0.5**0.5), abs=0.01
    )


@pytest.mark.parametrize("rule", ["uniform", "product", "max", "margin"])
def test_weights_are_those_of_the_latest_latents_under_the_streamed_masses(rule: Any) -> None:
    generator = np.random.default_rng(1)
    mu = generator.normal(size=(480, 4)).astype(np.float32)
    log_var = np.full_like(mu, -2.0)
    log_var[:, 3], mu[:, 3] = 0, mu[:, 3] / 100  # inactive
    margins = (mu[:, 1] * 2 + generator.normal(size=480)).astype(np.float32)
    settings = ResamplingSettings(rule=rule, histograms="streamed")
    stream = LatentStream(480, 4, num_bins=10, classifies=True)
    for epoch in range(2):
        run_epoch(stream, mu, uniform(480), epoch, log_var=log_var, margins=margins)
    expected = sampling_weights(
        mu,
        settings=settings,
        kl_per_latent=stream.divergence,
        histograms=stream.histograms,
        margins=margins.astype(np.float64),
    )
    found = stream.weights(settings)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-9)
    np.testing.assert_array_equal(found.drivers, expected.drivers)
    assert found.health == expected.health
    assert found.health.active == (0, 1, 2)
    if rule != "uniform":
        assert found.probabilities.max() > 1.5 / 480


def test_a_face_never_drawn_gets_the_mean_log_weight() -> None:
    mu = np.random.default_rng(0).normal(size=(500, 2))  # 20 batches of 24: 20 are left out
    stream = LatentStream(500, 2, num_bins=10, variational=False)
    draws = run_epoch(stream, mu, uniform(500), 0)
    unseen = np.setdiff1d(np.arange(500), draws)
    assert len(unseen) == 20
    found = stream.weights(ResamplingSettings(histograms="streamed"))
    seen = np.setdiff1d(np.arange(500), unseen)
    mean = found.log_weights[seen].mean()
    np.testing.assert_allclose(found.log_weights[unseen], mean, atol=1e-12)
    assert (found.drivers[unseen] == -1).all()


class _Together:
    """Adds up over threads, as processes do."""

    def __init__(self, number: int) -> None:
        self._barrier = threading.Barrier(number)
        self._given: dict[int, Floats] = {}

    def of(self, rank: int) -> Callable[[Floats], Floats]:
        def add_up(array: Floats) -> Floats:
            self._given[rank] = array
            self._barrier.wait(timeout=30)
            total = np.sum([self._given[k] for k in sorted(self._given)], axis=0)
            self._barrier.wait(timeout=30)
            return np.asarray(total)

        return add_up


def together(number: int, work: Callable[[int, Callable[[Floats], Floats]], Any]) -> list[Any]:
    """Return what ``work`` returns in each of some threads."""
    shared, found = _Together(number), [None] * number

    def run(rank: int) -> None:
        found[rank] = work(rank, shared.of(rank))

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return found


NUM_FACES = 960


def _latents(epoch: int) -> dict[str, NDArray[Any]]:
    generator = np.random.default_rng(5)
    mu = generator.normal(size=(NUM_FACES, 3)) * (1 + 0.2 * epoch) + [0, 0.1 * epoch, epoch]
    margins = mu[:, 1] + generator.normal(size=NUM_FACES)
    return {"mu": mu, "log_var": np.full_like(mu, -1.0), "margins": margins}


def _made(number: int = 1, rank: int = 0, **others: Any) -> LatentStream:
    return LatentStream(
        NUM_FACES, 3, num_bins=10, classifies=True, rank=rank, num_ranks=number, **others
    )


def _epochs(
    stream: LatentStream, first: int, last: int, *, rank: int = 0, number: int = 1
) -> list[SamplingWeights]:
    """Stream epochs, each drawn by the weights of the last, and return all weights."""
    settings, made = ResamplingSettings(rule="margin", histograms="streamed"), []
    for epoch in range(first, last):
        before = None if stream.histograms is None else stream.weights(settings)
        probabilities = uniform(NUM_FACES) if before is None else before.probabilities
        run_epoch(
            stream,
            probabilities=probabilities,
            epoch=epoch,
            rank=rank,
            num_ranks=number,
            **_latents(epoch),
        )
        made.append(stream.weights(settings))
    return made


@pytest.mark.parametrize("number", [2, 3])
def test_several_processes_give_the_weights_of_one(number: int) -> None:
    alone = _epochs(_made(), 0, 5)
    assert alone[-1].probabilities.max() > 1.5 / NUM_FACES

    def work(rank: int, add_up: Callable[[Floats], Floats]) -> list[SamplingWeights]:
        stream = _made(number, rank, add_up=add_up)
        return _epochs(stream, 0, 5, rank=rank, number=number)

    for found in together(number, work):
        for one, other in zip(alone, found, strict=True):
            np.testing.assert_allclose(other.probabilities, one.probabilities, rtol=1e-6)
            np.testing.assert_array_equal(other.drivers, one.drivers)


@pytest.mark.parametrize(("before", "after"), [(1, 1), (3, 2), (2, 3), (3, 1)])
def test_a_stream_goes_on_in_another_number_of_processes(before: int, after: int) -> None:
    def first(rank: int, add_up: Callable[[Floats], Floats]) -> tuple[Any, Any]:
        stream = _made(before, rank, add_up=add_up)
        _epochs(stream, 0, 3, rank=rank, number=before)
        return stream.state(), stream.own_state()

    saved = together(before, first)
    state, parts = saved[0][0], [part for _, part in saved]

    def second(rank: int, add_up: Callable[[Floats], Floats]) -> list[SamplingWeights]:
        stream = _made(after, rank, add_up=add_up)
        stream.load(state, parts)
        return _epochs(stream, 3, 5, rank=rank, number=after)

    expected = _epochs(_made(), 0, 5)[3:]
    for found in together(after, second):
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_allclose(other.probabilities, one.probabilities, rtol=1e-6)


def test_states_that_do_not_fit_are_refused() -> None:
    stream = _made()
    _epochs(stream, 0, 1)
    state, part = stream.state(), stream.own_state()
    with pytest.raises(CheckpointError, match="missing"):
        _made().load(state, [])
    with pytest.raises(CheckpointError, match="960 faces, not 50"):
        LatentStream(50, 3, num_bins=10).load(state, [part])
    with pytest.raises(CheckpointError, match="shape"):
        _made().load(state, [{**part, "mu": part["mu"][:, :2]}])


def test_draws_and_latents_must_agree() -> None:
    stream = LatentStream(100, 2, num_bins=4)
    with pytest.raises(DataError, match="nothing has been streamed"):
        stream.weights(ResamplingSettings(histograms="streamed"))
    stream.start_epoch(plan_of(uniform(100), 0).face_rows, uniform(100))
    stream.count(np.zeros((50, 2), dtype=np.float32))
    with pytest.raises(DataError, match="50 latents of 96 draws"):
        stream.end_epoch()
    with pytest.raises(DataError, match="100 latents of an epoch of 96 draws"):
        stream.count(np.zeros((50, 2), dtype=np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "paper"}, "resampling.rule=paper: untempered"),
        ({"outliers": "downweight"}, "resampling.outliers=downweight: junk"),
        ({"warmup": 0}, "resampling.warmup=0: before the first epoch"),
        ({"histograms": "stremed"}, "Did you mean 'streamed'"),
    ],
)
def test_what_cannot_be_streamed_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ResamplingSettings(**{"histograms": "streamed", **changes})
