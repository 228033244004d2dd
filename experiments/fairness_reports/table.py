"""The tables of the fairness reports, from the committed result files.

    python experiments/fairness_reports/table.py [--results DIR]

Prints Markdown. What could not be estimated is said in words, never shown as 0.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from debias.reporting.cells import NOTHING, interval, percent, share
from debias.rundir import read_json

HERE = Path(__file__).parent
TITLES = {
    "testbed": "Drawn faces: skin tone x gender",
    "real": "Real faces: race x gender",
    "real-age-ita": "Real faces: age x ITA",
}
MODELS = {"plain": "plain", "db-vae": "DB-VAE"}
VERDICTS = {
    "disparity": "disparity",
    "below_margin": "found, below the margin",
    "none_beyond_margin": "none beyond the margin",
    "inconclusive": "inconclusive",
}
Json = Mapping[str, Any]
Row = dict[str, str]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    print("\n".join(tables({file.stem: read_json(file) for file in chosen.results.glob("*.json")})))


def tables(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of all tables that there are results for."""
    for name, title in TITLES.items():
        if name not in results:
            continue
        told = results[name]
        yield f"\n**{title}: recall (%) of either model at the same false-positive rate**\n"
        yield from _markdown(recall_table(told["comparison"]))
        alone = {"db-vae": told}
        if f"{name}-plain" in results:
            alone = {"plain": results[f"{name}-plain"], **alone}
        yield f"\n**{title}: verdicts**\n"
        yield from _markdown(verdict_table(alone))
        if len(alone) > 1:
            yield f"\n**{title}: scores**\n"
            yield from _markdown(score_table(alone))
        if strata := strata_table(alone):
            yield f"\n**{title}, within strata**\n"
            yield from _markdown(strata)
        yield f"\n**{title}: DB-VAE less plain, points**\n"
        yield from _markdown(change_table(told["comparison"]))
    for name in ("testbed", "real"):
        if f"{name}-slices" in results:
            yield f"\n**{TITLES[name].partition(':')[0]}: slices of missed faces**\n"
            yield from _markdown(slice_table(results[f"{name}-slices"]))


def recall_table(comparison: Json) -> list[Row]:
    """Return each group of the last grouping, the intersection, as either model finds it."""
    points = [point for point in comparison["points"] if point["status"] == "estimated"]
    rows: dict[str, Row] = {}
    for point in points:
        at = share(point["target_fpr"])
        for group in point["groupings"][-1]["groups"]:
            small = "" if group["status"] == "ranked" else f" ({group['status']})"
            row = rows.setdefault(group["name"], {"group": group["name"] + small})
            row["faces"] = f"{group['recall']['num_trials']:,}"
            row[f"plain, {at}"] = _rate(group["other_recall"])
            row[f"DB-VAE, {at}"] = _rate(group["recall"])
            row[f"difference, {at}"] = _change(group["difference"])
    return list(rows.values())


def verdict_table(reports: Mapping[str, Json]) -> list[Row]:
    """Return for each threshold, grouping and model what the report concludes."""
    rows = []
    places = range(max(len(told["points"]) for told in reports.values()))
    for place in places:
        for model, told in reports.items():
            point = told["points"][place]
            if point["status"] == "refused":
                rows.append({"threshold": _threshold(point), "model": MODELS[model]})
                continue
            rows += [
                {
                    "threshold": _threshold(point),
                    "model": MODELS[model],
                    "FPR %": percent(point["fpr"]["value"], 2),
                    "grouping": grouping["name"],
                    "worst": _worst(grouping["worst_recall"]),
                    "gap": _rate(grouping["gap"]),
                    "by chance, median / 95th": _chance(grouping["gap"]),
                    "E[A]": _mean(grouping),
                    "Var[A]; by chance": _variance(grouping),
                    "verdict": _verdict(grouping["verdict"]),
                }
                for grouping in point["groupings"]
                if not grouping["within"]
            ]
    header = next((list(row) for row in rows if "verdict" in row), list(rows[0]))
    return [{name: row.get(name, "refused") for name in header} for row in rows]


def score_table(reports: Mapping[str, Json]) -> list[Row]:
    """Return what holds for all rows: AUC, calibration error, and each threshold."""
    rows = []
    for model, told in reports.items():
        row = {"model": MODELS[model], "AUC": NOTHING, "calibration error %": NOTHING}
        for point in told["points"]:
            if point["status"] == "refused":
                row[f"threshold, {_threshold(point)}"] = "refused"
                continue
            row |= {"AUC": _auc(point["measures"]["auc"])}
            row |= {"calibration error %": _rate(point["measures"]["ece"])}
            row[f"threshold, {_threshold(point)}"] = f"{point['threshold']:.4f}"
        rows.append(row)
    return rows


def _auc(measure: Json) -> str:
    if measure["value"] is None:
        return NOTHING
    return f"{measure['value']:.4f} [{measure['low']:.4f}, {measure['high']:.4f}]"


def strata_table(reports: Mapping[str, Json]) -> list[Row]:
    """Return the intersection within every stratum of the control features, at each target."""
    rows = []
    for model, told in reports.items():
        for point in told["points"]:
            if point["source"] != "test" or point["status"] == "refused":
                continue
            strata = {json.dumps(item["within"]): item for item in point["groupings"]}
            rows += [
                {
                    "threshold": _threshold(point),
                    "model": MODELS[model],
                    "stratum": ", ".join(f"{k} = {v}" for k, v in last["within"].items()),
                    "worst": _worst(last["worst_recall"]),
                    "gap": _rate(last["gap"]),
                    "by chance, median / 95th": _chance(last["gap"]),
                    "verdict": _verdict(last["verdict"]),
                }
                for last in strata.values()
                if last["within"]
            ]
    return rows


def change_table(comparison: Json) -> list[Row]:
    """Return how worst recall and gap change, of each grouping."""
    rows = []
    for point in comparison["points"]:
        if point["status"] == "refused":
            continue
        for grouping in point["groupings"]:
            if not grouping["columns"]:
                (everybody,) = grouping["groups"]
                row = {"grouping": "all faces", "recall": _change(everybody["difference"])}
                row |= {"worst recall": "", "gap": ""}
            else:
                row = {"grouping": " x ".join(grouping["columns"]), "recall": ""}
                row["worst recall"] = _change(grouping["worst_recall"])
                row["gap"] = _change(grouping["gap"])
            rows.append({"FPR": share(point["target_fpr"]), **row})
    return rows


def slice_table(searches: Sequence[Json]) -> list[Row]:
    """Return every slice that was found, and each search that found none."""
    rows = []
    for search in searches:
        about = {
            "errors of": MODELS[search["judged"]],
            "latents of": {"db-vae": "the DB-VAE", "vae": "a VAE of faces"}[search["latents_of"]],
            "of the logits explained": percent(search["share_explained"]) + " %",
        }
        for each in search["slices"] or [None]:
            rows.append({**about, **_slice(each)})
    return rows


def _slice(each: Json | None) -> Row:
    if each is None:
        return dict.fromkeys(("faces", "missed %", "elsewhere %", "more common in it"), "none")
    common = [
        f"{a['name']} {a['value']} {100 * a['share']:.0f} % ({100 * a['share_elsewhere']:.0f})"
        for a in each["attributes"][:4]
    ]
    return {
        "faces": f"{each['num_images']:,}",
        "missed %": _rate(each["error_rate"]),
        "elsewhere %": percent(each["error_rate_elsewhere"]["value"]),
        "more common in it": "; ".join(common),
    }


def _threshold(point: Json) -> str:
    return share(point["target_fpr"]) if point["source"] == "test" else "in use"


def _rate(rate: Any) -> str:
    return NOTHING if rate is None or rate["value"] is None else _with_limits(rate)


def _with_limits(rate: Any) -> str:
    return f"{percent(rate['value'])} {interval(rate)}"


def _worst(figure: Any) -> str:
    return NOTHING if figure is None else f"{_with_limits(figure)}, {figure['group']}"


def _chance(gap: Json | None) -> str:
    if gap is None:
        return NOTHING
    return f"{percent(gap['null_median'])} / {percent(gap['null_percentile_95'])}"


def _variance(grouping: Json) -> str:
    if grouping["variance"] is None or grouping["variance_null_median"] is None:
        return NOTHING
    return f"{grouping['variance']:.2f}; {grouping['variance_null_median']:.2f}"


def _mean(grouping: Json) -> str:
    return NOTHING if grouping["mean_of_groups"] is None else percent(grouping["mean_of_groups"])


def _change(difference: Json | None) -> str:
    if difference is None or difference["value"] is None:
        return NOTHING
    value, low, high = (percent(difference[name], sign=True) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _verdict(verdict: Json | None) -> str:
    if verdict is None:
        return "none: fewer than two ranked groups"
    needed = verdict["needed_per_group"]
    more = f"; {needed:,} faces a group would settle it" if needed else ""
    return VERDICTS[verdict["verdict"]] + more


def _markdown(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        yield "None could be estimated."
        return
    yield "| " + " | ".join(rows[0]) + " |"
    yield "|" + " --- |" * len(rows[0])
    for row in rows:
        yield "| " + " | ".join(row.values()) + " |"


if __name__ == "__main__":
    main()
