"""How near streamed histograms are to exact ones.

    python experiments/streamed_histograms/run.py [--seeds 2]
    python experiments/streamed_histograms/run.py --tiny --results /tmp/streamed

Trains with streamed histograms and, before each epoch, also encodes all training faces; tells how
far apart the histograms and the sampling probabilities are. A finished run leaves a JSON file under
``results/`` and is not made again. Prints the table.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from debias.data.store import ImageStore
from debias.inference.encode import encode
from debias.models.db_vae import FaceModel
from debias.resampling.histogram import LatentHistograms, build_histograms, kl_per_latent
from debias.resampling.weights import SamplingWeights, sampling_weights
from debias.rundir import RunDir, read_json, write_json
from debias.testbed.renderer import render
from debias.testbed.sets import draw_testbed, load_testbed, true_attributes
from debias.training.device import make_fabric
from debias.training.loop import TrainingData, fit
from debias.training.randomness import torch_seeded
from debias.training.settings import RunSettings, load_settings
from debias.training.validation import LabelledRows
from debias.training.weighting import Rebuild, Weigher, latent_weigher

HERE = Path(__file__).parent
RULES = {
    "product-0.5": ("resampling.rule=product", "resampling.target_ess=0.5"),
    "margin-0.3": ("resampling.rule=margin", "resampling.target_ess=0.3"),
}
TINY = (
    *("model.image_size=32", "model.channels=[8,16]", "model.blocks=[0]", "model.latent_size=8"),
    *("training.min_epoch_steps=1", "training.batch_size=32", "loss.kl=1e-4"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="a few images, to see that it runs")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    changes = (*(TINY if chosen.tiny else ()), *chosen.set)
    fraction, size = (0.02, 32) if chosen.tiny else (1.0, 64)
    for seed in range(chosen.seeds):
        images = None
        for rule in RULES:
            file = chosen.results / f"distance-{rule}-seed{seed}.json"
            if not file.exists():
                images = images or Images(fraction, seed=seed, size=size)
                write_json(file, distances(images, rule, changes, seed=seed))
    runs = [read_json(path) for path in sorted(chosen.results.glob("distance-*.json"))]
    print("\n".join(distance_table(runs)))


class Images:
    """Drawn images to train and to validate on, in memory.

    Args:
        fraction: of the planted testbed.
        seed: another one draws other people.
        size: height and width in pixels.
    """

    def __init__(self, fraction: float, *, seed: int, size: int) -> None:
        table = draw_testbed(load_testbed("planted").scaled(fraction), seed=seed)
        table = table[table["split"] != "test"].reset_index(drop=True)
        self.store = ImageStore(
            directory=Path(),
            images=render(table, size=size, num_workers=1),
            image_ids=pd.Index(table["image_id"]),
            failures=pd.DataFrame(columns=["image_id", "path", "reason"]),
        )
        faces = (table["label"] == 1).to_numpy()
        train = (table["split"] == "train").to_numpy()
        self.data = TrainingData(
            store=self.store, train=_rows(faces, train), validation=_rows(faces, ~train)
        )
        tones = true_attributes(table)["skin_tone"].reindex(table["image_id"])
        self.is_dark: NDArray[np.bool_] = (tones == "dark").to_numpy()[self.data.train.faces]


def _rows(faces: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> LabelledRows:
    return LabelledRows(
        faces=np.flatnonzero(chosen & faces), non_faces=np.flatnonzero(chosen & ~faces)
    )


def train(images: Images, settings: RunSettings, weigher: Weigher) -> None:
    """Train a model that nobody keeps."""
    with torch_seeded(settings.seed, "initialisation"):
        model = FaceModel(settings.model, architecture=settings.architecture)
    with tempfile.TemporaryDirectory() as folder:
        fit(
            model,
            images.data,
            settings=settings,
            fabric=make_fabric("cpu", settings.training.precision),
            run=RunDir(path=Path(folder) / "run"),
            show_progress=False,
            weigher=weigher,
        )


def total_variation(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half the summed differences of masses along the last axis, in [0, 1]."""
    return np.asarray(np.abs(one - other).sum(axis=-1) / 2)


def distances(images: Images, rule: str, changes: Sequence[str], *, seed: int) -> dict[str, Any]:
    """Return, for each epoch but the first, how far streamed and exact are apart."""
    settings = load_settings(
        assignments=[*RULES[rule], "resampling.histograms=streamed", *changes, f"seed={seed}"]
    )
    epochs: list[dict[str, float]] = []

    def weigh(rebuild: Rebuild) -> SamplingWeights:
        weights = latent_weigher(rebuild)
        stream = rebuild.stream
        if stream is not None and stream.histograms is not None:
            latest = stream.latest_counts(stream.histograms.edges)
            masses = latest / latest.sum(axis=1, keepdims=True)
            epochs.append(compared(rebuild, stream.histograms, masses, weights, images.is_dark))
        return weights

    train(images, settings, weigh)
    return {"rule": rule, "seed": seed, "changes": list(changes), "epochs": epochs}


def compared(
    rebuild: Rebuild,
    streamed: LatentHistograms,
    latest: NDArray[np.float64],
    weights: SamplingWeights,
    is_dark: NDArray[np.bool_],
) -> dict[str, float]:
    """Return how far the streamed masses and probabilities are from those of a full encoding.

    Args:
        rebuild: the model and the faces.
        streamed: the streamed histograms.
        latest: masses of each face's latest latents over the same edges, shape (latent, bin).
        weights: the streamed ones.
        is_dark: which faces are dark, shape (image,).
    """
    encoding = encode(rebuild.model, rebuild.store, rebuild.faces, autocast=rebuild.autocast)
    assert encoding.log_var is not None
    nats = kl_per_latent(encoding.mu, encoding.log_var)
    active = nats >= rebuild.settings.activity_threshold
    exact = build_histograms(encoding.mu, edges=streamed.edges).bin_masses
    apart = total_variation(streamed.bin_masses, exact)[active]
    own = build_histograms(encoding.mu, num_bins=rebuild.settings.num_bins).bin_masses
    apart_in_own = total_variation(streamed.bin_masses, own)[active]
    by_encoding = sampling_weights(
        encoding.mu, settings=rebuild.settings, kl_per_latent=nats, margins=encoding.logit
    )
    return {
        "epoch": rebuild.epoch,
        "active": int(active.sum()),
        "active_streamed": len(weights.health.active),
        "mean": float(apart.mean()) if active.any() else 0.0,
        "largest": float(apart.max(initial=0.0)),
        "mean_in_own": float(apart_in_own.mean()) if active.any() else 0.0,
        "mean_of_latest": float(total_variation(latest, exact)[active].mean())
        if active.any()
        else 0.0,
        "probabilities": float(total_variation(weights.probabilities, by_encoding.probabilities)),
        "dark": float(weights.probabilities[is_dark].sum()),
        "dark_exact": float(by_encoding.probabilities[is_dark].sum()),
        "dark_of_faces": float(is_dark.mean()),
    }


def distance_table(runs: Sequence[dict[str, Any]]) -> list[str]:
    """Return the lines of a table, a row an epoch, with the means over seeds."""
    columns = {
        "active": "active",
        "apart, mean": "mean",
        "largest": "largest",
        "each in its own bins": "mean_in_own",
        "of the latest latents": "mean_of_latest",
        "probabilities apart": "probabilities",
        "dark faces' share (%)": "dark",
        "by encoding (%)": "dark_exact",
    }
    lines = [
        "| rule | before epoch | " + " | ".join(columns) + " |",
        "| --- " * (len(columns) + 2) + "|",
    ]
    for rule in dict.fromkeys(run["rule"] for run in runs):
        rows = pd.concat([pd.DataFrame(run["epochs"]) for run in runs if run["rule"] == rule])
        for epoch, means in rows.groupby("epoch").mean().iterrows():
            cells = [
                f"{means[key]:.0f}"
                if key == "active"
                else f"{100 * means[key]:.1f}"
                if key.startswith("dark")
                else f"{means[key]:.3f}"
                for key in columns.values()
            ]
            lines.append(f"| {rule} | {int(str(epoch)) + 1} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
