"""Measure whether intervals cover and verdicts err as often as they say.

Usage: python experiments/statistics/run.py [--tiny] [--output results.json]

What can be listed is listed (every outcome, with its probability), the rest is simulated from
fixed seeds. Nothing is read from or left on the disk but the JSON file.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from debias.metrics.accuracies import accuracies
from debias.metrics.design_effects import design_effects
from debias.metrics.disparities import gap
from debias.metrics.intervals import FloatArray, newcombe, paired_difference, rate, wilson
from debias.metrics.moved_threshold import moved_threshold
from debias.metrics.pairs import rows_for_tests
from debias.metrics.score_tests import difference_p_values, equivalence_p_values, two_rates
from debias.metrics.shrinkage import shrunken_rates
from debias.metrics.verdicts import needed_per_group
from debias.rundir import write_json
from debias.seeding import numpy_generator

Row = dict[str, Any]

ALPHA = 0.05
MARGIN = 0.02
ROWS_A_PERSON = 5
CORRELATION = 0.3
"""Of two rows of one person."""

CELLS = 1_000_000
"""Rows that are simulated at a time."""

HOPELESS = 1.2
"""Statistics up to this one are never worth a p-value near 5 %, and are not worked out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is measured; each number of replicates is of one line."""

    sizes: tuple[int, ...] = (10, 30, 100, 300, 1000, 2000)
    num_rates: int = 999
    gap_replicates: int = 2000
    shrunken_replicates: int = 400
    verdict_sizes: tuple[int, ...] = (50, 100, 200, 500, 2000)
    verdict_rates: tuple[float, ...] = (0.5, 0.8, 0.95, 0.98, 0.99)
    verdict_replicates: int = 20_000
    cluster_sizes: tuple[int, ...] = (100, 300, 1000, 3000)
    cluster_rates: tuple[float, ...] = (0.7, 0.9, 0.97)
    cluster_replicates: int = 2000
    power_rates: tuple[float, ...] = (0.7, 0.9, 0.97, 0.99, 0.995)
    power_replicates: int = 4000
    accuracy_replicates: int = 1000
    moved_replicates: int = 500


FULL = Amount()
TINY = Amount(
    sizes=(10, 100),
    num_rates=49,
    gap_replicates=40,
    shrunken_replicates=10,
    verdict_sizes=(100,),
    verdict_rates=(0.95,),
    verdict_replicates=400,
    cluster_sizes=(100,),
    cluster_rates=(0.9,),
    cluster_replicates=200,
    power_rates=(0.97,),
    power_replicates=200,
    accuracy_replicates=10,
    moved_replicates=10,
)


def main() -> None:
    """Run everything, print the tables and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="only see that everything runs")
    parser.add_argument("--output", type=Path, help="a JSON file to write")
    chosen = parser.parse_args()
    amount = TINY if chosen.tiny else FULL
    sections = {
        "Wilson interval": wilson_coverage,
        "Percentile bootstrap": bootstrap_coverage,
        "Newcombe interval": newcombe_coverage,
        "Paired interval": paired_coverage,
        "Interval of the gap": gap_coverage,
        "E[A] and Var[A]": accuracy_coverage,
        "Gain and moved threshold": moved_coverage,
        "Shrunken rates": shrunken_coverage,
        "Verdicts, independent rows": verdict_errors,
        "Verdicts, five rows a person": clustered_errors,
        "Power of the needed faces": power,
    }
    tables = {}
    for name, section in sections.items():
        started = time.perf_counter()
        tables[name] = section(amount)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    if chosen.output:
        amounts = {name: getattr(amount, name) for name in Amount.__slots__}
        write_json(chosen.output, {"amount": amounts, "tables": tables})
    for name, rows in tables.items():
        print(f"**{name}**\n\n{table_text(rows)}\n")


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of equal keys as a Markdown table; keys that end in % hold shares."""

    def cell(name: str, value: object) -> str:
        if isinstance(value, float) and name.endswith("%"):
            return f"{100.0 * value:.1f}"
        return f"{value:,}" if isinstance(value, int) else str(value)

    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])]
    lines += [" | ".join(cell(name, value) for name, value in row.items()) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


# --- Coverage ------------------------------------------------------------------------------------


def wilson_coverage(amount: Amount) -> list[Row]:
    """Return how often Wilson's interval has the true rate, over rates in (0, 1); listed."""
    truth = np.arange(1, amount.num_rates + 1) / (amount.num_rates + 1)
    near_one = truth >= 0.9
    rows = []
    for size in amount.sizes:
        hits = np.arange(size + 1)
        low, high = wilson(num_successes=hits, num_trials=size)
        inside = (low <= truth[:, None]) & (truth[:, None] <= high)
        covered = (stats.binom.pmf(hits, size, truth[:, None]) * inside).sum(axis=1)
        rows.append(
            {
                "rows": size,
                "mean %": float(covered.mean()),
                "mean from 0.9 %": float(covered[near_one].mean()),
                "least %": float(covered.min()),
            }
        )
    return rows


def bootstrap_coverage(amount: Amount) -> list[Row]:
    """Return the same of the percentile bootstrap beside Wilson's, near a rate of 1; listed."""
    rows = []
    for size, truth in ((100, 0.998), (100, 0.99), (500, 0.998), (2000, 0.998)):
        hits = np.arange(size + 1)
        mass = stats.binom.pmf(hits, size, truth)
        low, high = (stats.binom.ppf(tail, size, hits / size) / size for tail in (0.025, 0.975))
        perfect = hits == size  # every resample is perfect too
        low, high = np.where(perfect, 1.0, low), np.where(perfect, 1.0, high)
        ours = wilson(num_successes=hits, num_trials=size)
        rows.append(
            {
                "rows": size,
                "rate": truth,
                "bootstrap %": float(mass @ ((low <= truth) & (truth <= high))),
                "Wilson %": float(mass @ ((ours[0] <= truth) & (truth <= ours[1]))),
            }
        )
    return rows


def newcombe_coverage(amount: Amount) -> list[Row]:
    """Return how often Newcombe's interval has the true difference; listed."""
    truths = (0.5, 0.7, 0.9, 0.95, 0.98, 0.99)
    rows = []
    for n1, n2 in [(size, size) for size in amount.sizes if size <= 300] + [(30, 300)]:
        k1, k2 = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)[None, :]
        low, high = newcombe(num_successes=(k1, k2), num_trials=(n1, n2))
        covered = []
        for p1, p2 in product(truths, truths):
            inside = (low <= p1 - p2 + 1e-12) & (p1 - p2 - 1e-12 <= high)
            first, second = stats.binom.pmf(k1[:, 0], n1, p1), stats.binom.pmf(k2[0], n2, p2)
            covered.append(float(first @ inside @ second))
        rows.append({"rows": f"{n1}, {n2}", "mean %": _mean(covered), "least %": min(covered)})
    return rows


def paired_coverage(amount: Amount) -> list[Row]:
    """Return how often the paired interval has the true difference; listed."""
    rows = []
    for size in [size for size in amount.sizes if 30 <= size <= 300]:
        gained, lost = (x.ravel() for x in np.indices((size + 1, size + 1)))
        possible = gained + lost <= size
        gained, lost = gained[possible], lost[possible]
        covered = []
        for up, down in ((0.01, 0.01), (0.02, 0.0), (0.05, 0.01), (0.05, 0.05), (0.2, 0.1)):
            table = np.stack([gained, lost, size - gained - lost], axis=1)
            mass = stats.multinomial.pmf(table, size, [up, down, 1.0 - up - down])
            share = 0.0
            for position in np.flatnonzero(mass > 1e-9):
                low, high = paired_difference(
                    num_gained=gained[position], num_lost=lost[position], num_pairs=size
                )
                share += float(mass[position]) * (low <= up - down <= high)
            covered.append(share)
        rows.append({"rows": size, "mean %": _mean(covered), "least %": min(covered)})
    return rows


def gap_coverage(amount: Amount) -> list[Row]:
    """Return how often the interval of the gap has the true one; simulated."""
    rows = []
    for truth, size in product(
        ((0.95, 0.95), (0.95,) * 6, (0.93, 0.95, 0.95, 0.95), (0.9, 0.95, 0.97, 0.99)),
        (60, 1000),
    ):
        generator = numpy_generator(0, "gap", len(truth), size)
        covered = []
        for hits in generator.binomial(size, truth, size=(amount.gap_replicates, len(truth))):
            found = gap(rates=[rate(num_successes=int(k), num_trials=size) for k in hits])
            covered.append(found.low <= np.ptp(truth) + 1e-12 <= found.high + 1e-9)
        names = ", ".join(f"{p:g}" for p in truth)
        rows.append({"rates": names, "rows": size, "covered %": _mean(covered)})
    return rows


def accuracy_coverage(amount: Amount) -> list[Row]:
    """Return how often the intervals of E[A] and Var[A] have the true ones; simulated.

    Beside them how often the sample variance is above the true one: it holds what chance adds.
    """
    rows = []
    for truth, sizes in product(
        (
            *((0.95, 0.95), (0.95,) * 6, (0.998,) * 4, (0.9, 0.95, 0.97, 0.99)),
            *((0.8, 0.99), (0.9, *[0.99] * 11)),
        ),
        ((50, 50), (300, 300), (30, 2000)),
    ):
        generator = numpy_generator(5, "accuracies", len(truth), *sizes)
        num_rows = np.resize(sizes, len(truth))
        mean, weighted = np.mean(truth), num_rows @ truth / num_rows.sum()
        variance = np.var(100.0 * np.array(truth), ddof=1)
        covered = np.zeros((amount.accuracy_replicates, 4), dtype=np.bool_)
        for k, hits in enumerate(
            generator.binomial(num_rows, truth, size=(len(covered), len(truth)))
        ):
            found = accuracies(
                rates=[
                    rate(num_successes=int(x), num_trials=int(n))
                    for x, n in zip(hits, num_rows, strict=True)
                ],
                generator=generator,
                num_replicates=1000,
            )
            parts = (found.mean_of_groups, found.mean_of_images, found.variance)
            covered[k] = [
                *(
                    x.low <= true + 1e-12 and true - 1e-12 <= x.high
                    for x, true in zip(parts, (mean, weighted, variance), strict=True)
                ),
                found.variance.value > variance,
            ]
        shares = covered.mean(axis=0).tolist()
        rows.append(
            {
                "rates": _named(truth),
                "rows": ", ".join(f"{n:,}" for n in dict.fromkeys(sizes)),
                "E[A] of groups %": shares[0],
                "E[A] of images %": shares[1],
                "Var[A] %": shares[2],
                "sample above true %": shares[3],
            }
        )
    return rows


def _named(truth: Sequence[float]) -> str:
    """Return rates in words, like ones counted."""
    return ", ".join(
        f"{p:g}" if truth.count(p) == 1 else f"{truth.count(p)} x {p:g}"
        for p in dict.fromkeys(truth)
    )


def moved_coverage(amount: Amount) -> list[Row]:
    """Return how often the intervals of a gain and its parts have the true ones; simulated.

    Scores of two models are normal, their negatives alike, and share some of their variance.
    """
    rows = []
    for (means, thresholds), (faces, negatives), shared in product(
        (((2.0, 2.0), (1.0, 1.8)), ((3.5, 3.0), (1.5, 2.0)), ((4.5, 4.5), (1.5, 2.2))),
        ((300, 1000), (1000, 10_000)),
        (0.3, 0.9),
    ):
        generator = numpy_generator(6, "moved", faces, round(10 * shared), round(10 * means[0]))
        limits = np.array(thresholds)[:, None]
        own, other = (stats.norm.sf(t - m) for t, m in zip(thresholds, means, strict=True))
        moved = stats.norm.sf(thresholds[1] - means[0])
        truth = (own - other, moved - other, own - moved)
        covered = np.zeros((amount.moved_replicates, 3), dtype=np.bool_)
        for k in range(len(covered)):
            face_scores, negative_scores = (
                np.sqrt(shared) * generator.normal(size=size)
                + np.sqrt(1.0 - shared) * generator.normal(size=(2, size))
                for size in (faces, negatives)
            )
            face_scores += np.array(means)[:, None]
            found = moved_threshold(
                face_answers=face_scores >= limits,
                negative_answers=negative_scores >= limits,
                face_scores=face_scores[0],
                negative_scores=negative_scores[0],
            )
            assert found is not None
            parts = (found.gain, found.gain_at_same_fpr, found.gain_by_threshold)
            covered[k] = [x.low <= true <= x.high for x, true in zip(parts, truth, strict=True)]
        shares = covered.mean(axis=0).tolist()
        rows.append(
            {
                "recalls as answered": f"{own:.3f}, {other:.3f}",
                "faces": faces,
                "non-faces": negatives,
                "shared": shared,
                "gain %": shares[0],
                "at the same FPR %": shares[1],
                "by the threshold %": shares[2],
            }
        )
    return rows


def shrunken_coverage(amount: Amount) -> list[Row]:
    """Return how often shrunken intervals have the true rates, which a beta draws; simulated."""
    rows = []
    for (groups, mean, precision), (least, most) in product(
        (
            *((2, 0.95, 50.0), (6, 0.95, 50.0), (6, 0.99, 100.0), (6, 0.7, 20.0)),
            *((20, 0.95, 50.0), (6, 0.95, np.inf), (20, 0.95, np.inf)),
        ),
        ((10, 200), (1000, 5000)),
    ):
        generator = numpy_generator(1, "shrunken", groups, least)
        covered: list[bool] = []
        widths, errors = np.zeros(2), np.zeros(2)
        for _ in range(amount.shrunken_replicates):
            truth = np.full(groups, mean)
            if np.isfinite(precision):
                truth = generator.beta(mean * precision, (1.0 - mean) * precision, groups)
            sizes = generator.integers(least, most, groups)
            hits = generator.binomial(sizes, truth)
            raw = [
                rate(num_successes=int(k), num_trials=int(n))
                for k, n in zip(hits, sizes, strict=True)
            ]
            ours = shrunken_rates(rates=raw)
            covered += [x.low <= p <= x.high for x, p in zip(ours, truth, strict=True)]
            widths += [sum(x.high - x.low for x in ours), sum(x.high - x.low for x in raw)]
            for side, values in enumerate(([x.value for x in ours], hits / sizes)):
                errors[side] += float(np.sum((np.asarray(values) - truth) ** 2))
        rows.append(
            {
                "groups": groups,
                "mean": mean,
                "precision": "alike" if np.isinf(precision) else f"{precision:g}",
                "rows": f"{least} to {most:,}",
                "covered %": _mean(covered),
                "width / Wilson's %": float(widths[0] / widths[1]),
                "squared error / raw %": float(errors[0] / errors[1]),
            }
        )
    return rows


# --- Verdicts ------------------------------------------------------------------------------------


def verdict_errors(amount: Amount) -> list[Row]:
    """Return how often verdicts claim what is not so, each group of one size; simulated."""
    rows = []
    for size, truth in product(amount.verdict_sizes, amount.verdict_rates):
        generator = numpy_generator(2, "verdicts", size, round(1000 * truth))
        shape = (amount.verdict_replicates, 6)
        alike = generator.binomial(size, truth, size=shape)
        apart = generator.binomial(size, [truth - MARGIN, *[truth] * 5], size=shape)
        row: Row = {"rows": size, "rate": truth}
        for groups in (2, 4, 6):
            differs = some_pair_differs(alike[:, :groups] / size, np.full((1, groups), size))
            row[f"{groups} alike %"] = float(differs.mean())
        for groups in (2, 4, 6):
            within = all_within_margin(apart[:, :groups] / size, np.full((1, groups), size))
            row[f"{groups} at margin %"] = float(within.mean())
        rows.append(row)
    return rows


def clustered_errors(amount: Amount) -> list[Row]:
    """Return the same where rows share persons, with and without their design effects."""
    rows = []
    for size, truth in product(amount.cluster_sizes, amount.cluster_rates):
        generator = numpy_generator(3, "clustered", size, round(1000 * truth))
        row: Row = {"rows": size, "rate": truth}
        for groups in (2, 4):
            alike = _clustered(generator, np.full(groups, truth), size, amount.cluster_replicates)
            row[f"{groups} alike %"] = float(some_pair_differs(*alike).mean())
        rates, effective = alike
        naive = some_pair_differs(rates, np.full_like(effective, size))
        row["4 alike, persons ignored %"] = float(naive.mean())
        for groups in (2, 4):
            truths = np.array([truth - MARGIN, *[truth] * (groups - 1)])
            apart = _clustered(generator, truths, size, amount.cluster_replicates)
            row[f"{groups} at margin %"] = float(all_within_margin(*apart).mean())
        rows.append(row)
    return rows


def _clustered(
    generator: np.random.Generator, truths: FloatArray, size: int, num_replicates: int
) -> tuple[FloatArray, FloatArray]:
    """Return rates and rows for the tests, shape (replicate, group), five rows a person."""
    at_once = max(1, CELLS // (size * truths.size))
    parts = [
        _clustered_part(generator, truths, size, min(at_once, num_replicates - start))
        for start in range(0, num_replicates, at_once)
    ]
    rates, effective = zip(*parts, strict=True)
    return np.concatenate(rates), np.concatenate(effective)


def _clustered_part(
    generator: np.random.Generator, truths: FloatArray, size: int, num_replicates: int
) -> tuple[FloatArray, FloatArray]:
    """Return as many replicates as fit into memory."""
    shape = (num_replicates, truths.size, size // ROWS_A_PERSON)
    precision = 1.0 / CORRELATION - 1.0
    a, b = (truths * precision)[:, None], ((1.0 - truths) * precision)[:, None]
    persons = np.repeat(generator.beta(a, b, size=shape), ROWS_A_PERSON, axis=2)
    hits = generator.random(persons.shape) < persons
    num_samples = num_replicates * truths.size
    effects = design_effects(
        values=hits.ravel(),
        codes=np.repeat(np.arange(num_samples), size),
        num_groups=num_samples,
        units=np.repeat(np.arange(hits.size // ROWS_A_PERSON), ROWS_A_PERSON),
    ).values
    effective = rows_for_tests(
        num_trials=size, design_effect=effects.reshape(num_replicates, truths.size)
    )
    return hits.mean(axis=2), effective


def some_pair_differs(rates: FloatArray, effective: NDArray[Any]) -> NDArray[np.bool_]:
    """Return whether Holm finds any pair, which it does if Bonferroni does; shape (replicate,).

    Args:
        rates: shape (replicate, group).
        effective: independent rows, shape (replicate, group) or (1, group).
    """
    first, second = np.triu_indices(rates.shape[1], 1)
    found = _p_values(rates, effective, first, second, equivalence=False)
    return np.asarray(found.min(axis=1) <= ALPHA / first.size)


def all_within_margin(rates: FloatArray, effective: NDArray[Any]) -> NDArray[np.bool_]:
    """Return whether all pairs are shown to lie within the margin; shape (replicate,)."""
    first, second = np.triu_indices(rates.shape[1], 1)
    # Once a pair fails, the others are of no account: the widest one, which mostly fails, first.
    sizes = np.broadcast_to(effective, rates.shape)
    ends = np.argsort(rates, axis=1)[:, [0, -1]]
    widest = _p_values(
        np.take_along_axis(rates, ends, axis=1),
        np.take_along_axis(sizes, ends, axis=1),
        np.array([0]),
        np.array([1]),
        equivalence=True,
    )
    within = widest[:, 0] <= ALPHA
    passed = np.flatnonzero(within)
    if passed.size and rates.shape[1] > 2:
        found = _p_values(rates[passed], sizes[passed], first, second, equivalence=True)
        within[passed] = found.max(axis=1) <= ALPHA
    return within


def _p_values(
    rates: FloatArray,
    effective: NDArray[Any],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    *,
    equivalence: bool,
) -> FloatArray:
    """Return p-values of shape (replicate, pair), 1 for hopeless ones; equal pairs share theirs."""
    sizes = np.floor(np.broadcast_to(effective, rates.shape) + 1e-9)
    table = np.stack([rates[:, first], rates[:, second], sizes[:, first], sizes[:, second]])
    unique, inverse = np.unique(table.reshape(4, -1), axis=1, return_inverse=True)
    both = two_rates(rates=(unique[0], unique[1]), num_effective=(unique[2], unique[3]))
    found = np.ones(unique.shape[1])
    if equivalence:
        likely = np.minimum(both.statistic(-MARGIN), both.swapped.statistic(-MARGIN)) > HOPELESS
        found[likely] = equivalence_p_values(both[np.flatnonzero(likely)], margin=MARGIN)
    else:
        likely = np.abs(both.statistic(0.0)) > HOPELESS
        found[likely] = difference_p_values(both[np.flatnonzero(likely)])
    return np.asarray(found[inverse].reshape(rates.shape[0], -1), dtype=np.float64)


def power(amount: Amount) -> list[Row]:
    """Return how often the needed faces settle either question; simulated."""
    rows = []
    for groups, truth in product((2, 4, 6), amount.power_rates):
        generator = numpy_generator(4, "power", groups, round(1000 * truth))
        pilot = rate(num_successes=round(truth * 10**7), num_trials=10**7, design_effect=1e5)
        needed = needed_per_group(rates=[pilot] * groups, margin=MARGIN)
        effective = groups * pilot.num_effective
        pooled = (effective * truth + 1.92) / (effective + 3.84)
        high = min(1.0, pooled + MARGIN / 2.0)
        shape = amount.power_replicates
        apart = generator.binomial(needed, [high, high - MARGIN], size=(shape, 2)) / needed
        alike = generator.binomial(needed, pooled, size=(shape, groups)) / needed
        num_pairs = groups * (groups - 1) // 2
        found = _p_values(
            apart, np.full((1, 2), needed), np.array([0]), np.array([1]), equivalence=False
        )
        rows.append(
            {
                "groups": groups,
                "rate": truth,
                "needed": needed,
                "margin found %": float((found[:, 0] <= ALPHA / num_pairs).mean()),
                "alike shown %": float(
                    all_within_margin(alike, np.full((1, groups), needed)).mean()
                ),
            }
        )
    return rows


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


if __name__ == "__main__":
    main()
