"""Histograms of the latents that training makes anyway, at next to no cost.

Encoding all faces before each epoch (``exact``) costs a good part of an epoch. A stream counts the
posterior means of the faces in each training batch instead. It is an approximation, since they

- come from images that are augmented (strong changes of light hide what is rare: see
  ``experiments/streamed_histograms``), and from a model in train mode that has moved on since;
- were drawn by weight. In an epoch of M draws, face i is drawn M p_i times in expectation, so each
  time it counts 1 / (M p_i): once in all, as in a full encoding;
- are forgotten: what is an epoch older counts :data:`KEPT_AN_EPOCH` times as much.

Edges are fixed before latents are counted. Those of the first epoch are held until its end: then
the edges are set to the range of the latents and all are counted. After each later epoch, a
dimension whose range has moved at either end by more than :data:`MOVED` bin widths gets new edges,
and its histogram is counted anew from the latest latents, each face alike. Less than that, the
outermost bins, which are open, catch.

A face's weight needs its own latents as well: the latest are kept in a table. A face that has never
been drawn gets the mean log weight.

Over several processes each keeps the latents of the faces that it trained on. Which process drew a
face last follows from the plan of the epoch, which all know, so it need not be told. What the
processes add up is of shape (latent, bin), and in the end a log weight, a margin and the drivers of
each face; latents stay where they were made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias.errors import CheckpointError, DataError
from debias.resampling.drivers import NO_DRIVER
from debias.resampling.histogram import (
    LatentHistograms,
    build_histograms,
    equal_edges,
    kl_per_latent,
)
from debias.resampling.margin import margin_factors
from debias.resampling.settings import ResamplingSettings
from debias.resampling.sums import AddUp, alone
from debias.resampling.weights import SamplingWeights, score_bins, weights_of

KEPT_AN_EPOCH = 0.5
"""What a latent counts when it is an epoch older."""
MOVED = 1.0
"""Bin widths by which an end of a dimension's range may move before its edges are set anew."""
_NOBODY = -1


class LatentStream:
    """The latest latents of the training faces, and their histograms.

    In every epoch: :meth:`start_epoch`, :meth:`count` for the draws of this process in their order,
    :meth:`end_epoch`; the last and :meth:`weights` are called in all processes at once.

    Args:
        num_faces: training faces.
        num_latents: dimensions of the latent space.
        num_bins: bins in each dimension.
        variational: whether there are variances, from which inactive dimensions are told.
        classifies: whether there are margins.
        rank: of this process.
        num_ranks: processes that share each batch.
        add_up: adds up over the processes.

    Attributes:
        histograms: None before the end of the first epoch.
    """

    def __init__(
        self,
        num_faces: int,
        num_latents: int,
        *,
        num_bins: int,
        variational: bool = True,
        classifies: bool = False,
        rank: int = 0,
        num_ranks: int = 1,
        add_up: AddUp = alone,
    ) -> None:
        self.histograms: LatentHistograms | None = None
        self._num_bins = num_bins
        self._rank, self._num_ranks, self._add_up = rank, num_ranks, add_up
        # Zeros cost no memory before they are written to.
        self._mu = np.zeros((num_faces, num_latents), dtype=np.float32)
        self._margins = np.zeros(num_faces, dtype=np.float32) if classifies else None
        self._owners = np.full(num_faces, _NOBODY, dtype=np.int32)
        # The sum of each dimension's divergence, and last that of the weights.
        self._divergence = np.zeros(num_latents + 1) if variational else None
        self._begin(np.empty((0, num_ranks), dtype=np.int64), np.empty(0))

    def start_epoch(self, face_rows: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
        """Say which faces are drawn.

        Args:
            face_rows: of the whole plan, shape (num_batches, half); this process makes the columns
                from its rank on in steps of the number of processes.
            probabilities: that they were drawn by, shape (face,), summing to 1.
        """
        num_batches = len(face_rows)
        # From the draw to the end of its epoch, in epochs.
        age = 1 - np.arange(num_batches) / num_batches
        counts = KEPT_AN_EPOCH ** age[:, np.newaxis] / (face_rows.size * probabilities[face_rows])
        self._begin(face_rows, counts[:, self._rank :: self._num_ranks].ravel())

    def _begin(self, face_rows: NDArray[np.int64], counts: NDArray[np.float64]) -> None:
        self._plan, self._draw_counts = face_rows, counts
        self._draws = face_rows[:, self._rank :: self._num_ranks].ravel()
        self._num_counted = 0
        self._new_counts = np.zeros((self._mu.shape[1], self._num_bins))
        self._new_divergence = np.zeros(self._mu.shape[1] + 1)

    def count(
        self,
        mu: NDArray[np.float32],
        *,
        log_var: NDArray[np.float32] | None = None,
        margins: NDArray[np.float32] | None = None,
    ) -> None:
        """Count the next draws of this process.

        Args:
            mu: posterior means, shape (draw, latent).
            log_var: natural logs of the posterior variances, the same shape.
            margins: a classifier's log odds of "face", shape (draw,).

        Raises:
            DataError: a latent is not finite, or more draws are counted than there are.
        """
        start, stop = self._num_counted, self._num_counted + len(mu)
        if stop > len(self._draws):
            raise DataError(f"{stop} latents of an epoch of {len(self._draws)} draws")
        rows, weights = self._draws[start:stop], self._draw_counts[start:stop]
        if self.histograms is not None:
            found = build_histograms(mu, edges=self.histograms.edges, weights=weights)
            self._new_counts += found.counts
        if self._divergence is not None and log_var is not None:
            nats = kl_per_latent(mu, log_var, weights=weights)
            self._new_divergence += np.append(nats, 1.0) * weights.sum()
        self._mu[rows] = mu  # of a face that is drawn twice, NumPy keeps the last
        if self._margins is not None and margins is not None:
            self._margins[rows] = margins
        self._num_counted = stop

    def end_epoch(self) -> None:
        """Let older latents fade, and set edges anew where latents have moved.

        Raises:
            DataError: not all draws of the epoch have been counted.
        """
        if self._num_counted != len(self._draws):
            raise DataError(f"{self._num_counted} latents of {len(self._draws)} draws")
        last = np.full(len(self._owners), _NOBODY)
        last[self._plan.ravel()] = np.arange(self._plan.size)
        drawn = last != _NOBODY
        # Half a batch is a multiple of the processes, so this is the column's remainder too.
        self._owners[drawn] = last[drawn] % self._num_ranks
        if self._divergence is not None:
            self._divergence *= KEPT_AN_EPOCH
            self._divergence += self._add_up(self._new_divergence)
        new = self._add_up(self._new_counts)
        low, high = self._range()
        fitted = equal_edges(low, high, num_bins=self._num_bins)
        if self.histograms is None:
            edges, moved = fitted, np.ones(len(fitted), dtype=np.bool_)
            counts = new
        else:
            edges, counts = self.histograms.edges, self.histograms.counts * KEPT_AN_EPOCH + new
            shift = np.abs(fitted - edges)[:, [0, -1]].max(axis=1)
            moved = shift > MOVED * (high - low) / self._num_bins
            edges = np.where(moved[:, np.newaxis], fitted, edges)
        if moved.any():
            counts = np.where(moved[:, np.newaxis], self.latest_counts(edges), counts)
        self.histograms = LatentHistograms(edges=edges, counts=counts)
        self._begin(self._plan[:0], self._draw_counts[:0])

    def weights(self, settings: ResamplingSettings) -> SamplingWeights:
        """Return how often each face should be drawn, by the rule in ``settings``.

        Raises:
            DataError: no epoch has been counted yet.
        """
        if self.histograms is None:
            raise DataError("nothing has been streamed yet", hint="Draw the first epoch uniformly")
        own, matrix = self._own()
        factors = None
        if settings.rule == "margin":
            if self._margins is None:
                raise DataError("the rule 'margin' needs the margins of a classifier")
            margins = self._margins[own].astype(np.float64)
            factors = margin_factors(matrix, self.histograms, margins, add_up=self._add_up)
        scored = score_bins(
            self.histograms,
            self.latest_counts(self.histograms.edges),
            settings=settings,
            kl_per_latent=self.divergence,
            factors=factors,
        )
        log_weights, drivers = scored.join(matrix)
        own_margins = np.zeros(len(own)) if self._margins is None else self._margins[own]
        of_all = np.zeros((len(self._owners), 2 + drivers.shape[1]))
        of_all[own] = np.column_stack([log_weights, own_margins, drivers])
        of_all = self._add_up(of_all)
        unseen = self._owners == _NOBODY
        of_all[unseen, :2] = of_all[~unseen, :2].mean(axis=0)
        of_all[unseen, 2:] = NO_DRIVER
        return weights_of(
            of_all[:, 0],
            of_all[:, 2:].astype(np.int32),
            scored,
            settings=settings,
            margins=of_all[:, 1],
        )

    def latest_counts(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how many faces have their latest latents in each bin, over all processes.

        Args:
            edges: shape (latent, bin + 1).
        """
        own, matrix = self._own()
        counts = np.zeros((len(edges), edges.shape[1] - 1))
        if len(own):
            counts = build_histograms(matrix, edges=edges).counts
        return self._add_up(counts)

    @property
    def divergence(self) -> NDArray[np.float64] | None:
        """Each dimension's KL divergence from the prior in nats; None without variances."""
        return None if self._divergence is None else self._divergence[:-1] / self._divergence[-1]

    def _own(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the faces that this process drew last, and their latents."""
        own = np.flatnonzero(self._owners == self._rank)
        return own, self._mu[own]

    def _range(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the smallest and the largest latest latent of each dimension, over all."""
        _, matrix = self._own()
        ends = np.zeros((self._num_ranks, 2, self._mu.shape[1]))
        ends[self._rank, 0] = matrix.min(axis=0, initial=np.inf)
        ends[self._rank, 1] = matrix.max(axis=0, initial=-np.inf)
        ends = self._add_up(ends)
        return ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what all processes have in common, at the end of an epoch."""
        found: dict[str, NDArray[Any]] = {"owners": self._owners}
        if self.histograms is not None:
            found |= {"edges": self.histograms.edges, "counts": self.histograms.counts}
        if self._divergence is not None:
            found["divergence"] = self._divergence
        return found

    def own_state(self) -> dict[str, NDArray[Any]]:
        """Return what this process alone has: rows of faces and their latest latents."""
        own, matrix = self._own()
        found: dict[str, NDArray[Any]] = {"rows": own, "mu": matrix}
        if self._margins is not None:
            found["margins"] = self._margins[own]
        return found

    def load(
        self, state: Mapping[str, NDArray[Any]], parts: Iterable[Mapping[str, NDArray[Any]]]
    ) -> None:
        """Go on where the states were taken, also with another number of processes.

        Args:
            state: what :meth:`state` returned.
            parts: what :meth:`own_state` returned in each process.

        Raises:
            CheckpointError: the states are of other faces or latents, or a part is missing.
        """
        if state["owners"].shape != self._owners.shape:
            raise CheckpointError(
                f"streamed latents of {len(state['owners'])} faces, not {len(self._owners)}"
            )
        owners = np.full_like(self._owners, _NOBODY)
        for owner, part in enumerate(parts):
            if part["mu"].shape[1:] != self._mu.shape[1:]:
                raise CheckpointError(f"streamed latents of shape {part['mu'].shape}")
            owners[part["rows"]] = owner
            self._mu[part["rows"]] = part["mu"]
            if self._margins is not None:
                self._margins[part["rows"]] = part["margins"]
        if not np.array_equal(owners, state["owners"]):
            raise CheckpointError("the latents of some faces are missing")
        self._owners = np.where(owners == _NOBODY, _NOBODY, owners % self._num_ranks)
        if "edges" in state:
            self.histograms = LatentHistograms(edges=state["edges"], counts=state["counts"])
        if self._divergence is not None:
            self._divergence = state["divergence"].copy()
