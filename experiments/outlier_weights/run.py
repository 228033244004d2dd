"""Does resampling draw junk more often, and does telling junk from rare faces mend that?

    python experiments/outlier_weights/run.py [--seeds 3] [--parallel 2]
    python experiments/outlier_weights/run.py --tiny --results /tmp/outlier_weights

Faces of the planted testbed, a few of which are replaced by pictures that are no face of anybody:
half of them the testbed's non-faces, half wrong crops (faces at the edge, pieces of faces). All
are labelled as faces. Each method trains the same network on the same images for as many steps;
a finished run leaves one JSON file under ``results/`` and is not run again. Prints the table.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable
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
from debias.testbed.population import draw_non_faces
from debias.testbed.renderer import render
from debias.testbed.sets import Testbed, draw_testbed, load_testbed, true_attributes

HERE = Path(__file__).parent
PRODUCT = ["resampling.rule=product", "resampling.target_ess=0.5"]
METHODS: dict[str, list[str]] = {
    "uniform": ["resampling.rule=uniform"],
    "product": PRODUCT,
    "downweight": [*PRODUCT, "resampling.outliers=downweight"],
}
CROPS = ("off-centre", "partial")
JUNK = 0.02
TARGET_FPR = 0.01
SIZE = 32
NETWORK = [
    f"model.image_size={SIZE}",
    "model.channels=[16, 32, 64]",
    "model.blocks=[0, 1, 1]",
    "model.latent_size=32",
    "training.precision=fp32",
]
LENGTH = ["training.epochs=10", "training.min_epoch_steps=40"]
TINY = ["training.epochs=2", "training.min_epoch_steps=2"]


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default=",".join(METHODS), metavar="NAME,...")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parallel", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--tiny", action="store_true", help="a few images, to see that it runs")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    plan = [(m, seed) for seed in range(chosen.seeds) for m in chosen.methods.split(",")]
    missing = [run for run in plan if not _file(chosen.results, *run).exists()]
    # Fresh processes: PyTorch's threads do not survive a fork.
    with ProcessPoolExecutor(chosen.parallel, mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(train_and_measure, *run, tiny=chosen.tiny) for run in missing]
        for run, task in zip(missing, tasks, strict=True):
            write_json(_file(chosen.results, *run), task.result())
    print("\n".join(table([read_json(_file(chosen.results, *run)) for run in plan])))


def _file(results: Path, method: str, seed: int) -> Path:
    return results / f"{method}-seed{seed}.json"


def testbed(*, tiny: bool) -> Testbed:
    """Return the planted testbed at half its training faces, with a smaller test."""
    whole = load_testbed("planted")
    if tiny:
        return dataclasses.replace(whole, faces=(160, 40, 20), non_faces=(160, 40, 1100))
    return dataclasses.replace(whole, faces=(3000, 300, 400), non_faces=(3000, 1000, 4000))


def contaminated(images: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return the images with :data:`JUNK` of the training faces replaced, and column ``junk``.

    Args:
        images: what :func:`~debias.testbed.sets.draw_testbed` returned.
        seed: another seed replaces others, by others.
    """
    faces = np.flatnonzero((images["split"] == "train") & (images["label"] == 1))
    number = round(JUNK * len(faces))
    pool = draw_non_faces(range(60 * number), seed=1_000_000 + seed)
    is_crop = pool["kind"].isin(CROPS)
    kinds = pool.groupby("kind").cumcount()
    order = kinds.sort_values(kind="stable").index  # one of each kind after the other
    crops = [row for row in order if is_crop[row]][: number // 2]
    others = [row for row in order if not is_crop[row]][: number - len(crops)]
    new = pool.loc[[*crops, *others]]
    chosen = numpy_generator(seed, "junk").choice(faces, len(new), replace=False)
    result = images.assign(junk=False)
    columns = [name for name in new.columns if name in images.columns and name != "label"]
    for name in columns:
        values = result[name].to_numpy().copy()
        values[chosen] = new[name].to_numpy()
        result[name] = values
    result["junk"] = np.isin(np.arange(len(result)), chosen)
    return result


def train_and_measure(method: str, seed: int, *, tiny: bool) -> dict[str, Any]:
    """Train one model and return its aggregates."""
    import torch

    from debias.models.db_vae import FaceModel
    from debias.rundir import RunDir
    from debias.training.device import make_fabric
    from debias.training.loop import TrainingData, fit
    from debias.training.randomness import torch_seeded
    from debias.training.settings import load_settings
    from debias.training.validation import LabelledRows

    torch.set_num_threads(1)
    images = contaminated(draw_testbed(testbed(tiny=tiny), seed=seed), seed=seed)
    store = ImageStore(
        directory=Path(),
        images=render(images, size=SIZE, num_workers=1),
        image_ids=pd.Index(images["image_id"]),
        failures=pd.DataFrame(columns=["image_id", "path", "reason"]),
    )

    def rows(split: str) -> LabelledRows:
        faces, non_faces = (
            np.flatnonzero((images["split"] == split) & (images["label"] == label))
            for label in (1, 0)
        )
        return LabelledRows(faces=faces, non_faces=non_faces)

    length = TINY if tiny else LENGTH
    settings = load_settings(assignments=[*NETWORK, *length, *METHODS[method], f"seed={seed}"])
    with torch_seeded(seed, "initialisation"):
        model = FaceModel(settings.model, architecture=settings.architecture)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir(path=Path(folder) / "run")
        data = TrainingData(store=store, train=rows("train"), validation=rows("val"))
        fabric = make_fabric("cpu", settings.training.precision)
        fit(model, data, settings=settings, fabric=fabric, run=run, show_progress=False)
        seconds = time.perf_counter() - started
        figures = measure(run, images, store, data.train.faces)
    return {"method": method, "seed": seed, "seconds": round(seconds, 1), **figures}


def measure(
    run: Any, images: pd.DataFrame, store: ImageStore, faces: NDArray[np.int64]
) -> dict[str, Any]:
    """Return what a finished run draws and finds: nothing in it is about a single image."""
    from debias.inference.latents import latent_rows
    from debias.inference.predict import predict_logits
    from debias.metrics.operating_point import recall_at_fpr
    from debias.models.checkpoint import load_model, load_tensors
    from debias.resampling.histogram import kl_per_latent
    from debias.resampling.outliers import outlier_scores, outlier_threshold
    from debias.training.state import saved_states

    last = load_tensors(saved_states(run.checkpoints)[-1] / "state.safetensors")
    probabilities = last["sampling.probabilities"].numpy()
    junk = images["junk"].to_numpy()[faces]
    dark = (images["tone"].to_numpy()[faces] >= 7.5) & ~junk
    crop = images["kind"].isin(CROPS).to_numpy()[faces] & junk
    model = load_model(run.model)
    made = latent_rows(model, store, faces)
    assert made.mu is not None
    assert made.log_var is not None
    assert made.error is not None
    active = kl_per_latent(made.mu, made.log_var) >= 0.1
    scores = outlier_scores(
        made.mu[:, active],
        error=made.error,
        detail=made.detail,
        generator=np.random.default_rng(0),
    )
    marked = scores > outlier_threshold()
    test = np.flatnonzero(images["split"] == "test")
    logits = predict_logits(model, store, test)
    people = true_attributes(images.iloc[test])[["skin_tone", "gender"]]
    people = people.reindex(images["image_id"].iloc[test]).reset_index(drop=True)
    found = recall_at_fpr(
        y_true=images["label"].to_numpy()[test],
        y_score=logits,
        target_fpr=TARGET_FPR,
        sensitive_features=people,
    )
    return {
        "num_faces": len(faces),
        "num_junk": int(junk.sum()),
        "share_of_draws": {
            "junk": float(probabilities[junk].sum()),
            "wrong crops": float(probabilities[crop].sum()),
            "dark faces": float(probabilities[dark].sum()),
        },
        "share_of_faces": {
            "junk": float(junk.mean()),
            "wrong crops": float(crop.mean()),
            "dark faces": float(dark.mean()),
        },
        "marked": {
            "junk": float(marked[junk].mean()),
            "dark faces": float(marked[dark].mean()),
            "other faces": float(marked[~junk & ~dark].mean()),
        },
        "recall": {" ".join(group): rate.value for group, rate in found.by_group.items()},
    }


def table(runs: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a Markdown table, a row a method, with the mean and range over seeds."""
    columns: dict[str, Callable[[dict[str, Any]], float]] = {
        "of draws: junk": lambda run: run["share_of_draws"]["junk"],
        "of draws: wrong crops": lambda run: run["share_of_draws"]["wrong crops"],
        "of draws: dark faces": lambda run: run["share_of_draws"]["dark faces"],
        "marked: junk": lambda run: run["marked"]["junk"],
        "marked: dark faces": lambda run: run["marked"]["dark faces"],
        "marked: other faces": lambda run: run["marked"]["other faces"],
        "worst group's recall": lambda run: min(run["recall"].values()),
        "mean recall": lambda run: sum(run["recall"].values()) / len(run["recall"]),
    }
    lines = [
        "| method | seeds | " + " | ".join(columns) + " |",
        "| --- " * (len(columns) + 2) + "|",
    ]
    for method in dict.fromkeys(run["method"] for run in runs):
        own = [run for run in runs if run["method"] == method]
        cells = []
        for of in columns.values():
            values = [100 * of(run) for run in own]
            mean = sum(values) / len(values)
            cells.append(f"{mean:.1f} % ({min(values):.1f} to {max(values):.1f})")
        lines.append(f"| {method} | {len(own)} | " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()
