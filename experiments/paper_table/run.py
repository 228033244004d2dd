"""Table 1 of the DB-VAE's paper on a drawn task: at a fixed threshold, and at the same FPR.

    python experiments/paper_table/run.py            # trains what has no result yet, prints
    python experiments/paper_table/run.py --tables   # prints what is there

The paper raises the strength of the resampling (a smaller alpha) and reports the mean accuracy of
the four groups, E[A], and its variance over the groups, Var[A], of 5 trainings, at a threshold of
0.5. Its test has faces only, so what the false-positive rate does there is not seen. Beside that
stand the same figures at the same false-positive rate.

References:
    [Amini2019] Amini, Soleimany, Schwarting, Bhatia, Rus. Uncovering and Mitigating Algorithmic
    Bias through Learned Latent Structure. AIES 2019.
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

from methods import PAPER_ALPHAS  # noqa: E402
from plan import add_budget, add_choice, chosen_results  # noqa: E402
from tables import interval, markdown, mean_sd, of  # noqa: E402

TASK = "dark-3"
SEEDS = (1, 2, 3, 4, 5)
NONE = "vae"
METHODS = (NONE, *(f"paper-{alpha}" for alpha in PAPER_ALPHAS))
PUBLISHED = {
    NONE: (95.13, 28.84),
    "paper-0.1": (95.84, 25.43),
    "paper-0.05": (96.47, 18.08),
    "paper-0.01": (97.13, 9.49),
    "paper-0.001": (97.36, 9.43),
}
"""E[A] in per cent and Var[A] in per cent squared: Table 1 of [Amini2019]."""

Run = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what has no result yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_budget(parser, results=HERE / "results")
    add_choice(parser, methods=METHODS, seeds=SEEDS)
    found = chosen_results(parser.parse_args(arguments), task=TASK)
    titles = {
        "at_half": "At a threshold of 0.5, as in the paper",
        "0.01": "At 1 % false positives",
        "0.001": "At 0.1 % false positives",
    }
    for place, title in titles.items():
        print("\n".join(markdown(title, table(found, place))))
    print("\n".join(markdown("Against no resampling, at 1 % false positives", changes(found))))


def table(runs: Sequence[Run], place: str) -> pd.DataFrame:
    """Return E[A], Var[A] and the worst group of each strength, beside the published ones.

    Args:
        runs: results.
        place: ``at_half``, or a false-positive rate.
    """
    rows = []
    for method in METHODS:
        found = list(of(runs, TASK, method).values())
        at = [run[place] if place == "at_half" else run["at_test_fpr"][place] for run in found]
        if not at or not all(at):
            continue
        row = {
            "strength": "none" if method == NONE else method.replace("paper-", "alpha "),
            "runs": str(len(found)),
            "E[A]": mean_sd([100 * each["mean_accuracy"] for each in at], 2),
            "Var[A]": mean_sd([each["accuracy_variance"] for each in at], 2),
            "worst group": mean_sd([100 * each["worst"] for each in at]),
        }
        if place == "at_half":
            row["false positives"] = mean_sd([100 * each["realised_fpr"] for each in at], 2)
            row["E[A], published"], row["Var[A], published"] = map(str, PUBLISHED[method])
        else:
            sizes = [run["weights"][-1]["effective_share"] for run in found]
            row["effective sample, %"] = mean_sd([100 * share for share in sizes], 2)
        rows.append(row)
    return pd.DataFrame(rows)


def changes(runs: Sequence[Run]) -> pd.DataFrame:
    """Return what each strength changes at 1 % false positives, paired by seed."""
    rows = []
    before = of(runs, TASK, NONE)
    for method in METHODS[1:]:
        after = of(runs, TASK, method)
        seeds = sorted(before.keys() & after.keys())
        pairs = [
            (run["at_test_fpr"]["0.01"] for run in (before[seed], after[seed])) for seed in seeds
        ]
        known = [(old, new) for old, new in pairs if old and new]
        if not known:
            continue
        rows.append(
            {
                "strength": method.replace("paper-", "alpha "),
                "runs": str(len(known)),
                **{
                    title: interval([scale * (new[name] - old[name]) for old, new in known])
                    for title, name, scale in (
                        ("E[A]", "mean_accuracy", 100),
                        ("Var[A]", "accuracy_variance", 1),
                        ("worst group", "worst", 100),
                    )
                },
            }
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
