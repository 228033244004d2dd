"""The teaching lab's way of debiasing, written plainly, to time whole epochs of ours against.

Each epoch encodes every face, makes a histogram a latent with NumPy, and then draws each batch with
``numpy.random.choice`` without replacement, by the largest weight over the latents. Images are in
memory as floats, nothing is augmented, and every image of a batch is decoded. Network, loss and
optimiser are the library's, as in :mod:`plain`, so that the recipe alone differs.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from plain import PlainLoop
from torch import Tensor

from debias.training.settings import RunSettings

SMOOTHING = 1e-3  # added to densities, as in the lab
NUM_BINS = 10
ENCODE_BATCH = 1024


class CourseLoop:
    """Epochs of the lab's recipe.

    Args:
        settings: of the model, the loss and the optimisation.
        faces: in [0, 1], shape (face, channel, height, width).
        non_faces: the same of the images without a face.
        seed: of the draws.
    """

    def __init__(
        self, settings: RunSettings, faces: Tensor, non_faces: Tensor, *, seed: int
    ) -> None:
        self.loop = PlainLoop(settings, decode_all=True)
        self.faces, self.non_faces = faces, non_faces
        self.half = settings.training.batch_size // 2
        self.random = np.random.RandomState(seed)

    def epoch(self, num_batches: int) -> None:
        """Encode, weigh, and take ``num_batches`` steps."""
        probabilities = self.weights()
        self.loop.model.train()
        y = torch.cat([torch.ones(self.half), torch.zeros(self.half)])
        for _ in range(num_batches):
            chosen = self.random.choice(
                len(self.faces), size=self.half, replace=False, p=probabilities
            )
            others = self.random.choice(len(self.non_faces), size=self.half, replace=False)
            images = torch.cat([self.faces[chosen], self.non_faces[others]])
            self.loop.step(images, y)

    def weights(self) -> NDArray[np.float64]:
        """Return the probability of each face, shape (face,)."""
        model = self.loop.model.eval()
        with torch.no_grad():
            mu = torch.cat([model.encode(part).mu for part in self.faces.split(ENCODE_BATCH)])
        return largest_weights(mu.double().numpy())


def largest_weights(mu: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row's largest weight over the latents, as probabilities, shape (image,)."""
    largest: NDArray[np.float64] = np.zeros(len(mu))
    for values in mu.T:
        density, edges = np.histogram(values, density=True, bins=NUM_BINS)
        edges[0], edges[-1] = -np.inf, np.inf
        smoothed = density + SMOOTHING
        smoothed = smoothed / smoothed.sum()
        weights = 1 / smoothed[np.digitize(values, edges) - 1]
        largest = np.maximum(largest, weights / weights.sum())
    largest /= largest.sum()
    return largest
