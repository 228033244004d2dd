"""Tables of runs, in Markdown: figures by method, and differences paired by seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from methods import METHODS
from scipy import stats

Run = Mapping[str, Any]
PLAIN = "plain"


def of(runs: Sequence[Run], task: str, method: str) -> dict[int, Run]:
    """Return the runs of a method on a task, by seed."""
    return {run["seed"]: run for run in runs if (run["task"], run["method"]) == (task, method)}


def figure(run: Run, target: float, name: str) -> float:
    """Return a figure at the test's own false-positive rate, in per cent."""
    return 100 * float(run["at_test_fpr"][f"{target:g}"][name])


def recall_table(runs: Sequence[Run], task: str, target: float) -> pd.DataFrame:
    """Return recall by group, worst group, gap, E[A] and Var[A] of each method on a task."""
    rows = []
    for method in methods_of(runs, task):
        found = list(of(runs, task, method).values())
        at = [run["at_test_fpr"][f"{target:g}"] for run in found]
        groups = list(at[0]["recall"])
        rows.append(
            {
                "method": method,
                "labels": METHODS[method].labels,
                "seeds": str(len(found)),
                **{
                    group: mean_sd([100 * each["recall"][group] for each in at]) for group in groups
                },
                "worst": mean_sd([100 * each["worst"] for each in at]),
                "gap": mean_sd([100 * each["gap"] for each in at]),
                "overall": mean_sd([100 * each["overall"] for each in at]),
                "E[A]": mean_sd([100 * each["mean_accuracy"] for each in at]),
                "Var[A]": f"{np.mean([each['accuracy_variance'] for each in at]):.2f}",
            }
        )
    return pd.DataFrame(rows)


def difference_table(
    runs: Sequence[Run], task: str, target: float, *, against: str = PLAIN
) -> pd.DataFrame:
    """Return what each method changes, paired by seed, with 95 % intervals over the seeds."""
    rows = [
        difference_row(runs, task, target, after=method, before=against)
        for method in methods_of(runs, task)
        if method != against
    ]
    return pd.DataFrame([row for row in rows if row])


def lead_table(runs: Sequence[Run], task: str, target: float, *, leader: str) -> pd.DataFrame:
    """Return by how much a method is ahead of each other rival, paired by seed, as above."""
    rows = [
        difference_row(runs, task, target, after=leader, before=method)
        for method in methods_of(runs, task)
        if method not in (leader, PLAIN) and not METHODS[method].is_ceiling
    ]
    return pd.DataFrame([row for row in rows if row])


def difference_row(
    runs: Sequence[Run], task: str, target: float, *, after: str, before: str
) -> dict[str, str]:
    """Return the mean differences of two methods over the seeds that both have; {} of none."""
    new, old = of(runs, task, after), of(runs, task, before)
    seeds = sorted(new.keys() & old.keys())
    if not seeds:
        return {}
    row = {"difference": f"{after} - {before}", "seeds": str(len(seeds))}
    for name in ("worst", "gap", "overall"):
        row[name] = interval(
            [figure(new[seed], target, name) - figure(old[seed], target, name) for seed in seeds]
        )
    return {**row, "least change of a group": least_change(old, new, seeds, target)}


def least_change(
    before: Mapping[int, Run], after: Mapping[int, Run], seeds: Sequence[int], target: float
) -> str:
    """Return the change of recall of the group that gains least, in points, with its interval.

    The group is the one with the smallest mean over the seeds, and the interval is of that group:
    it does not allow for its having been picked.
    """
    changes = pd.DataFrame(
        [
            {
                group: 100 * (recall - _recall(before[seed], target)[group])
                for group, recall in _recall(after[seed], target).items()
            }
            for seed in seeds
        ]
    )
    return interval(changes[changes.mean().idxmin()].tolist())


def area_table(runs: Sequence[Run], task: str) -> pd.DataFrame:
    """Return each group's area under the ROC curve against all non-faces, in per cent."""
    rows = []
    for method in methods_of(runs, task):
        found = list(of(runs, task, method).values())
        row = {"method": method}
        for group in sorted(found[0]["auc"]):
            row[group] = mean_sd([100 * run["auc"][group] for run in found], 2)
        rows.append(row)
    return pd.DataFrame(rows)


def weights_table(runs: Sequence[Run], task: str) -> pd.DataFrame:
    """Return what share of the draws the rare faces got in the last epoch, and the cost."""
    rows = []
    for method in methods_of(runs, task):
        found = list(of(runs, task, method).values())
        last = [run["weights"][-1] for run in found if run["weights"]]
        rows.append(
            {
                "method": method,
                "rare faces' share of draws": mean_sd([100 * w["rare_share"] for w in last]),
                "of faces": mean_sd([100 * w["rare_share_of_faces"] for w in last]),
                **_junk(last),
                "effective sample": mean_sd([100 * w["effective_share"] for w in last], 0),
                "largest over mean": mean_sd([w["largest_over_mean"] for w in last]),
                "minutes": mean_sd([run["seconds"] / 60 for run in found]),
            }
        )
    return pd.DataFrame(rows).fillna("")


def _junk(last: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Return what share of the draws pictures without a face get, where there are any."""
    if not any(weights["unknown_share_of_faces"] for weights in last):
        return {}
    return {
        "junk's share of draws": mean_sd([100 * weights["unknown_share"] for weights in last]),
        "junk, of faces": mean_sd([100 * weights["unknown_share_of_faces"] for weights in last]),
    }


def threshold_table(runs: Sequence[Run], task: str, target: float) -> pd.DataFrame:
    """Return what the threshold from validation gives: the rate it realises, and recall there."""
    rows = []
    for method in methods_of(runs, task):
        found = list(of(runs, task, method).values())
        at = [run["at_validation_threshold"][f"{target:g}"] for run in found]
        if not all(at):
            continue
        rows.append(
            {
                "method": method,
                "realised FPR": mean_sd([100 * each["realised_fpr"] for each in at], 2),
                "worst": mean_sd([100 * each["worst"] for each in at]),
                "gap": mean_sd([100 * each["gap"] for each in at]),
            }
        )
    return pd.DataFrame(rows)


def methods_of(runs: Sequence[Run], task: str) -> list[str]:
    """Return the methods that a task was trained with, in the order of their list."""
    there = {run["method"] for run in runs if run["task"] == task}
    return [name for name in METHODS if name in there]


def mean_sd(values: Sequence[float], digits: int = 1) -> str:
    """Return mean and standard deviation in words; of nothing, nothing."""
    if not len(values):
        return ""
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def interval(values: Sequence[float]) -> str:
    """Return a mean and its t-interval of 95 %."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return f"{mean:+.1f}"
    half = stats.t.ppf(0.975, count - 1) * float(np.std(values, ddof=1)) / np.sqrt(count)
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"


def markdown(title: str, table: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of a table under a title; none of an empty one."""
    if table.empty:
        return
    yield from (f"**{title}**", "")
    yield "| " + " | ".join(table.columns) + " |"
    yield "|" + " --- |" * len(table.columns)
    for row in table.itertuples(index=False):
        yield "| " + " | ".join(map(str, row)) + " |"
    yield ""


def put_tables(page: Path, lines: Iterable[str]) -> None:
    """Replace what stands between a page's two marks for tables."""
    start, end = "<!-- tables -->\n", "<!-- end of tables -->"
    before, rest = page.read_text().split(start)
    after = rest.split(end)[1]
    page.write_text(before + start + "\n" + "\n".join(lines) + "\n" + end + after)


def _recall(run: Run, target: float) -> Mapping[str, float]:
    recall: Mapping[str, float] = run["at_test_fpr"][f"{target:g}"]["recall"]
    return recall
