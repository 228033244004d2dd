"""Flipped labels are found by what other images teach; right ones are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from debias.audit.mislabelled import (
    Mislabelled,
    MislabelSettings,
    cross_fitted_log_probabilities,
    find_mislabelled,
)

NUM_IMAGES = 2000


def drawn(
    seed: int = 0, *, flipped: float = 0.03, apart: float = 7.0
) -> tuple[NDArray[np.float64], NDArray[np.object_], NDArray[np.bool_]]:
    generator = np.random.default_rng(seed)
    truth = generator.random(NUM_IMAGES) < 0.4
    features = generator.normal(size=(NUM_IMAGES, 8))
    features[:, 0] += apart * truth
    wrong = generator.random(NUM_IMAGES) < flipped
    labels = np.where(truth ^ wrong, "face", "other").astype(object)
    return features, labels, wrong


def judge(
    features: NDArray[np.float64],
    labels: NDArray[np.object_],
    *,
    is_note: bool = False,
    is_taught: bool = False,
) -> Mislabelled:
    return find_mislabelled(
        features,
        labels,
        subject="label",
        rows=2 * np.arange(len(labels)),
        clusters=np.arange(len(labels)),
        is_note=is_note,
        is_taught=is_taught,
        settings=MislabelSettings(),
        generator=np.random.default_rng(1),
    )


def test_flipped_labels_are_found_with_precision_and_recall() -> None:
    features, labels, wrong = drawn()
    found = judge(features, labels)
    assert wrong[found.wrong].mean() >= 0.9
    assert found.wrong[wrong].mean() >= 0.9
    (finding,) = found.findings
    assert (finding.kind, finding.severity) == ("mislabelled", "warning")
    assert finding.images.rows.tolist() == (2 * np.flatnonzero(found.wrong)).tolist()
    assert found.values == ("face", "other")
    given = (labels == "other").astype(int)
    assert (found.likeliest[found.wrong] == 1 - given[found.wrong]).all()


def test_right_labels_raise_no_alarm_however_hard_to_tell() -> None:
    for seed, apart in enumerate((0.0, 1.0, 3.0, 7.0)):
        features, labels, _ = drawn(seed, flipped=0.0, apart=apart)
        assert [f for f in judge(features, labels).findings if f.severity != "note"] == []


def test_a_taught_encoder_finds_flips_beside_hard_images() -> None:
    """A third of the others lie half way to the faces, so that no flip is far beyond them."""
    features, labels, wrong = drawn(apart=12.0)
    generator = np.random.default_rng(5)
    others = (labels == "other") ^ wrong
    features[others & (generator.random(NUM_IMAGES) < 1 / 3), 0] += 4.0
    plain, taught = judge(features, labels), judge(features, labels, is_taught=True)
    hidden = wrong & (labels == "other")
    assert plain.wrong[hidden].mean() < 0.5
    assert taught.wrong[wrong].mean() >= 0.9
    assert wrong[taught.wrong].mean() >= 0.9
    assert taught.findings[0].severity == "warning"
    assert (taught.scores[taught.wrong] > special.logit(MislabelSettings().sure_probability)).all()


def test_a_taught_encoder_raises_no_alarm_over_right_labels() -> None:
    for seed, apart in enumerate((0.0, 1.0, 3.0, 4.0, 7.0)):
        features, labels, _ = drawn(seed, flipped=0.0, apart=apart)
        found = judge(features, labels, is_taught=True)
        assert [f for f in found.findings if f.severity != "note"] == []


def test_one_that_learnt_little_is_judged_like_an_untaught_one() -> None:
    features, labels, _ = drawn(apart=2.0)
    plain, taught = judge(features, labels), judge(features, labels, is_taught=True)
    assert taught.accuracy < MislabelSettings().least_accuracy
    np.testing.assert_array_equal(taught.wrong, plain.wrong)
    np.testing.assert_array_equal(taught.scores, plain.scores)


def test_a_value_of_which_none_is_left_is_fitted_to_all() -> None:
    features, labels, _ = drawn()
    y = (labels == "face").astype(np.intp)
    logs = cross_fitted_log_probabilities(
        features,
        y,
        clusters=np.arange(NUM_IMAGES),
        num_folds=2,
        settings=MislabelSettings(),
        generator=np.random.default_rng(0),
        left_out=y == 1,
    )
    assert ((logs.argmax(axis=1) == y).mean()) > 0.9


def test_for_an_attribute_it_is_a_note() -> None:
    features, labels, _ = drawn()
    (finding,) = judge(features, labels, is_note=True).findings
    assert finding.severity == "note"


def test_unknown_values_are_not_judged_and_rare_ones_left_out() -> None:
    features, labels, _ = drawn()
    labels[:100] = None
    labels[100:110] = "neither"
    found = judge(features, labels)
    assert np.isnan(found.scores[:110]).all()
    assert (found.likeliest[:110] == -1).all()
    assert not found.wrong[:110].any()
    assert found.num_judged == NUM_IMAGES - 110


def test_one_value_cannot_be_judged() -> None:
    features, labels, _ = drawn()
    found = judge(features, np.full(len(labels), "face", dtype=object))
    assert found.reason
    assert found.findings == ()
    assert np.isnan(found.accuracy)


def test_no_image_is_judged_by_a_model_fitted_to_its_person() -> None:
    """Each person has features of their own, so that only their images could tell their label."""
    generator = np.random.default_rng(0)
    persons = np.repeat(np.arange(60), 10)
    features = 10 * generator.normal(size=(60, 100))[persons]
    y = (generator.random(60) < 0.5).astype(np.intp)[persons]

    def accuracy(clusters: NDArray[np.intp]) -> float:
        logs = cross_fitted_log_probabilities(
            features,
            y,
            clusters=clusters,
            num_folds=5,
            settings=MislabelSettings(),
            generator=np.random.default_rng(0),
        )
        np.testing.assert_allclose(special.logsumexp(logs, axis=1), 0.0, atol=1e-9)
        return float((logs.argmax(axis=1) == y).mean())

    assert accuracy(np.arange(600)) > 0.95
    assert accuracy(persons) < 0.75


def test_three_values_have_a_probability_each() -> None:
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 50)
    features = np.eye(3)[y] * 6 + generator.normal(size=(150, 3))
    logs = cross_fitted_log_probabilities(
        features,
        y,
        clusters=np.arange(150),
        num_folds=5,
        settings=MislabelSettings(),
        generator=generator,
    )
    assert logs.shape == (150, 3)
    assert (logs.argmax(axis=1) == y).mean() == pytest.approx(1.0, abs=0.05)
