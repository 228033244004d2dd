"""One streamed evaluation, alone in its process, so that its memory can be told.

    python experiments/report_speed/streaming.py PREDICTIONS [ATTRIBUTES]

Prints a JSON object: seconds in all and by stage, those of the processor, the peak of resident
memory, and what was found.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
from cell_bootstrap import bootstrap_cells
from drawn_tables import VALUES

from debias.data.score_stream import stream_scores
from debias.metrics.evaluation import TalliedGroups, evaluate_tallies
from debias.metrics.operating_point import excluded_rank
from debias.metrics.score_counts import ScoreCounts, count_scores, edges_for, sum_by_group
from debias.metrics.score_figures import binned_auc
from debias.metrics.score_order import largest_scores, lowest_above, quantile_edges
from debias.metrics.tally import tally_counts

TARGETS = (0.01, 0.001)
NUM_REPLICATES = 2000
SETS = [names for size in range(1, 5) for names in combinations(VALUES, size)]


def main() -> None:
    """Evaluate the tables that the command names."""
    paths = [Path(name) for name in sys.argv[1:]]
    laps = [("start", time.perf_counter())]
    with stream_scores(
        paths[0],
        groups={name: name for name in VALUES},
        attributes=paths[1] if len(paths) > 1 else None,
    ) as stream:
        laps.append(("read, check and join", time.perf_counter()))
        ranks = [
            excluded_rank(target_fpr=target, num_negatives=stream.num_negatives)
            for target in TARGETS
        ]
        excluded = largest_scores(stream.negative_scores, ranks=ranks)
        above = lowest_above((scores for scores, _, _ in stream.scores()), bounds=excluded)
        laps.append(("exact thresholds", time.perf_counter()))
        cuts = quantile_edges(
            (scores for scores, _, _ in stream.scores()),
            num_scores=stream.num_faces + stream.num_negatives,
        )
        counts = count_scores(
            stream.scores(),
            columns=stream.columns,
            cells=stream.cells,
            edges=np.concatenate([edges_for(excluded=excluded, above=above), cuts]),
        )
        laps.append(("count", time.perf_counter()))
        num_rows, num_matched = stream.num_rows, stream.num_faces_matched
    points = [counts.operating_point(target_fpr=target) for target in TARGETS]
    groupings = [counts.grouping(columns) for columns in SETS]
    table = counts.at(points[0].threshold)
    faces = counts.counts[1].sum(axis=-1)
    ranked = []
    for grouping in groupings:
        sizes = sum_by_group(faces, grouping=grouping)
        ranked.append(np.flatnonzero(grouping.known & (sizes >= 30)))
        pool = counts.counts[0].sum(axis=0)
        positives = sum_by_group(counts.counts[1], grouping=grouping)
        binned_auc(positives=positives, negatives=pool, is_exact=counts.is_exact)
    laps.append(("groups and areas", time.perf_counter()))
    for point in points:
        _evaluate(counts, threshold=point.threshold)
    laps.append(("intervals, tests and verdicts", time.perf_counter()))
    replicates = bootstrap_cells(
        table=table,
        groupings=groupings,
        ranked=ranked,
        generator=np.random.default_rng(0),
        num_replicates=NUM_REPLICATES,
    )
    laps.append(("bootstrap", time.perf_counter()))
    stages = {name: round(now - before, 3) for (_, before), (name, now) in pairwise(laps)}
    print(
        json.dumps(
            {
                "num_rows": num_rows,
                "num_faces_matched": num_matched,
                "seconds": round(laps[-1][1] - laps[0][1], 3),
                "cpu_seconds": round(time.process_time(), 3),
                "stages": stages,
                "peak_mb": round(_peak_mb(), 1),
                "num_groupings": len(replicates),
                "num_cells": len(counts.cells),
                "thresholds": [point.threshold for point in points],
                "realised_fpr": [point.realised_fpr for point in points],
                "gaps": [float(np.median(each.gap)) for each in replicates],
            }
        )
    )


def _evaluate(counts: ScoreCounts, *, threshold: float) -> None:
    """Work out at one threshold what a report does: rates, disparities, tests and verdicts."""
    table = counts.at(threshold)
    groupings = []
    for columns in SETS:
        found = counts.marginal(columns, table)
        by_group = found.counts.copy()
        by_group[:, 0] = 0  # negatives are those of the pool
        groupings.append(
            TalliedGroups(columns=found.columns, groups=found.groups, tally=tally_counts(by_group))
        )
    evaluate_tallies(
        overall=tally_counts(table.sum(axis=0)[None]),
        groupings=groupings,
        negatives="pool",
        generator=np.random.default_rng(0),
    )


def _peak_mb() -> float:
    """Return the largest resident memory of this process so far.

    Linux hands the peak that getrusage tells on from the process that started this one; that of
    /proc is this process's own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    main()
