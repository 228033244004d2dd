"""How far two classifications of the same rows go together, and whether chance explains it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse, special, stats

from debias.metrics.design_effects import cluster_units
from debias.metrics.intervals import FloatArray
from debias.metrics.tally import as_codes

LEAST_EXPECTED = 10.0
"""Rows that each cell must expect for the chi-square distribution to tell how likely a table is."""
_ENOUGH_AS_FAR = 20
_TABLES_AT_ONCE = 2000

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contingency:
    """Two classifications beside each other.

    Attributes:
        counts: rows by both, shape (first, second).
        cramers_v: bias-corrected, in [0, 1]; NaN where either has fewer than two classes.
        low: lower limit of its interval; NaN where it is.
        high: upper limit.
        information: mutual information, nats; positive even by chance.
        by_chance: the information to expect of unrelated classes, nats, to first order.
        design_effect: how many rows are worth one independent row, at least 1.
        p_value: of no relation; 1 where there is nothing to test.
        num_tables: random tables that the p-value was counted among; 0 where it was not.
    """

    counts: NDArray[np.int64]
    cramers_v: float
    low: float
    high: float
    information: float
    by_chance: float
    design_effect: float
    p_value: float
    num_tables: int

    @property
    def residuals(self) -> FloatArray:
        """Pearson's residuals adjusted to variance 1 [Haberman1973]; 0 in classes without rows."""
        expected = _expected(self.counts)
        total = max(int(self.counts.sum()), 1)
        left = 1.0 - self.counts.sum(axis=1) / total
        rest = 1.0 - self.counts.sum(axis=0) / total
        deviation = np.sqrt(expected * np.outer(left, rest))
        found = np.zeros(expected.shape)
        np.divide(self.counts - expected, deviation, out=found, where=deviation > 0.0)
        return found


def contingency(
    *,
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike | None = None,
    smallest: float = 1e-3,
    confidence: float = 0.95,
    generator: np.random.Generator,
) -> Contingency:
    """Return how far two classifications go together.

    With X2 Pearson's statistic of n rows in k x l classes and phi2 = X2 / n, Cramer's V is
    corrected for the phi2 that chance gives, (k - 1)(l - 1) / (n - 1), and for the classes that
    it then seems to have [Bergsma2013].

    Independent rows: the null shuffles one of the classifications. Shuffled tables follow the
    multivariate hypergeometric distribution, so they are drawn as tables [Patefield1981], whatever
    n is, until 20 are as far from independence as the one found [BesagClifford1991] or p-values
    of ``smallest`` are reached. Where each cell expects :data:`LEAST_EXPECTED` rows, none is
    drawn: X2 (n - 1) / n has the mean of the shuffled ones and nearly a chi-square distribution.

    Rows that share clusters: whole clusters are the units. Each brings the sum of its rows' terms
    to X2, which is then divided by its mean under the null with degrees of freedom matched to its
    variance (the second-order correction of [RaoScott1984]) and held against the F distribution
    whose second degrees of freedom are the clusters that count, (sum n_c)^2 / sum n_c^2, less 1.
    The terms' covariance is taken about 0, which keeps the test honest with few or uneven
    clusters, and cautious: 60 clusters or fewer hardly tell ten classes apart. The bias of V and
    of the information is then that of the smaller effective number of rows.

    The interval is that of the noncentral chi-square distribution.

    Args:
        first: class of each row, from 0, shape (row,).
        second: likewise.
        clusters: the person or picture of each row as integers, shape (row,); None when rows are
            independent.
        smallest: p-value that random tables are to be able to reach, above 0.
        confidence: of the interval, in (0, 1).
        generator: draws random tables.

    Raises:
        ValueError: the shapes differ, or a class is below 0.

    References:
        [Bergsma2013] A bias-correction for Cramer's V and Tschuprow's T. J. Korean Statistical
        Society 42.
        [BesagClifford1991] Sequential Monte Carlo p-values. Biometrika 78.
        [Haberman1973] The analysis of residuals in cross-classified tables. Biometrics 29.
        [Patefield1981] Algorithm AS 159: an efficient method of generating random R x C tables
        with given row and column totals. Applied Statistics 30.
        [RaoScott1984] On chi-squared tests for multiway contingency tables with cell proportions
        estimated from survey data. Annals of Statistics 12.
    """
    from sklearn.metrics import mutual_info_score

    one, other = _classes(first), _classes(second)
    if one.size != other.size:
        raise ValueError(f"the classifications have {one.size:,} and {other.size:,} rows")
    num_first, num_second = (int(codes.max(initial=-1)) + 1 for codes in (one, other))
    cells = one * num_second + other
    counts = np.bincount(cells, minlength=num_first * num_second).reshape(num_first, num_second)
    counts = counts.astype(np.int64)
    table = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    if min(table.shape) < 2:
        return Contingency(
            counts=counts,
            cramers_v=math.nan,
            low=math.nan,
            high=math.nan,
            information=0.0,
            by_chance=0.0,
            design_effect=1.0,
            p_value=1.0,
            num_tables=0,
        )
    num_rows, degrees = int(table.sum()), (table.shape[0] - 1) * (table.shape[1] - 1)
    statistic = float(_statistics(table[None], _expected(table))[0])
    num_tables = 0
    freedom, effect = float(degrees), 1.0
    if clusters is None:
        p_value, num_tables = _by_tables(table, statistic, smallest, generator)
    else:
        freedom, effect, num_clusters = _clustered(table, cells, counts, clusters)
        p_value = 1.0
        if num_clusters > 1.0:
            per_degree = statistic / (degrees * effect)
            p_value = float(special.fdtrc(freedom, freedom * (num_clusters - 1.0), per_degree))
    worth = (num_rows - 1) / effect
    low, high = _noncentral(statistic / (degrees * effect) * freedom, freedom, confidence)
    share = degrees / freedom * effect / num_rows  # of a unit of noncentrality, in phi2
    return Contingency(
        counts=counts,
        cramers_v=_corrected(statistic / num_rows - degrees / worth, table.shape, worth),
        low=_corrected(low * share, table.shape, worth),
        high=_corrected(high * share, table.shape, worth),
        information=float(mutual_info_score(None, None, contingency=table)),
        by_chance=degrees * effect / (2.0 * num_rows),
        design_effect=effect,
        p_value=p_value,
        num_tables=num_tables,
    )


def _classes(values: ArrayLike) -> Codes:
    codes = np.asarray(values)
    checked = as_codes(codes, num_rows=codes.size, num_groups=int(codes.max(initial=0)) + 1)
    if checked.size and checked.min() < 0:
        raise ValueError("classes must be whole numbers from 0; leave out rows of none")
    return checked


def _expected(counts: NDArray[np.int64]) -> FloatArray:
    total = max(int(counts.sum()), 1)
    return np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total


def _statistics(tables: NDArray[np.int64], expected: FloatArray) -> FloatArray:
    """Return Pearson's X2 of tables with the same totals, shape (table,)."""
    return np.asarray(((tables - expected) ** 2 / expected).sum(axis=(1, 2)), dtype=np.float64)


def _by_tables(
    table: NDArray[np.int64], statistic: float, smallest: float, generator: np.random.Generator
) -> tuple[float, int]:
    """Return the p-value of independent rows, and the random tables that it took."""
    expected, num_rows = _expected(table), int(table.sum())
    if expected.min() >= LEAST_EXPECTED:
        degrees = (table.shape[0] - 1) * (table.shape[1] - 1)
        return float(special.chdtrc(degrees, statistic * (num_rows - 1) / num_rows)), 0
    totals = table.sum(axis=1), table.sum(axis=0)
    wanted, num_tables, as_far = math.ceil(1.0 / smallest), 0, 0
    while num_tables < wanted and as_far < _ENOUGH_AS_FAR:
        count = min(_TABLES_AT_ONCE, wanted - num_tables)
        drawn = stats.random_table.rvs(*totals, size=count, random_state=generator)
        found = _statistics(drawn, expected)
        as_far += int((found >= statistic * (1.0 - 1e-9)).sum())
        num_tables += count
    return (as_far + 1.0) / (num_tables + 1.0), num_tables


def _clustered(
    table: NDArray[np.int64], cells: Codes, counts: NDArray[np.int64], clusters: ArrayLike
) -> tuple[float, float, float]:
    """Return degrees of freedom, mean design effect, and clusters that count."""
    named = np.asarray(clusters)
    if named.size != cells.size:
        raise ValueError(f"there are {named.size:,} clusters for {cells.size:,} rows")
    units = cluster_units(codes=np.zeros(cells.size, dtype=np.intp), clusters=named)
    used = np.flatnonzero(np.outer(counts.any(axis=1), counts.any(axis=0)))
    place = np.zeros(counts.size, dtype=np.intp)
    place[used] = np.arange(used.size)
    rows = sparse.csr_array(
        (np.ones(cells.size), (units, place[cells])), shape=(int(units.max()) + 1, used.size)
    )
    products = (rows.T @ rows).toarray() / cells.size
    scores = np.kron(
        _scores(table.sum(axis=1) / cells.size), _scores(table.sum(axis=0) / cells.size)
    )
    covariance = scores.T @ products @ scores
    trace, squares = float(np.trace(covariance)), float((covariance**2).sum())
    sizes = np.bincount(units).astype(np.float64)
    num_clusters = float(sizes.sum() ** 2 / (sizes**2).sum())
    freedom = trace**2 / squares if squares > 0.0 else float(scores.shape[1])
    return freedom, max(1.0, trace / scores.shape[1]), num_clusters


def _scores(shares: FloatArray) -> FloatArray:
    """Return contrasts of classes, of mean 0, variance 1 and no correlation, (class, contrast)."""
    roots = np.sqrt(shares)
    basis = np.linalg.qr(np.column_stack([roots, np.eye(shares.size)[:, 1:]]))[0]
    return np.asarray(basis[:, 1:] / roots[:, None], dtype=np.float64)


def _noncentral(statistic: float, freedom: float, confidence: float) -> tuple[float, float]:
    """Return the noncentralities for which the statistic is just likely enough."""
    tail = (1.0 - confidence) / 2.0
    limits = []
    for level in (1.0 - tail, tail):
        at_none = float(special.chdtr(freedom, statistic))
        limits.append(
            float(special.chndtrinc(statistic, freedom, level)) if at_none > level else 0.0
        )
    return limits[0], limits[1]


def _corrected(phi2: float, shape: tuple[int, ...], worth: float) -> float:
    """Return Cramer's V of a phi2 that chance was taken off, in [0, 1].

    Args:
        phi2: at least 0 but for chance.
        shape: classes of either kind.
        worth: independent rows that say as much, less 1.
    """
    # In small tables that of the more classes may be the smaller one.
    left = min((k - 1) * (1.0 - (k - 1) / worth) if worth > 0 else 0.0 for k in shape)
    if phi2 <= 0.0 or left <= 0.0:
        return 0.0
    return min(1.0, math.sqrt(phi2 / left))
