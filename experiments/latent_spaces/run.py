"""Which latent space is continuous, complete, telling: an autoencoder's, a VAE's, a beta-VAE's?

    python experiments/latent_spaces/run.py [--seeds 2] [--parallel 2]
    python experiments/latent_spaces/run.py --tiny --results /tmp/latent_spaces

Each model trains on the same drawn faces with the same network, for as many steps, and is judged on
faces that it has not seen. A finished run leaves one JSON file under ``results/`` and is not run
again. Prints the tables.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.store import ImageStore
from debias.rundir import read_json, write_json
from debias.seeding import numpy_generator
from debias.testbed.renderer import render
from debias.testbed.sets import Testbed, draw_testbed, load_testbed

HERE = Path(__file__).parent
SIZE = 32
BETA = 4.0
SIZES = (16, 64)
KINDS: dict[str, list[str]] = {
    "autoencoder": ["architecture=autoencoder"],
    "VAE": ["architecture=vae"],
    "beta-VAE": ["architecture=beta-vae", f"loss.kl={BETA / (3 * SIZE**2)}"],
}
"""Beta is the weight of the divergence beside the squared error summed over pixels (VAE: 1)."""
MODELS = {
    f"{kind}, {size}": [*settings, f"model.latent_size={size}"]
    for size in SIZES
    for kind, settings in KINDS.items()
}
AGAIN = "DB-VAE again"
NETWORK = [
    f"model.image_size={SIZE}",
    "model.channels=[16, 32, 64]",
    "model.blocks=[0]",
    "model.pool=flatten",
    "loss.pixel_loss=l2",
    "training.precision=fp32",
    "training.average=0.99",
    "training.selection=last",
]
LENGTH = ["training.epochs=8", "training.min_epoch_steps=75", "training.batch_size=64"]
TINY = ["training.epochs=2", "training.min_epoch_steps=2", "training.average=0.5"]
JUDGE = ["architecture=classifier", "training.epochs=20", "training.batch_size=128"]
"""Trained for longer than the models: it has to know a face."""
TARGET_FPR = 0.01
NUM_PATHS = 50
NUM_STEPS = 12


def main() -> None:
    """Train what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--models", metavar="NAME,...", help="such as vae-16 (all)")
    parser.add_argument("--parallel", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--tiny", action="store_true", help="a few images, to see that it runs")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    names = [
        name
        for name in (*MODELS, AGAIN)
        if chosen.models is None or _slug(name) in chosen.models.split(",")
    ]
    plan = [(name, seed) for seed in range(chosen.seeds) for name in names]
    # Fresh processes: PyTorch's threads do not survive a fork.
    with ProcessPoolExecutor(chosen.parallel, mp_context=get_context("spawn")) as pool:
        tasks = [
            pool.submit(run_seed, seed, names, results=chosen.results, tiny=chosen.tiny)
            for seed in range(chosen.seeds)
        ]
        for task in tasks:
            task.result()
    print("\n".join(tables([read_json(_file(chosen.results, *run)) for run in plan])))


def _file(results: Path, name: str, seed: int) -> Path:
    return results / f"{_slug(name)}-seed{seed}.json"


def _slug(name: str) -> str:
    return name.replace(", ", "-").replace(" ", "-").lower()


def run_seed(seed: int, names: Sequence[str], *, results: Path, tiny: bool) -> None:
    """Write the results of a seed that are missing; all its models share images and classifier."""
    missing = [name for name in names if not _file(results, name, seed).exists()]
    if not missing:
        return
    images, store = drawn(seed, tiny=tiny)
    judge, _ = trained(images, store, JUDGE, seed=seed, tiny=tiny)
    for name in missing:
        if name == AGAIN:
            found = retrained(name, images, store, seed=seed, tiny=tiny)
        else:
            found = compared(name, judge, images, store, seed=seed, tiny=tiny)
        write_json(_file(results, name, seed), found)


def testbed(*, tiny: bool) -> Testbed:
    """Return the balanced testbed with fewer images."""
    faces, others = (2400, 100, 250), (1500, 100, 1500)
    if tiny:
        faces, others = (120, 20, 20), (60, 20, 100)
    return dataclasses.replace(load_testbed("balanced"), faces=faces, non_faces=others)


def drawn(seed: int, *, tiny: bool) -> tuple[pd.DataFrame, ImageStore]:
    """Return the factors of all images, and their pixels."""
    images = draw_testbed(testbed(tiny=tiny), seed=seed)
    store = ImageStore(
        directory=Path(),
        images=render(images, size=SIZE, num_workers=1),
        image_ids=pd.Index(images["image_id"]),
        failures=pd.DataFrame(columns=["image_id", "path", "reason"]),
    )
    return images, store


def rows_of(images: pd.DataFrame, split: str, label: int) -> NDArray[np.int64]:
    """Return the rows of a split and label."""
    return np.flatnonzero((images["split"] == split) & (images["label"] == label))


def trained(
    images: pd.DataFrame, store: ImageStore, assignments: Sequence[str], *, seed: int, tiny: bool
) -> tuple[Any, float]:
    """Return a trained model, and the seconds that it took."""
    import torch

    from debias.models.checkpoint import load_model
    from debias.models.db_vae import FaceModel
    from debias.rundir import RunDir
    from debias.training.device import make_fabric
    from debias.training.loop import TrainingData, fit
    from debias.training.randomness import torch_seeded
    from debias.training.settings import load_settings
    from debias.training.validation import LabelledRows

    torch.set_num_threads(1)
    first, last = ([], TINY) if tiny else (LENGTH, [])
    settings = load_settings(assignments=[*NETWORK, *first, *assignments, *last, f"seed={seed}"])
    with torch_seeded(seed, "initialisation"):
        model = FaceModel(settings.model, architecture=settings.architecture)
    needs_others = model.classifier is not None

    def rows(split: str) -> LabelledRows:
        others = rows_of(images, split, 0)
        return LabelledRows(
            faces=rows_of(images, split, 1), non_faces=others if needs_others else others[:0]
        )

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir(path=Path(folder) / "run")
        data = TrainingData(store=store, train=rows("train"), validation=rows("val"))
        fabric = make_fabric("cpu", settings.training.precision)
        fit(model, data, settings=settings, fabric=fabric, run=run, show_progress=False)
        return load_model(run.model), time.perf_counter() - started


def compared(
    name: str, judge: Any, images: pd.DataFrame, store: ImageStore, *, seed: int, tiny: bool
) -> dict[str, Any]:
    """Train one model and return its figures, on faces that it has not seen."""
    uniform = "resampling.rule=uniform"
    model, seconds = trained(images, store, [*MODELS[name], uniform], seed=seed, tiny=tiny)
    figures = {**reconstruction(model, images, store), **space(model, images, store, seed=seed)}
    figures |= completeness(model, judge, images, store, seed=seed)
    return {"model": name, "seed": seed, "seconds": round(seconds, 1), **figures}


def reconstruction(model: Any, images: pd.DataFrame, store: ImageStore) -> dict[str, Any]:
    """Return R^2 on unseen faces, and that of as many principal components."""
    from sklearn.decomposition import PCA

    from debias.explore.continuity import explained_variance
    from debias.inference.encode import encode
    from debias.inference.latents import decode_latents

    seen, unseen = (store.gather(rows_of(images, split, 1)) for split in ("train", "test"))
    mean = seen.mean(axis=0)
    decoded = decode_latents(model, encode(model, store, rows_of(images, "test", 1)).mu)
    components = PCA(model.settings.latent_size, random_state=0).fit(seen.reshape(len(seen), -1))
    linear = components.inverse_transform(components.transform(unseen.reshape(len(unseen), -1)))
    linear = np.clip(np.round(linear), 0, 255).astype(np.uint8).reshape(unseen.shape)
    return {
        "r_squared": explained_variance(unseen, decoded, mean),
        "r_squared_of_components": explained_variance(unseen, linear, mean),
    }


def space(model: Any, images: pd.DataFrame, store: ImageStore, *, seed: int) -> dict[str, Any]:
    """Return how continuous the latent space is, and how single latents stand for factors."""
    from debias.explore.continuity import latent_continuity
    from debias.explore.disentanglement import (
        dci,
        mutual_information_gap,
        separated_predictability,
    )
    from debias.explore.factors import known_factors
    from debias.explore.posterior import aggregated_posterior, total_correlation
    from debias.inference.encode import encode
    from debias.inference.latents import decode_latents

    generator = numpy_generator(seed, "space")
    train = encode(model, store, rows_of(images, "train", 1))
    posterior = aggregated_posterior(train.mu, train.log_var)
    active = posterior.active(0.1)
    test = rows_of(images, "test", 1)
    some = generator.choice(len(test), min(500, len(test)), replace=False)
    mu = encode(model, store, test).mu
    near = latent_continuity(mu[some], decode_latents(model, mu[some]), generator=generator)
    assert near is not None
    factors = known_factors(images.iloc[test])
    told = active if len(active) > 1 else np.arange(posterior.num_latents)
    values = mu[:, told].astype(np.float64)

    def scores(of: Sequence[Any]) -> dict[str, float | None]:
        three = dci(values, of, seed=seed)
        return {
            "mig": mutual_information_gap(values, of),
            "sap": separated_predictability(values, of),
            "disentanglement": three.disentanglement,
            "informativeness": three.informativeness,
        }

    order = generator.permutation(len(test))
    return {
        "active": len(active),
        "continuity": near.value,
        "continuity_by_chance": near.chance,
        "longest_step": longest_steps(model, posterior, generator),
        "total_correlation": total_correlation(posterior.covariance[np.ix_(told, told)]),
        "scores": scores(factors),
        "scores_by_chance": scores([factor.take(order) for factor in factors]),
    }


def longest_steps(model: Any, posterior: Any, generator: np.random.Generator) -> float:
    """Return the mean share that the longest step makes of paths between two random draws."""
    from debias.explore.continuity import longest_step
    from debias.explore.pictures import interpolate, place_normals
    from debias.inference.latents import decode_latents

    shares = []
    for start, end in generator.standard_normal((NUM_PATHS, 2, posterior.num_latents)):
        points = place_normals(posterior, interpolate(start, end, num_frames=NUM_STEPS + 1))
        share = longest_step(decode_latents(model, points))
        shares += [share] if share is not None else []
    return float(np.mean(shares))


def completeness(
    model: Any, judge: Any, images: pd.DataFrame, store: ImageStore, *, seed: int
) -> dict[str, Any]:
    """Return whether what random draws decode to looks like faces to a classifier of its own.

    The classifier saw real pictures only, no decoded one. ``called faces`` is at the threshold
    that lets through 1 % of the unseen non-faces; ``distance`` is the Frechet distance
    [Heusel2017] of its features from those of one half of the unseen faces. Unseen faces
    themselves (the other half), and what the model makes of them, show what can be reached.

    References:
        [Heusel2017] Heusel et al. GANs Trained by a Two Time-Scale Update Rule Converge to a Local
        Nash Equilibrium. NeurIPS 2017.
    """
    from debias.explore.pictures import place_normals
    from debias.explore.posterior import aggregated_posterior
    from debias.inference.encode import encode
    from debias.inference.latents import decode_latents, latent_rows

    train = encode(model, store, rows_of(images, "train", 1))
    posterior = aggregated_posterior(train.mu, train.log_var)
    reference, others = rows_of(images, "test", 1)[::2], rows_of(images, "test", 1)[1::2]
    normals = numpy_generator(seed, "draws").standard_normal((len(others), posterior.num_latents))
    pictures = {
        "unseen faces": store.gather(others),
        "reconstructions": decode_latents(model, encode(model, store, others).mu),
        "draws": decode_latents(model, place_normals(posterior, normals)),
        "standard normal draws": decode_latents(model, normals),
    }
    negatives = latent_rows(judge, store, rows_of(images, "test", 0)).logit
    assert negatives is not None
    threshold = np.quantile(negatives, 1 - TARGET_FPR)
    of_reference = latent_rows(judge, store, reference).features.astype(np.float64)
    found: dict[str, Any] = {"called_faces": {}, "distance": {}}
    for name, pixels in pictures.items():
        judged = latent_rows(judge, _store_of(pixels), np.arange(len(pixels)))
        assert judged.logit is not None
        found["called_faces"][name] = float((judged.logit > threshold).mean())
        found["distance"][name] = frechet_distance(of_reference, judged.features.astype(np.float64))
    return found


def _store_of(pixels: NDArray[np.uint8]) -> ImageStore:
    return ImageStore(
        directory=Path(),
        images=pixels,
        image_ids=pd.Index([str(number) for number in range(len(pixels))]),
        failures=pd.DataFrame(columns=["image_id", "path", "reason"]),
    )


def frechet_distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the Frechet distance of two sets of features, taken as normal, at least 0.

    In units of the total variance of the first: 0 for the same distribution.

    Args:
        one: shape (image, feature).
        other: shape (another image, feature).
    """
    first, second = (
        np.cov(values, rowvar=False) + 1e-8 * np.eye(values.shape[1]) for values in (one, other)
    )
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    apart = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
    return float(max(0.0, apart + np.trace(first) + np.trace(second) - 2 * cross) / np.trace(first))


def retrained(
    name: str, images: pd.DataFrame, store: ImageStore, *, seed: int, tiny: bool
) -> dict[str, Any]:
    """Return whether latents keep their meaning when a DB-VAE is told to balance two of them.

    Trained twice with the same seed, the second time with the two most telling latents of the
    first as ``resampling.latents``, and once with another seed. The correlation is that of a
    latent's means on unseen faces under two models.
    """
    from debias.explore.posterior import aggregated_posterior, most_telling
    from debias.inference.encode import encode

    test = rows_of(images, "test", 1)
    common = [
        f"model.latent_size={SIZES[0]}",
        *("resampling.rule=product", "resampling.target_ess=0.5"),
    ]

    def means(assignments: Sequence[str], own_seed: int) -> tuple[NDArray[np.float64], Any]:
        model, _ = trained(images, store, [*common, *assignments], seed=own_seed, tiny=tiny)
        encoding = encode(model, store, test)
        return encoding.mu.astype(np.float64), encoding.log_var

    first, log_var = means([], seed)
    posterior = aggregated_posterior(first, log_var)
    pair = most_telling(posterior, np.zeros(SIZES[0]), number=2, threshold=0.1)
    again, _ = means([f"resampling.latents={list(pair)}"], seed)
    other, _ = means([], seed + 1000)
    between = {
        "told to balance them": np.abs(np.corrcoef(first.T, again.T)[: SIZES[0], SIZES[0] :]),
        "another seed": np.abs(np.corrcoef(first.T, other.T)[: SIZES[0], SIZES[0] :]),
    }
    return {
        "model": name,
        "seed": seed,
        "latents": list(pair),
        "same_latent": {key: [float(table[k, k]) for k in pair] for key, table in between.items()},
        "best_latent": {
            key: [float(table[k].max()) for k in pair] for key, table in between.items()
        },
    }


def tables(runs: list[dict[str, Any]]) -> list[str]:
    """Return the lines of Markdown tables, a row a model, with the mean and range over seeds."""
    first: dict[str, Callable[[dict[str, Any]], float | None]] = {
        "R²": lambda run: run["r_squared"],
        "of PCA": lambda run: run["r_squared_of_components"],
        "active": lambda run: run["active"],
        "continuity": lambda run: run["continuity"],
        "longest step": lambda run: run["longest_step"],
        "draws called faces": lambda run: run["called_faces"]["draws"],
        "N(0, 1)": lambda run: run["called_faces"]["standard normal draws"],
        "reconstructions": lambda run: run["called_faces"]["reconstructions"],
        "unseen faces": lambda run: run["called_faces"]["unseen faces"],
        "distance of draws": lambda run: run["distance"]["draws"],
        "of reconstructions": lambda run: run["distance"]["reconstructions"],
        "of unseen faces": lambda run: run["distance"]["unseen faces"],
    }
    second: dict[str, Callable[[dict[str, Any]], float | None]] = {
        "MIG": lambda run: run["scores"]["mig"],
        "by chance": lambda run: run["scores_by_chance"]["mig"],
        "SAP": lambda run: run["scores"]["sap"],
        "by chance ": lambda run: run["scores_by_chance"]["sap"],
        "DCI disentanglement": lambda run: run["scores"]["disentanglement"],
        "by chance  ": lambda run: run["scores_by_chance"]["disentanglement"],
        "informativeness": lambda run: run["scores"]["informativeness"],
        "total correlation": lambda run: run["total_correlation"],
    }
    compared_runs = [run for run in runs if run["model"] != AGAIN]
    lines = ["**Pictures**", "", *_table(compared_runs, first), ""]
    lines += ["**Latents and factors**", "", *_table(compared_runs, second), ""]
    lines += ["**Trained again**", "", "| second training | seed | latents | same latent | best |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for run in (run for run in runs if run["model"] == AGAIN):
        for key, same in run["same_latent"].items():
            cells = [
                ", ".join(f"{value:.2f}" for value in part)
                for part in (same, run["best_latent"][key])
            ]
            named = ", ".join(map(str, run["latents"]))
            lines.append(f"| {key} | {run['seed']} | {named} | {cells[0]} | {cells[1]} |")
    return lines


def _table(
    runs: list[dict[str, Any]], columns: dict[str, Callable[[dict[str, Any]], float | None]]
) -> list[str]:
    lines = [
        "| model, latents | " + " | ".join(columns) + " |",
        "| --- " * (len(columns) + 1) + "|",
    ]
    for name in dict.fromkeys(run["model"] for run in runs):
        own = [run for run in runs if run["model"] == name]
        cells = [_cell([of(run) for run in own]) for of in columns.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _cell(values: list[float | None]) -> str:
    """Return the mean, and the range over seeds."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    digits = (
        0 if all(float(value).is_integer() for value in known) else 1 if max(known) >= 10 else 3
    )
    low, high = min(known), max(known)
    spread = "" if low == high else f" ({low:.{digits}f} to {high:.{digits}f})"
    return f"{np.mean(known):.{digits}f}{spread}"


if __name__ == "__main__":
    main()
