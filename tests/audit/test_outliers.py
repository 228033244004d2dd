"""Planted junk is found, rare faces are left alone, and a clean set raises no alarm."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from debias.audit.outliers import Outliers, OutlierSettings, find_outliers
from debias.metrics.intervals import wilson

Floats = NDArray[np.float64]
NUM_USUAL, NUM_RARE, NUM_JUNK = 2000, 60, 40


def planted(
    seed: int = 0, *, junk: int = NUM_JUNK
) -> tuple[Floats, Floats, Floats, Floats, NDArray[np.bool_]]:
    """Usual faces, rare ones (far, well reconstructed), and junk (far, badly); and face logits."""
    generator = np.random.default_rng(seed)
    number = NUM_USUAL + NUM_RARE + junk
    mu = generator.normal(size=(number, 6))
    mu[NUM_USUAL : NUM_USUAL + NUM_RARE] += 2.0
    mu[NUM_USUAL + NUM_RARE :] -= 2.5
    detail = np.exp(0.5 * generator.normal(size=number))
    error = 0.1 * detail * np.exp(0.1 * generator.normal(size=number))
    error[NUM_USUAL + NUM_RARE :] *= 1.6
    logit = 5.0 + generator.normal(size=number)
    logit[NUM_USUAL + NUM_RARE :] -= 4.0
    return mu, error, detail, logit, np.arange(number) >= NUM_USUAL + NUM_RARE


def find(
    seed: int = 0,
    *,
    junk: int = NUM_JUNK,
    with_logit: bool = True,
    attributes: pd.DataFrame | None = None,
    persons: NDArray[np.intp] | None = None,
) -> tuple[Outliers, NDArray[np.bool_]]:
    mu, error, detail, logit, is_junk = planted(seed, junk=junk)
    number = len(mu)
    found = find_outliers(
        mu,
        error=error,
        detail=detail,
        face_logit=logit if with_logit else None,
        attributes=pd.DataFrame(index=range(number)) if attributes is None else attributes,
        rows=3 * np.arange(number),
        persons=persons,
        settings=OutlierSettings(),
        generator=np.random.default_rng(1),
    )
    return found, is_junk


@pytest.mark.parametrize("with_logit", [False, True])
def test_junk_is_found_and_rare_faces_are_not_called_junk(with_logit: bool) -> None:
    found, is_junk = find(with_logit=with_logit)
    assert roc_auc_score(is_junk, found.score) > 0.98
    rare = slice(NUM_USUAL, NUM_USUAL + NUM_RARE)
    assert found.flagged[is_junk].mean() > 0.6
    assert found.flagged[rare].mean() < 0.12
    assert found.flagged[:NUM_USUAL].mean() < 0.006
    assert (found.severe <= found.flagged).all()
    assert (found.unlikeness is None) is (not with_logit)


def test_the_finding_names_the_images_by_their_rows_and_is_a_warning() -> None:
    found, is_junk = find()
    (finding,) = found.findings
    assert (finding.kind, finding.severity) == ("junk", "warning")
    assert finding.images.rows.tolist() == (3 * np.flatnonzero(found.flagged)).tolist()
    np.testing.assert_array_equal(finding.images.values, found.score[found.flagged])
    assert finding.value == pytest.approx(found.severe.mean())
    assert is_junk[finding.images.rows // 3].mean() > 0.9


def test_a_clean_set_raises_no_alarm() -> None:
    for seed in range(6):
        for with_logit in (False, True):
            found, _ = find(seed, junk=0, with_logit=with_logit)
            assert [f for f in found.findings if f.severity != "note"] == []


def _people(is_junk: NDArray[np.bool_]) -> pd.DataFrame:
    """Group ``b`` holds all junk and some others; one value in ten is unknown."""
    generator = np.random.default_rng(2)
    group = np.where(is_junk | (generator.random(is_junk.size) < 0.1), "b", "a").astype(object)
    group[generator.random(is_junk.size) < 0.1] = None
    other = generator.choice(["x", "y"], is_junk.size)
    return pd.DataFrame({"group": group, "other": other})


def test_the_group_that_the_filter_throws_out_is_named_and_no_other() -> None:
    attributes = _people(find()[1])
    found, _ = find(attributes=attributes)
    gaps = [f for f in found.findings if f.kind == "outliers-by-group"]
    assert [(f.subject, f.severity) for f in gaps] == [("group b", "warning")]
    assert [(g.attribute, g.value) for g in found.groups] == [
        ("group", "a"),
        ("group", "b"),
        ("group", "unknown"),
        ("other", "x"),
        ("other", "y"),
    ]
    inside = (attributes["group"] == "b").to_numpy()
    group = found.groups[1]
    low, high = wilson(num_successes=found.flagged[inside].sum(), num_trials=int(inside.sum()))
    assert (group.flagged.low, group.flagged.high) == pytest.approx((float(low), float(high)))
    assert group.others.num_trials == int((~inside).sum())
    adjusted = [each.adjusted_p_value for each in found.groups]
    expected = multipletests([each.p_value for each in found.groups], method="holm")[1]
    assert adjusted == pytest.approx(expected.tolist())
    assert adjusted != pytest.approx([each.p_value for each in found.groups])


def test_images_of_few_persons_prove_little() -> None:
    attributes = _people(find()[1])
    number = len(attributes)
    persons = np.arange(number)
    inside = (attributes["group"] == "b").to_numpy()
    persons[inside] = np.where(find()[0].flagged[inside], 0, 1)
    found, _ = find(attributes=attributes, persons=np.unique(persons, return_inverse=True)[1])
    assert [f for f in found.findings if f.kind == "outliers-by-group"] == []
    assert found.groups[1].num_persons == 2


def test_the_same_faces_give_the_same_scores() -> None:
    np.testing.assert_array_equal(find()[0].score, find()[0].score)
