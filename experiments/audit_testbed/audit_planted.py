"""Does the audit find what is wrong? Every kind of defect, planted in drawn image sets.

    python experiments/audit_testbed/audit_planted.py [--sets NAME,...] [--seeds 3] [--parallel 2]
    python experiments/audit_testbed/audit_planted.py --sets clean --seeds 30
    python experiments/audit_testbed/table.py

Draws clean, balanced sets of faces and non-faces, plants one defect in each, runs `debias audit`
in a process of its own, and holds ``audit.json`` and ``findings.csv`` against what was planted.
Each run leaves one file under ``results/`` and is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from plant import (
    BASE,
    DEFECTS,
    NEED_MODEL,
    TINY,
    ImageSet,
    Planted,
    bare,
    clean,
    draw_base,
    write_set,
)
from score import alarms, planted_kinds, scores

from debias.data.tables import read_table
from debias.rundir import RunDir, read_json, write_json
from debias.seeding import numpy_generator
from debias.testbed.sets import Testbed

HERE = Path(__file__).parent
CLEAN = "clean"
CLEAN_MODEL = "clean-with-model"
BARE = "clean-bare"
SETS = {**DEFECTS, CLEAN: clean, BARE: bare, CLEAN_MODEL: clean}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the sets are drawn and audited.

    Attributes:
        testbed: the clean set.
        results: where the figures go.
        epochs: of training; None for the command's own.
    """

    testbed: Testbed
    results: Path
    epochs: int | None = None


def main() -> None:
    """Run what has no result yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", default=",".join(DEFECTS), metavar="NAME,...")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--parallel", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--epochs", type=int, help="of training (by default the command's own)")
    parser.add_argument("--tiny", action="store_true", help="few images, to see that it runs")
    chosen = parser.parse_args()
    names = chosen.sets.split(",")
    if unknown := set(names) - set(SETS):
        parser.error(f"unknown sets {sorted(unknown)}; known: {', '.join(SETS)}")
    plan = Plan(testbed=TINY if chosen.tiny else BASE, results=chosen.results, epochs=chosen.epochs)
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    plan.results.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(chosen.parallel) as pool:
        for seed in seeds:
            missing = [name for name in names if not _file(plan, name, seed).exists()]
            if missing:
                audit_all(missing, seed, plan=plan, pool=pool)


def _file(plan: Plan, name: str, seed: int) -> Path:
    return plan.results / f"{name}-seed{seed}.json"


def audit_all(names: Sequence[str], seed: int, *, plan: Plan, pool: ThreadPoolExecutor) -> None:
    """Draw one clean set, plant each defect in it, and audit."""
    base = draw_base(plan.testbed, 1000 + seed)
    list(pool.map(lambda name: audit_planted(name, seed, base=base, plan=plan), names))


def audit_planted(name: str, seed: int, *, base: ImageSet, plan: Plan) -> dict[str, Any]:
    """Plant, audit, score, and keep the figures."""
    planted = SETS[name](base, numpy_generator(seed, "plant", name))
    has_model = name in (*NEED_MODEL, CLEAN_MODEL)
    with tempfile.TemporaryDirectory() as folder:
        write_set(planted.images, Path(folder))
        run = RunDir(path=Path(folder) / "audit")
        options = ["--train-model", "--device", "cpu"] if has_model else []
        if has_model and plan.epochs is not None:
            options += ["--set", f"training.epochs={plan.epochs}"]
        seconds = audit(Path(folder), run, planted, [*options, "--seed", str(seed)])
        figures = figures_of(run, planted)
    facts = {
        "set": name,
        "seed": seed,
        "num_images": len(planted.images.table),
        "seconds": round(seconds, 1),
        "options": options,
        **figures,
    }
    write_json(_file(plan, name, seed), facts)
    print(json.dumps({key: facts[key] for key in ("set", "seed", "seconds", "alarms")}), flush=True)
    return facts


def audit(folder: Path, run: RunDir, planted: Planted, options: Sequence[str]) -> float:
    """Run the command on a written set and return the seconds that it took."""
    images = planted.images
    attributes = ["--attributes", str(folder / "people.csv")] if len(images.people) else []
    groups = ["--groups", ",".join(images.groups)] if images.groups else []
    command = [
        *(sys.executable, "-m", "debias", "audit", str(folder / "images.csv")),
        *(*attributes, *groups, *options),
        *("--output", str(run.path), "--quiet", "--workers", "1"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DEBIAS_CACHE": str(folder / "cache")}
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return time.perf_counter() - started


def figures_of(run: RunDir, planted: Planted) -> dict[str, Any]:
    """Return scores and alarms of a finished audit."""
    found = read_json(run.audit)
    rows = read_table(run.findings)
    return {
        "scores": scores(planted, found, rows),
        "alarms": alarms(found, known=planted_kinds(planted)),
        "found": [
            {key: each[key] for key in ("severity", "kind", "subject", "value", "num_images")}
            for each in found["findings"]
            if each["severity"] != "note" or each["kind"] in planted_kinds(planted)
        ],
        "num_findings": {
            severity: sum(each["severity"] == severity for each in found["findings"])
            for severity in ("serious", "warning", "note")
        },
        **_weight_of_planted(run, planted, found),
        "versions": found["versions"],
    }


def _weight_of_planted(run: RunDir, planted: Planted, found: dict[str, Any]) -> dict[str, Any]:
    """Return how much the planted training faces weigh by the suggested weights, by the others."""
    if found["model"] is None or not run.sampling_weights.exists():
        return {}
    weights = pd.read_parquet(run.sampling_weights).set_index("image_id")["weight"]
    table = planted.images.table.loc[weights.index]
    in_train = (table["label"] == 1) & (table["split"] == "train")
    touched = frozenset().union(*planted.by_image.values())
    is_planted = in_train & table.index.isin(touched)
    if not is_planted.any():
        return {}
    others = weights[in_train & ~is_planted]
    return {"weight_of_planted": float(weights[is_planted].mean() / others.mean())}


if __name__ == "__main__":
    main()
