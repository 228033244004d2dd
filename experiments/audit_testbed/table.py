"""The tables of the planted defects, from the result files.

    python experiments/audit_testbed/table.py [--results DIR]

Prints Markdown. Counts are summed over the seeds.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from debias.metrics.intervals import wilson
from debias.rundir import read_json

HERE = Path(__file__).parent
CLEAN = {
    "clean": "clean, no model",
    "clean-bare": "clean, no attributes, no model",
    "clean-with-model": "clean, with a model",
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    runs = [read_json(file) for file in sorted(chosen.results.glob("*.json"))]
    print("\n".join(tables(runs)))


def tables(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of all tables."""
    planted = [run for run in runs if run["set"] not in CLEAN]
    yield from _scores(planted)
    yield from _variants(planted)
    yield from _weights(planted)
    yield from _alarms(runs)


def _scores(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "**What was planted and what was found**"
    yield ""
    yield "| set | kind of finding, unit | seeds | planted | precision | recall | severities |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, kind in dict.fromkeys((run["set"], kind) for run in runs for kind in run["scores"]):
        of_kind = [run["scores"][kind] for run in runs if run["set"] == name]
        planted, found, right, hit = (
            sum(each[count] for each in of_kind)
            for count in ("num_planted", "num_found", "num_right", "num_hit")
        )
        severities = sorted({word for each in of_kind for word in each["severities"]})
        yield (
            f"| {name} | {kind} | {len(of_kind)} | {planted:,} | {share(right, found)} | "
            f"{share(hit, planted)} | {', '.join(severities) or 'none'} |"
        )
    yield ""


def _variants(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    totals: dict[tuple[str, str], Counter[str]] = {}
    for run in runs:
        for score in run["scores"].values():
            for variant, (found, planted) in score.get("by_variant", {}).items():
                total = totals.setdefault((run["set"], variant), Counter())
                total.update(found=found, planted=planted)
    yield "**Recall by what was done**"
    yield ""
    yield "| set | what was done | images | recall |"
    yield "| --- | --- | --- | --- |"
    for (name, variant), total in totals.items():
        found, planted = total["found"], total["planted"]
        yield f"| {name} | {variant} | {planted:,} | {share(found, planted)} |"
    yield ""


def _weights(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    weighed = [run for run in runs if "weight_of_planted" in run]
    if not weighed:
        return
    yield "**Suggested weight of the planted training faces, by that of the others**"
    yield ""
    yield "| set | by seed |"
    yield "| --- | --- |"
    for name in dict.fromkeys(run["set"] for run in weighed):
        factors = [f"{run['weight_of_planted']:.2f}" for run in weighed if run["set"] == name]
        yield f"| {name} | {', '.join(factors)} |"
    yield ""


def _alarms(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "**Audits with a warning or a serious finding of what was not planted**"
    yield ""
    yield "| sets | audits | with a false alarm | 95 % interval | which |"
    yield "| --- | --- | --- | --- | --- |"
    titles = [CLEAN.get(run["set"], "with a defect") for run in runs]
    for title in dict.fromkeys([*CLEAN.values(), "with a defect"]):
        chosen = [run for run, own in zip(runs, titles, strict=True) if own == title]
        if not chosen:
            continue
        alarmed = [run for run in chosen if run["alarms"]]
        limits = wilson(num_successes=len(alarmed), num_trials=len(chosen))
        low, high = (float(end) for end in limits)
        which = sorted({f"{alarm} ({run['set']})" for run in alarmed for alarm in run["alarms"]})
        yield (
            f"| {title} | {len(chosen)} | {len(alarmed)} | {100 * low:.1f} to {100 * high:.1f} % | "
            f"{'; '.join(which)} |"
        )
    yield ""


def share(part: int, whole: int) -> str:
    """Return a share in per cent, beside what it is of; a share of nothing is not estimable."""
    return f"{100 * part / whole:.1f} % ({part:,} of {whole:,})" if whole else "not estimable"


if __name__ == "__main__":
    main()
