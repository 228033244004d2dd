"""The worst group's loss: online group distributionally robust optimisation.

References:
    [Sagawa2020] Sagawa, Koh, Hashimoto, Liang. Distributionally Robust Neural Networks for Group
    Shifts: On the Importance of Regularization for Worst-Case Generalization. ICLR 2020.
"""

from __future__ import annotations

import numpy as np
import torch
from context import Context, Rows, train
from numpy.typing import NDArray
from torch import Tensor
from weighers import group_balanced, strata

from debias.models.db_vae import FaceModel

Floats = NDArray[np.float64]


def group_dro(
    context: Context, *, step_size: float = 0.01, size_adjustment: float = 0.0
) -> FaceModel:
    """Train for the group with the highest loss: a ceiling [Sagawa2020].

    It reads the groups of all training faces; those of no known group are one more, and the
    non-faces another. Groups of faces are drawn alike, as in the authors' experiments; the
    non-faces keep their half of the batch, which changes how precisely their loss is known and
    not what it counts. So the labels are not balanced: the non-faces count by their loss, as any
    group. The epoch that is kept is chosen as in all methods here, by the mean validation loss;
    the authors choose it, and a stronger weight decay, by the worst group of the validation set.

    Args:
        context: images and settings.
        step_size: of the groups' weights, above 0.
        size_adjustment: C; C / sqrt(group size) is added to a group's loss where the groups'
            weights are made, in nats.
    """
    rows = context.images.rows("train")
    names = strata(context, rows.faces)
    groups, codes = np.unique(names, return_inverse=True)
    by_row = np.full(len(context.images.store), -1)
    by_row[rows.faces] = codes
    by_row[rows.non_faces] = len(groups)
    weigher = GroupLosses(by_row, step_size=step_size, size_adjustment=size_adjustment)
    return train(context, "classifier", weigher=group_balanced(context), loss_weigher=weigher)


class GroupLosses:
    """How much each loss of a batch counts, from the groups' losses so far.

    q starts uniform. At each batch q_g becomes q_g exp(step_size x mean loss of g), made to sum
    to 1, and each loss counts q_g x batch / (losses of g in the batch), so that the mean over
    the batch is the sum of q_g x mean loss of g. A group that is not in a batch keeps its part of
    q but for the normalisation, as in the authors' code, and adds nothing to the loss.

    Args:
        group_of_row: a group from 0 of each row of the store, -1 for rows that are not trained
            on, shape (row,).
        step_size: above 0.
        size_adjustment: C; C / sqrt(size) is added to the mean loss of a group in q.

    Attributes:
        q: shape (group,), positive, summing to 1.
    """

    def __init__(
        self, group_of_row: NDArray[np.int64], *, step_size: float, size_adjustment: float = 0.0
    ) -> None:
        self.group_of_row = group_of_row
        self.step_size = step_size
        sizes = np.bincount(group_of_row[group_of_row >= 0])
        self.adjustment: Floats = size_adjustment / np.sqrt(np.maximum(sizes, 1))
        self.q: Floats = np.full(len(sizes), 1 / len(sizes))

    def __call__(self, rows: Rows, losses: Tensor) -> Tensor:
        """Return the weights of a batch's losses, shape (batch,), and move q."""
        groups = self.group_of_row[rows]
        assert groups.min() >= 0
        each = losses.double().cpu().numpy()
        counts = np.bincount(groups, minlength=len(self.q))
        there = counts > 0
        sums = np.bincount(groups, weights=each, minlength=len(self.q))
        means = np.where(there, sums / np.maximum(counts, 1) + self.adjustment, 0.0)
        moved = self.q * np.exp(self.step_size * means)
        self.q = moved / moved.sum()
        shares = self.q / np.maximum(counts, 1)
        return torch.from_numpy(shares[groups] * len(rows)).to(losses)
