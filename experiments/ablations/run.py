"""What each setting of ``margin`` does to the gap, one at a time.

    python experiments/ablations/run.py            # trains what has no result yet, prints
    python experiments/ablations/run.py --tables   # prints what is there

The task has 3 % dark faces; the draws are development draws, whose people and pictures are in no
final table, so defaults may be chosen by them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "harness"))

from methods import METHODS  # noqa: E402
from plan import add_budget, add_choice, chosen_results  # noqa: E402
from tables import difference_row, figure, markdown, mean_sd, of  # noqa: E402
from variants import variants  # noqa: E402

TASK = "dark-3"
SEEDS = (100, 101)
BASE = "whole-margin-0.3"
STRENGTHS = (
    *("whole-margin-0.2", BASE, "whole-margin-0.5", "margin-0.3"),
    *("product-0.2", "product-0.3", "product-0.5"),
)
COMPARED = ("plain", "vae", *STRENGTHS, *(variant.name for variant in variants()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what has no result yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_budget(parser, results=HERE / "results")
    add_choice(parser, methods=COMPARED, seeds=SEEDS)
    found = chosen_results(parser.parse_args(arguments), task=TASK)
    print("\n".join(markdown("One thing changed at a time", table(found))))


def table(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the worst group of each variant, its difference from the base, and its draws."""
    rows = []
    for method in COMPARED:
        found = of(runs, TASK, method)
        if not found or not all(all(run["at_test_fpr"].values()) for run in found.values()):
            continue
        last = [run["weights"][-1] for run in found.values() if run["weights"]]
        row = {"variant": method, "what": METHODS[method].summary, "draws": str(len(found))}
        for target in (0.01, 0.001):
            at = f"{100 * target:g} %"
            row[f"worst, {at}"] = mean_sd([figure(run, target, "worst") for run in found.values()])
            row[f"against {BASE}, {at}"] = difference_row(
                runs, TASK, target, after=method, before=BASE
            ).get("worst", "")
        row["dark faces' share of draws"] = mean_sd([100 * w["rare_share"] for w in last])
        rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
