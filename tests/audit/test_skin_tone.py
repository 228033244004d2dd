from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit.made_images import made_images
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from debias.audit.measured import MeasuredImages
from debias.audit.person_correlation import person_correlation, shortfall_p_value
from debias.audit.skin_agreement import SkinToneSettings
from debias.audit.skin_tone import SkinTones, estimate_report
from debias.metrics.association import RankCorrelation

NAN = float("nan")
TONES = ("light", "medium", "dark")


def measured(
    monk: Sequence[float], ita: Sequence[float], reason: Sequence[str | None] | None = None
) -> MeasuredImages:
    count = len(monk)
    table = pd.DataFrame(
        {
            "reason": [None] * count if reason is None else list(reason),
            "monk": np.asarray(monk, dtype=np.float64),
            "ita": np.asarray(ita, dtype=np.float64),
            "ita_error": np.where(np.isfinite(ita), 2.0, np.nan),
            "monk_low": np.asarray(monk, dtype=np.float64) - 1,
            "monk_high": np.asarray(monk, dtype=np.float64) + 1,
            "brightness": np.linspace(20, 80, count),
        }
    )
    return MeasuredImages(
        table=table,
        hashes=np.zeros((count, 1), dtype=np.uint64),
        thumbnails=np.zeros((count, 32, 32), dtype=np.uint8),
        chroma=np.full((count, 32, 32, 2), 128, dtype=np.uint8),
        directory=Path("."),
    )


def drawn(
    count: int, *, noise: float, seed: int = 0
) -> tuple[MeasuredImages, NDArray[np.float64], NDArray[np.object_]]:
    """Return estimates of random swatches, the swatches, and the label of each."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(1, 11, size=count).astype(np.float64)
    seen = truth + generator.normal(0, noise, size=count)
    monk = np.clip(np.rint(seen), 1, 10)
    labels = np.array(TONES, dtype=object)[np.searchsorted([4.5, 7.5], truth)]
    return measured(monk.tolist(), (90 - 17 * seen).tolist()), truth, labels


def report(measures: MeasuredImages, labels: Sequence[str | None], **settings: float) -> SkinTones:
    return estimate_report(
        measures,
        made_images({"skin_tone": labels}),
        generator=np.random.default_rng(1),
        settings=SkinToneSettings(**settings) if settings else None,  # type: ignore[arg-type]
    )


def test_counts_of_a_small_set() -> None:
    """Six faces, one unreadable, one without skin, one without an angle; and a non-face."""
    measures = measured(
        [2, 2, 6, 10, NAN, NAN, 5],
        [60, NAN, 20, -80, NAN, NAN, 50],
        [None, None, None, None, None, "truncated", None],
    )
    images = made_images({"gender": ["f"] * 7}, label=[1, 1, 1, 1, 1, 1, 0])
    found = estimate_report(measures, images, generator=np.random.default_rng(0))
    assert (found.num_faces, found.num_unreadable) == (6, 1)
    assert (found.num_no_skin, found.num_no_angle) == (1, 1)
    monk = {share.name: share.share for share in found.monk}
    assert {name: share.num_successes for name, share in monk.items() if share.num_successes} == {
        "2": 2,
        "6": 1,
        "10": 1,
    }
    assert all(share.num_trials == 4 for share in monk.values())
    assert monk["2"].low < 0.5 < monk["2"].high
    ita = {share.name: share.share for share in found.ita}
    assert [ita[name].value for name in ("very light", "tan", "dark")] == pytest.approx([1 / 3] * 3)
    assert (found.median_error, found.median_width) == (2, 2)
    assert found.with_brightness is None
    assert (found.agreements, found.findings, found.provenance) == ((), (), "estimated")


def test_shares_of_nobody_are_not_estimable() -> None:
    found = estimate_report(
        measured([NAN], [NAN]), made_images({"gender": ["f"]}), generator=np.random.default_rng(0)
    )
    assert all(np.isnan(share.share.value) for share in (*found.monk, *found.ita))
    assert np.isnan(found.median_error)
    assert np.isnan(found.median_width)


def test_agreement_with_right_labels() -> None:
    measures, _, labels = drawn(900, noise=0.5)
    labels[:30] = None
    (agreement,) = report(measures, labels.tolist()).agreements
    monk = measures.table["monk"].to_numpy()[30:]
    estimate = np.searchsorted([4.5, 7.5], monk)
    label = np.array([TONES.index(value) for value in labels[30:]])
    expected = pd.crosstab(label, estimate).to_numpy()
    np.testing.assert_array_equal(agreement.confusion[:, :3], expected)
    assert not agreement.confusion[:, 3].any()
    assert agreement.values == TONES
    assert (agreement.num_images, agreement.num_unlabelled) == (870, 30)
    assert agreement.kappa == pytest.approx(cohen_kappa_score(label, estimate, weights="quadratic"))
    assert agreement.correlation is not None
    angle = measures.table["ita"].to_numpy()[30:]
    assert agreement.correlation.value == pytest.approx(stats.spearmanr(label, -angle)[0])
    assert agreement.agreement == pytest.approx(
        agreement.correlation.value / agreement.correlation.largest
    )
    assert agreement.agreement > 0.95
    assert [band.band for band in agreement.by_light] == ["dim", "middling", "bright"]
    assert [band.num_images for band in agreement.by_light] == [290] * 3
    assert agreement.by_light[0].brightness[1] < agreement.by_light[1].brightness[0]


def test_right_labels_raise_nothing() -> None:
    measures, _, labels = drawn(900, noise=0.5)
    assert report(measures, labels.tolist()).findings == ()


@pytest.mark.parametrize("kind", ["shuffled", "reversed"])
def test_wrong_labels_are_a_warning(kind: str) -> None:
    measures, _, labels = drawn(900, noise=0.5)
    if kind == "shuffled":
        wrong = np.random.default_rng(5).permutation(labels)
    else:
        wrong = np.array([TONES[2 - TONES.index(label)] for label in labels])
    (finding,) = report(measures, wrong.tolist()).findings
    assert (finding.kind, finding.severity) == ("skin-tone-disagreement", "warning")
    assert finding.value is not None
    assert finding.limit == 0.3
    assert finding.value < 0.15
    assert finding.p_value is not None
    assert finding.p_value < 0.005
    assert finding.num_images == len(finding.images.rows) > 90


def test_swapped_labels_are_found_each() -> None:
    measures, _, labels = drawn(1000, noise=0.5)
    swapped = np.flatnonzero((labels != "medium") & (np.arange(1000) % 20 == 0))
    for row in swapped:
        labels[row] = TONES[2 - TONES.index(labels[row])]
    (finding,) = report(measures, labels.tolist()).findings
    assert finding.severity == "note"
    assert finding.value == pytest.approx(finding.num_images / 1000)
    hits = np.intersect1d(finding.images.rows, swapped)
    assert len(hits) / len(finding.images.rows) > 0.9
    assert len(hits) / len(swapped) > 0.9
    lighter = labels[finding.images.rows] == "light"
    np.testing.assert_array_equal(finding.images.values > 0, lighter)


def test_rows_are_positions_among_all_images() -> None:
    """The first 100 images are no faces, so the positions must count them."""
    measures, _, labels = drawn(1000, noise=0.3)
    labels[500:540] = np.where(labels[500:540] == "light", "dark", labels[500:540])
    images = made_images(
        {"skin_tone": [None] * 100 + labels[100:].tolist()}, label=[0] * 100 + [1] * 900
    )
    (finding,) = estimate_report(measures, images, generator=np.random.default_rng(0)).findings
    assert finding.images.rows.min() >= 500
    assert finding.images.rows.max() < 540


def test_labels_by_another_program_are_no_labels() -> None:
    measures, _, labels = drawn(200, noise=0.5)
    images = made_images({"skin_tone": labels.tolist()})
    object.__setattr__(images, "provenance", {"skin_tone": "estimated"})
    found = estimate_report(measures, images, generator=np.random.default_rng(0))
    assert found.agreements == ()


def test_too_few_or_one_value_are_not_tested() -> None:
    measures, _, labels = drawn(40, noise=0.5)
    (few,) = report(measures, labels.tolist()).agreements
    assert (few.correlation, few.p_value) == (None, None)
    assert np.isnan(few.agreement)
    measures, _, _ = drawn(200, noise=0.5)
    found = report(measures, ["light"] * 200)
    assert np.isnan(found.agreements[0].agreement)
    assert found.agreements[0].p_value is None
    assert found.findings == ()


def test_persons_count_once() -> None:
    """Six hundred images of thirty people are too few to be tested with a limit of fifty."""
    measures, _, labels = drawn(30, noise=0.5)
    table = measures.table.iloc[np.repeat(np.arange(30), 20)].reset_index(drop=True)
    many = measured(table["monk"].tolist(), table["ita"].tolist())
    wrong = np.repeat(np.random.default_rng(3).permutation(labels), 20).tolist()
    people = [f"p{k // 20}" for k in range(600)]
    alone = estimate_report(
        many, made_images({"skin_tone": wrong}), generator=np.random.default_rng(0)
    )
    known = estimate_report(
        many,
        made_images({"skin_tone": wrong}, identity_id=people),
        generator=np.random.default_rng(0),
    )
    assert alone.agreements[0].num_compared == 600
    assert known.agreements[0].num_compared == 30
    assert known.agreements[0].p_value is None
    swatch = int(np.argmax([share.share.value for share in known.monk]))
    assert known.monk[swatch].share.design_effect > 10
    assert alone.monk[swatch].share.design_effect == 1


def test_correlation_is_of_some_of_many() -> None:
    first = np.arange(500, dtype=np.float64)
    found, number = person_correlation(
        first,
        np.where(first < 100, np.nan, first),
        persons=None,
        least_images=10,
        most_images=200,
        confidence=0.95,
        generator=np.random.default_rng(0),
    )
    assert number == 200
    assert found is not None
    assert found.value == pytest.approx(1)


def test_p_values_hold_at_the_limit() -> None:
    """At a true correlation of the limit, few more than alpha of the samples are below it."""
    generator = np.random.default_rng(0)
    true = 2 * np.sin(np.pi * 0.3 / 6)  # Pearson's, of a normal pair with Spearman's 0.3
    p_values = []
    for _ in range(600):
        pair = generator.multivariate_normal([0, 0], [[1, true], [true, 1]], size=150)
        value = float(stats.spearmanr(*pair.T)[0])
        found = RankCorrelation(value=value, low=NAN, high=NAN, largest=1)
        p_values.append(shortfall_p_value(found, num_images=150, least_part=0.3))
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(p_values) < 0.5) == pytest.approx(0.5, abs=0.06)
