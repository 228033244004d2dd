from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from debias.metrics.intervals import paired_difference
from debias.metrics.moved_threshold import MovedThreshold, moved_threshold


def test_a_moved_threshold_alone_gains_nothing_at_the_same_fpr() -> None:
    generator = np.random.default_rng(0)
    faces, negatives = generator.normal(2, 1, 400), generator.normal(0, 1, 1000)
    found = moved_threshold(
        face_answers=np.stack([faces > 1.0, faces > 1.8]),
        negative_answers=np.stack([negatives > 1.0, negatives > 1.8]),
        face_scores=faces,
        negative_scores=negatives,
    )
    assert found is not None
    assert list(found.fpr) == [np.mean(negatives > 1.0), np.mean(negatives > 1.8)]
    assert found.gain.value == pytest.approx(np.mean(faces > 1.0) - np.mean(faces > 1.8))
    assert found.gain.low > 0.1
    # The threshold moves down to the next negative below 1.8, which can only find more faces.
    bound = negatives[negatives <= 1.8].max()
    assert found.gain_at_same_fpr.value == pytest.approx(
        np.mean(faces > bound) - np.mean(faces > 1.8)
    )
    assert 0 <= found.gain_at_same_fpr.value < 0.02
    assert found.gain_at_same_fpr.low < 0 < found.gain_at_same_fpr.high
    assert found.gain_by_threshold.low > 0.1
    whole = found.gain_at_same_fpr.value + found.gain_by_threshold.value
    assert found.gain.value == pytest.approx(whole)


def test_a_real_gain_stays_at_the_same_fpr() -> None:
    found = moved_threshold(
        face_answers=np.array([[1, 1, 1, 1], [1, 0, 0, 0]], dtype=bool),
        negative_answers=np.zeros((2, 3), dtype=bool),
        face_scores=np.array([4.0, 4.0, 4.0, 4.0]),
        negative_scores=np.array([1.0, 2.0, 3.0]),
    )
    assert found is not None
    assert (found.gain.value, found.gain_at_same_fpr.value) == (0.75, 0.75)


def test_no_moved_threshold_without_faces_or_negatives() -> None:
    none, some = np.zeros((2, 0), dtype=bool), np.ones((2, 3), dtype=bool)
    for faces, negatives in ((none, some), (some, none)):
        found = moved_threshold(
            face_answers=faces,
            negative_answers=negatives,
            face_scores=np.zeros(faces.shape[1]),
            negative_scores=np.zeros(negatives.shape[1]),
        )
        assert found is None


def judged(
    generator: np.random.Generator,
    *,
    means: tuple[float, float],
    thresholds: tuple[float, float],
    num_faces: int = 300,
    num_negatives: int = 1000,
    copies: int = 1,
) -> MovedThreshold:
    """Judge normal scores, of which two models share 0.7 of the variance, and copies of them."""

    def two(size: int) -> np.ndarray:
        common, own = generator.normal(size=size), generator.normal(size=(2, size))
        return np.asarray(np.sqrt(0.7) * common + np.sqrt(0.3) * own)

    faces, negatives = two(num_faces) + np.array(means)[:, None], two(num_negatives)
    limits = np.array(thresholds)[:, None]
    faces, negatives = np.repeat(faces, copies, axis=1), np.repeat(negatives, copies, axis=1)
    found = moved_threshold(
        face_answers=faces >= limits,
        negative_answers=negatives >= limits,
        face_scores=faces[0],
        negative_scores=negatives[0],
        face_clusters=np.repeat(np.arange(num_faces), copies) if copies > 1 else None,
        negative_clusters=np.repeat(np.arange(num_negatives), copies) if copies > 1 else None,
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("means", "thresholds"), [((2.0, 2.0), (1.0, 1.8)), ((3.5, 3.0), (1.5, 2.0))]
)
def test_intervals_cover_what_either_part_is(
    means: tuple[float, float], thresholds: tuple[float, float]
) -> None:
    generator = np.random.default_rng(0)
    first, second = (stats.norm.sf(t - m) for t, m in zip(thresholds, means, strict=True))
    moved = stats.norm.sf(thresholds[1] - means[0])
    truth = [first - second, moved - second, first - moved]
    covered = np.zeros(3)
    for _ in range(300):
        found = judged(generator, means=means, thresholds=thresholds)
        parts = (found.gain, found.gain_at_same_fpr, found.gain_by_threshold)
        covered += [part.low <= true <= part.high for part, true in zip(parts, truth, strict=True)]
    assert (covered / 300 > 0.92).all()


def test_copies_of_pictures_and_persons_tell_nothing_new() -> None:
    choice = {"means": (2.0, 2.0), "thresholds": (1.0, 1.8)}
    once, twice = (
        judged(np.random.default_rng(0), copies=copies, **choice)  # type: ignore[arg-type]
        for copies in (1, 3)
    )
    for name in ("gain", "gain_at_same_fpr", "gain_by_threshold"):
        one, three = getattr(once, name), getattr(twice, name)
        assert one.value == pytest.approx(three.value)
        assert (three.low, three.high) == pytest.approx((one.low, one.high), abs=0.006)


def test_few_negatives_make_the_moved_threshold_uncertain() -> None:
    few, many = (
        judged(
            np.random.default_rng(0),
            means=(2.0, 2.0),
            thresholds=(1.0, 1.8),
            num_negatives=number,
        ).gain_at_same_fpr
        for number in (200, 20_000)
    )
    assert few.high - few.low > 1.5 * (many.high - many.low)


def test_a_model_that_lets_nothing_through_bounds_no_threshold() -> None:
    """Any threshold above the highest negative may be the one for its true rate."""
    faces, negatives = np.linspace(2.0, 6.0, 100), np.linspace(0.0, 1.0, 50)
    for passing, bounded in ((0, False), (3, False), (4, True)):
        other = np.arange(50) < passing
        found = moved_threshold(
            face_answers=np.stack([faces > 1.0, faces > 1.0]),
            negative_answers=np.stack([negatives > 0.9, other]),
            face_scores=faces,
            negative_scores=negatives,
        )
        assert found is not None
        assert found.gain_at_same_fpr.value == 0.0
        assert (found.gain_at_same_fpr.low > -0.5) == bounded


def test_the_gain_as_answered_has_the_paired_interval() -> None:
    first, second = np.arange(40) < 30, np.arange(40) % 2 == 0
    found = moved_threshold(
        face_answers=np.stack([first, second]),
        negative_answers=np.zeros((2, 30), dtype=bool),
        face_scores=np.ones(40),
        negative_scores=np.zeros(30),
        confidence=0.9,
    )
    assert found is not None
    low, high = paired_difference(num_gained=15, num_lost=5, num_pairs=40, confidence=0.9)
    assert (found.gain.value, found.gain.low, found.gain.high) == pytest.approx((0.25, low, high))


def test_ties_leave_what_is_on_either_side_of_them() -> None:
    """All negatives tie: whether the threshold is below or above them cannot be told."""
    found = moved_threshold(
        face_answers=np.ones((2, 4), dtype=bool),
        negative_answers=np.stack([np.zeros(20, dtype=bool), np.arange(20) < 10]),
        face_scores=np.array([0.0, 0.5, 2.0, 3.0]),
        negative_scores=np.ones(20),
    )
    assert found is not None
    assert found.gain_at_same_fpr.value == pytest.approx(-0.5)
    assert found.gain_at_same_fpr.low == -1.0
    assert found.gain_at_same_fpr.high >= 0.0
