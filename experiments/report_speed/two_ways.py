"""The same figures by Fairlearn's MetricFrame and by counts, from the same arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from cell_bootstrap import bootstrap_cells
from fairlearn.metrics import (
    MetricFrame,
    count,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from numpy.typing import NDArray

from debias.metrics.counts import attribute_values
from debias.metrics.score_counts import count_scores

METRICS = {
    "count": count,
    "recall": true_positive_rate,
    "fpr": false_positive_rate,
    "selection_rate": selection_rate,
}
QUANTILES = (0.025, 0.975)


def by_metric_frame(
    rows: pd.DataFrame, columns: Sequence[str], *, num_replicates: int = 0
) -> pd.DataFrame:
    """Return the metrics of each intersection; with replicates, their quantiles are computed too.

    Args:
        rows: ``y_true``, ``y_pred`` and the attributes, all known.
        columns: the attributes.
        num_replicates: ``n_boot``; none at 0.
    """
    boot = {"n_boot": num_replicates, "ci_quantiles": list(QUANTILES), "random_state": 0}
    frame = MetricFrame(
        metrics=METRICS,
        y_true=rows["y_true"],
        y_pred=rows["y_pred"],
        sensitive_features=rows[list(columns)],
        **(boot if num_replicates else {}),
    )
    found: pd.DataFrame = frame.by_group
    return found


def by_counts(
    rows: pd.DataFrame, columns: Sequence[str], *, num_replicates: int = 0
) -> pd.DataFrame:
    """Return the same by counting cells; see :func:`by_metric_frame`."""
    keys = np.zeros(len(rows), dtype=np.int64)
    levels = []
    for name in columns:
        codes, values = pd.factorize(rows[name])
        levels.append(attribute_values(pd.Series(values)))
        keys = keys * len(values) + codes
    sizes = [len(level) for level in levels]
    places = np.unravel_index(np.arange(int(np.prod(sizes))), sizes)
    cells = list(zip(*(level[at] for level, at in zip(levels, places, strict=True)), strict=True))
    counts = count_scores(
        [(rows["y_pred"].to_numpy(float), rows["y_true"].to_numpy(bool), keys)],
        columns=columns,
        cells=cells,
        edges=[1.0],
    )
    by_group = counts.marginal(columns, counts.at(1.0), faces_only=False)
    if num_replicates:
        grouping = counts.grouping(columns, faces_only=False)
        replicates = bootstrap_cells(
            table=counts.at(1.0),
            groupings=[grouping],
            ranked=[np.arange(len(grouping.groups))],
            generator=np.random.default_rng(0),
            num_replicates=num_replicates,
        )
        np.nanquantile(replicates[0].recall, QUANTILES, axis=0)
    return _table(by_group.counts, by_group.groups, columns)


def _table(
    counts: NDArray[np.int64], groups: Sequence[tuple[str, ...]], columns: Sequence[str]
) -> pd.DataFrame:
    with np.errstate(invalid="ignore"):
        rates = counts[:, :, 1] / counts.sum(axis=2)
        selected = counts[:, :, 1].sum(axis=1) / counts.sum(axis=(1, 2))
    index = pd.MultiIndex.from_tuples(groups, names=list(columns))
    figures = [counts.sum(axis=(1, 2)), rates[:, 1], rates[:, 0], selected]
    return pd.DataFrame(dict(zip(METRICS, figures, strict=True)), index=index)
