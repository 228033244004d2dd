"""The tables of the real-faces experiment, from the committed result files.

    python experiments/real_faces/table.py [--results DIR]

Prints Markdown: recall by group, paired differences with 95 % t-intervals over seeds, and what
the weights did. Differences are paired by seed: with the same seed, methods share initial
weights, batches of non-faces and the augmentation of each image.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from debias.rundir import read_json

HERE = Path(__file__).parent
GROUPS = ("white male", "white female", "black male", "black female")
OTHERS = ("asian male", "asian female", "indian male", "indian female")
METHODS = ("plain", "vae", "max", "product", "margin", "plain-upright", "plain-still")
TARGETS = {"0.01": "1 %", "0.001": "0.1 %"}
STEPS = (  # what a difference isolates
    ("vae", "plain", "joint training with a VAE"),
    ("max", "vae", "resampling, `max`"),
    ("product", "vae", "resampling, `product`"),
    ("margin", "vae", "resampling, `margin`"),
    ("max", "plain", "all of it, `max`"),
    ("product", "plain", "all of it, `product`"),
    ("margin", "plain", "all of it, `margin`"),
    ("plain", "plain-upright", "rotation and black borders"),
    ("plain", "plain-still", "all geometric augmentation"),
)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    print("\n".join(tables(load(chosen.results))))


def load(results: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the finished runs of each method, ordered by seed."""
    runs = {
        method: [read_json(file) for file in sorted(results.glob(f"{method}-seed*.json"))]
        for method in METHODS
    }
    return {method: found for method, found in runs.items() if found}


def tables(runs: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield the lines of all tables."""
    for target, name in _resolved(runs).items():
        yield f"\n**Recall (%) at {name} false positives of the test's non-faces**\n"
        yield from _markdown(recall_table(runs, target))
    yield "\n**Paired differences, points of worst-group recall and of the gap**\n"
    yield from _markdown(difference_table(runs))
    yield "\n**At the validation threshold (1 % asked for), and what the weights did**\n"
    yield from _markdown(side_table(runs))


def _resolved(runs: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Return the false-positive rates that the test's non-faces resolve in every run."""
    every = [run["recall"] for found in runs.values() for run in found]
    return {t: name for t, name in TARGETS.items() if all(recall[t] for recall in every)}


def recall_table(runs: dict[str, list[dict[str, Any]]], target: str) -> pd.DataFrame:
    """Return mean and standard deviation over seeds of each group's recall, in percent."""
    rows = []
    for method, found in runs.items():
        by_group = {g: _recalls(found, target, g) for g in (*GROUPS, *OTHERS)}
        four = np.array([by_group[group] for group in GROUPS])
        rows.append(
            {
                "method": method,
                "seeds": str(len(found)),
                **{group: _mean_sd(by_group[group]) for group in GROUPS},
                "worst": _mean_sd(four.min(axis=0)),
                "gap": _mean_sd(np.ptp(four, axis=0)),
                "E[A]": _mean_sd(four.mean(axis=0)),
                "Var[A]": f"{four.var(axis=0, ddof=1).mean():.2f}",
                "worst of Asian, Indian": _mean_sd(
                    np.array([by_group[group] for group in OTHERS]).min(axis=0)
                ),
            }
        )
    return pd.DataFrame(rows)


def difference_table(runs: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """Return paired differences with 95 % t-intervals over seeds, in points."""
    rows = []
    for one, other, meaning in STEPS:
        pairs = _paired(runs, one, other)
        if len(pairs) < 2:
            continue
        row = {"from": meaning, "difference": f"{one} - {other}"}
        for target, name in _resolved(runs).items():
            ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
            four, before = (
                np.array([_recalls(found, target, group) for group in GROUPS])
                for found in (ours, theirs)
            )
            row[f"worst, {name}"] = _interval(four.min(axis=0) - before.min(axis=0))
            row[f"gap, {name}"] = _interval(np.ptp(four, axis=0) - np.ptp(before, axis=0))
        rows.append(row)
    return pd.DataFrame(rows)


def side_table(runs: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """Return realised rates, effective sample sizes, the darkest faces' share, and times."""
    rows = []
    for method, found in runs.items():
        realised = 100 * np.array([r["validation_threshold"]["realised_test_fpr"] for r in found])
        worst = [min(r["validation_threshold"]["recall"][g] for g in GROUPS) for r in found]
        dark = [run["dark_share"] for run in found if run["dark_share"]]
        last = [run["history"] for run in found]
        ess = [h["effective_share"] for h in last if "effective_share" in h]
        units = [h["active_units"] for h in last if "active_units" in h]
        rows.append(
            {
                "method": method,
                "realised FPR": _mean_sd(realised, 2),
                "worst recall there": _mean_sd(100 * np.array(worst)),
                "effective sample size": f"{100 * np.mean(ess):.0f} %" if ess else "",
                "active latents": f"{np.mean(units):.0f}" if units else "",
                "share of the darkest in the final weights": (
                    f"{100 * np.mean([d['of_weights'] for d in dark]):.1f} % "
                    f"(of faces {100 * np.mean([d['of_faces'] for d in dark]):.1f} %)"
                    if dark
                    else ""
                ),
                "minutes a run": f"{np.mean([run['seconds'] for run in found]) / 60:.1f}",
            }
        )
    return pd.DataFrame(rows)


def _recalls(found: list[dict[str, Any]], target: str, group: str) -> NDArray[np.float64]:
    return 100 * np.array([run["recall"][target][group] for run in found])


def _paired(
    runs: dict[str, list[dict[str, Any]]], one: str, other: str
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    first, second = ({run["seed"]: run for run in runs.get(name, [])} for name in (one, other))
    return [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]


def _mean_sd(values: NDArray[np.float64], digits: int = 1) -> str:
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def _interval(differences: NDArray[np.float64]) -> str:
    mean, n = differences.mean(), len(differences)
    half = stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"


def _markdown(table: pd.DataFrame) -> Iterator[str]:
    if table.empty:
        return
    yield "| " + " | ".join(table.columns) + " |"
    yield "|" + " --- |" * len(table.columns)
    for row in table.itertuples(index=False):
        yield "| " + " | ".join(map(str, row)) + " |"


if __name__ == "__main__":
    main()
