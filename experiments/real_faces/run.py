"""The natural task on real faces: what joint training and resampling gain, seed by seed.

    python experiments/real_faces/run.py --data DIR [--seeds 5] [--parallel 2]

``DIR`` holds ``images.csv`` and the images it names: LFW faces to train on, UTKFace adults to
test on, and pictures without faces whose classes are in either training or test. Each method is
trained by ``debias train`` in a process of its own, with the same network, augmentation, steps
and seeds; a finished run leaves one JSON file of aggregates under ``results/`` and is not run
again. Neither images nor ids leave the working folder, which is deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from debias.errors import DataError, TooFewNegativesError
from debias.metrics.operating_point import recall_at_fpr
from debias.rundir import RunDir, read_json, write_json

HERE = Path(__file__).parent
TARGETS = (0.01, 0.001)
METHODS: dict[str, list[str]] = {
    "plain": ["--architecture", "classifier"],
    "vae": ["--resampling", "uniform"],
    "max": ["--resampling", "max"],
    "product": ["--resampling", "product", "--set", "resampling.target_ess=0.5"],
    "margin": ["--resampling", "margin", "--set", "resampling.target_ess=0.3"],
}
# The plain classifier with weaker augmentation: without rotation and the borders it brings into
# view, and without any change of geometry but the flip.
UPRIGHT = ("augmentation.rotation=0", "augmentation.black_border=0")
STILL = (*UPRIGHT, "augmentation.zoom=0", "augmentation.aspect=0", "augmentation.shift=0")
for variant, changes in (("upright", UPRIGHT), ("still", STILL)):
    METHODS[f"plain-{variant}"] = [
        *METHODS["plain"],
        *(word for change in changes for word in ("--set", change)),
    ]
DARK_ITA = -10.0  # degrees; the 7 % of LFW faces below it by their cheek's pixels


def main() -> None:
    """Train what is missing; ``table.py`` prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--methods", default="plain,vae,max,product", metavar="NAME,...")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--parallel", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--windows", type=int, default=12, help="of each non-face picture")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    chosen = parser.parse_args()
    plan = [(m, seed) for seed in range(chosen.seeds) for m in chosen.methods.split(",")]
    unknown = set(chosen.methods.split(",")) - set(METHODS)
    if unknown:
        parser.error(f"unknown methods {sorted(unknown)}; known: {', '.join(METHODS)}")
    extra = [word for text in chosen.set for word in ("--set", text)]
    extra += ["--windows", str(chosen.windows)]
    missing = [run for run in plan if not _is_done(chosen.results, *run, extra)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(chosen.parallel) as pool:
        work = Path(folder)

        def train(run: tuple[str, int]) -> None:
            train_and_measure(
                *run, data=chosen.data, work=work, results=chosen.results, extra=extra
            )

        list(pool.map(train, missing))


def _result_file(results: Path, method: str, seed: int) -> Path:
    return results / f"{method}-seed{seed}.json"


def _is_done(results: Path, method: str, seed: int, extra: list[str]) -> bool:
    """Return whether a run has its result; one of other settings is refused, not mixed in."""
    file = _result_file(results, method, seed)
    if file.exists() and read_json(file)["arguments"] != [*METHODS[method], *extra]:
        raise DataError("made with other settings", where=file, hint="Use another --results")
    return file.exists()


def train_and_measure(
    method: str, seed: int, *, data: Path, work: Path, results: Path, extra: list[str]
) -> None:
    """Train one model with the real command and write its aggregates."""
    run = RunDir(path=work / f"{method}-{seed}")
    command = [
        *(sys.executable, "-m", "debias", "train", str(data / "images.csv")),
        *("--where", "pool!=controlled", "--seed", str(seed)),
        *("--no-baseline", "--quiet", "--output", str(run.path), "--device", "cpu"),
        *METHODS[method],
        *extra,
    ]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "DEBIAS_CACHE": str(work / "cache"),
        # glibc would give large tensors back to the system and fault them in again each step.
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(2**34),
        "MALLOC_TOP_PAD_": str(2**28),
    }
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    images = pd.read_csv(data / "images.csv", dtype={"image_id": str})
    figures = measure(run, images)
    results.mkdir(parents=True, exist_ok=True)
    facts = {"method": method, "seed": seed, "seconds": round(seconds, 1), **figures}
    facts["arguments"] = [*METHODS[method], *extra]
    write_json(_result_file(results, method, seed), facts)
    print(json.dumps({k: facts[k] for k in ("method", "seed", "seconds", "recall")}), flush=True)


def measure(run: RunDir, images: pd.DataFrame) -> dict[str, Any]:
    """Return the aggregates of a finished run: nothing in them is about a single image."""
    predictions = pd.read_parquet(run.predictions)
    test = predictions[predictions["split"] == "test"]
    people = images.set_index("image_id")[["race", "gender"]]
    people = people.reindex(test["image_id"]).reset_index(drop=True)
    recall: dict[str, dict[str, float] | None] = {}
    for target in TARGETS:
        try:
            found = recall_at_fpr(
                y_true=test["y_true"].to_numpy(),
                y_score=test["y_score"].to_numpy(),
                target_fpr=target,
                sensitive_features=people,
            )
        except TooFewNegativesError:
            recall[f"{target:g}"] = None
        else:
            recall[f"{target:g}"] = {" ".join(g): r.value for g, r in found.by_group.items()}
    negatives = test["y_true"] == 0
    made = read_json(run.run_file)
    return {
        "recall": recall,
        "num_faces": _num_faces(test, people),
        "num_negatives": int(negatives.sum()),
        "validation_threshold": {
            "target_fpr": read_json(run.operating_point)["target_fpr"],
            "realised_test_fpr": float(test.loc[negatives, "y_pred"].mean()),
            "recall": _recall_by_group(test, people),
        },
        "dark_share": _dark_share(run, images),
        "data": made["data"],
        "history": _last_epoch(run),
        "settings": made["settings"],
        "versions": made["versions"],
    }


def _num_faces(test: pd.DataFrame, people: pd.DataFrame) -> dict[str, int]:
    faces = people[(test["y_true"] == 1).to_numpy()]
    return {str(group): int(n) for group, n in _names(faces).value_counts().items()}


def _names(people: pd.DataFrame) -> pd.Series[str]:
    return people["race"] + " " + people["gender"]


def _recall_by_group(test: pd.DataFrame, people: pd.DataFrame) -> dict[str, float]:
    faces = (test["y_true"] == 1).to_numpy()
    found = pd.Series(test.loc[faces, "y_pred"].to_numpy(), index=people[faces].index)
    means = found.groupby(_names(people[faces])).mean()
    return {str(group): float(value) for group, value in means.items()}


def _dark_share(run: RunDir, images: pd.DataFrame) -> dict[str, float] | None:
    """Return the share of training faces below an ITA, and their share of the final weights."""
    if not run.sampling_weights.exists():
        return None
    weights = pd.read_parquet(run.sampling_weights)
    ita = images.set_index("image_id")["ita"].reindex(weights["image_id"]).to_numpy()
    dark = ita < DARK_ITA
    return {"of_faces": float(dark.mean()), "of_weights": float(weights["probability"][dark].sum())}


def _last_epoch(run: RunDir) -> dict[str, float]:
    last = pd.read_csv(run.history).iloc[-1].dropna()
    figures = {str(name): float(value) for name, value in last.items()}
    if "effective_sample_size" in figures:
        num_faces = read_json(run.run_file)["data"]["num_images"]["train/faces"]
        figures["effective_share"] = figures["effective_sample_size"] / num_faces
    return figures


if __name__ == "__main__":
    main()
