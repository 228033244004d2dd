"""The rivals of the evidence harness do what their papers say, on problems with known answers."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import expit, logsumexp
from scipy.stats import multivariate_normal
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from debias.data.source import ImageSource
from debias.models.db_vae import FaceModel
from debias.resampling.tempering import effective_sample_size
from debias.training.device import make_fabric
from debias.training.images import split_images
from debias.training.settings import load_settings
from debias.training.weighting import Rebuild

FOLDER = Path(__file__).parents[2] / "experiments" / "harness"
NAMES = ("context", "figures", "weighers", "last_layer", "second_stage", "group_dro")
QUICK = (
    *("training.epochs=2", "training.batch_size=32", "training.min_epoch_steps=1"),
    *("training.precision=fp32", "model.image_size=64", "model.latent_size=6"),
    *("model.channels=[8,16]", "model.blocks=[0]", "data.windows=12", "target_fpr=0.15"),
)

Floats = NDArray[np.float64]
MakeContext = Callable[..., Any]
MakeRebuild = Callable[..., Rebuild]


@pytest.fixture
def untempered(harness: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Settings under which weights are what a density says: neither sharpened nor levelled."""
    monkeypatch.setattr(harness.weighers, "LARGEST_TEMPER", {"margin": 1.0})
    return {"warmup": 0, "target_ess": 1e-9, "cap": 1e9}


@pytest.fixture(scope="module")
def harness() -> Iterator[SimpleNamespace]:
    sys.path.insert(0, str(FOLDER))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def base(harness: SimpleNamespace, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("harness")
    settings = load_settings(assignments=QUICK)
    images = split_images(
        ImageSource(images=drawn / "images.csv"),
        settings,
        cache=folder / "cache",
        show_progress=False,
    )
    return harness.context.Context(
        images=images,
        people=pd.read_csv(drawn / "attributes.csv").set_index("image_id"),
        groups=("skin_tone", "gender"),
        rare=(("skin_tone", "dark"),),
        seed=3,
        assignments=QUICK,
        fabric=make_fabric("cpu", "fp32"),
        folder=folder,
        trace=[],
    )


@pytest.fixture
def context(base: Any, tmp_path: Path) -> Any:
    return dataclasses.replace(base, folder=tmp_path, trace=[])


@pytest.fixture
def model() -> FaceModel:
    torch.manual_seed(0)
    settings = load_settings(assignments=QUICK)
    return FaceModel(settings.model, architecture="classifier").eval()


@pytest.fixture
def rebuild(base: Any, model: FaceModel) -> MakeRebuild:
    """What a weigher is given; of as many faces as are wanted, where latents are planted."""

    def make(num_faces: int | None = None, *, epoch: int = 0, **resampling: Any) -> Rebuild:
        rows = base.images.rows("train")
        changes = [f"resampling.{key}={value}" for key, value in resampling.items()]
        return Rebuild(
            model=model,
            store=base.images.store,
            faces=rows.faces if num_faces is None else np.arange(num_faces),
            non_faces=rows.non_faces,
            epoch=epoch,
            settings=load_settings(assignments=changes).resampling,
            autocast=base.fabric.autocast,
        )

    return make


@pytest.fixture
def plant(harness: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Callable[[Floats], None]:
    """Make the encoder give these latents, and one more that is inactive."""

    def planted(latents: Floats) -> None:
        mu = np.column_stack([latents, np.zeros(len(latents))]).astype(np.float32)
        log_var = np.full_like(mu, -4)
        log_var[:, -1] = 0
        encoding = SimpleNamespace(mu=mu, log_var=log_var)
        monkeypatch.setattr(harness.weighers, "encode", lambda *_, **__: encoding)

    return planted


def two_clusters(num_common: int, num_rare: int) -> tuple[Floats, NDArray[np.bool_]]:
    generator = np.random.default_rng(0)
    rare = np.arange(num_common + num_rare) >= num_common
    skew = np.array([[1.0, 0.0], [1.5, 0.5]])
    latents = generator.normal(size=(len(rare), 2)) @ skew + np.where(rare, 8.0, 0.0)[:, None]
    return latents, rare


# Weights from a density.


def test_neighbours_weigh_by_the_distance_to_the_fiftieth_neighbour(
    harness: SimpleNamespace,
    rebuild: MakeRebuild,
    plant: Callable[[Floats], None],
    untempered: dict[str, float],
) -> None:
    latents, _ = two_clusters(150, 20)
    plant(latents)
    found = harness.weighers.neighbours(50)(rebuild(170, **untempered)).probabilities
    inverse = np.linalg.inv(np.cov(latents.T, bias=True))
    distances = np.sort(cdist(latents, latents, "mahalanobis", VI=inverse), axis=1)
    expected = distances[:, 50] ** 2  # 0 is the face itself
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-3)


def test_equal_clusters_get_equal_shares_by_neighbours(
    harness: SimpleNamespace,
    rebuild: MakeRebuild,
    plant: Callable[[Floats], None],
    untempered: dict[str, float],
) -> None:
    latents, rare = two_clusters(2000, 200)
    plant(latents)
    found = harness.weighers.neighbours(10)(rebuild(2200, **untempered)).probabilities
    assert 0.3 < found[rare].sum() < 0.6  # of the faces they are 9 %


def test_a_mixture_finds_the_planted_density(
    harness: SimpleNamespace,
    rebuild: MakeRebuild,
    plant: Callable[[Floats], None],
    untempered: dict[str, float],
) -> None:
    latents, rare = two_clusters(2000, 200)
    plant(latents)
    found = harness.weighers.mixture(2)(rebuild(2200, **untempered)).probabilities
    skew = np.array([[1.0, 0.0], [1.5, 0.5]])
    each = [
        multivariate_normal(np.full(2, mean), skew.T @ skew).logpdf(latents) + np.log(share)
        for mean, share in ((0.0, 2000 / 2200), (8.0, 200 / 2200))
    ]
    expected = np.exp(-logsumexp(each, axis=0))
    expected /= expected.sum()
    typical = np.abs(np.log(found) - np.log(expected))
    assert np.median(typical) < 0.2
    assert found[rare].sum() == pytest.approx(expected[rare].sum(), abs=0.1)
    assert found[rare].sum() > 0.3


def test_weights_are_tempered_after_the_warm_up(
    harness: SimpleNamespace, rebuild: MakeRebuild, plant: Callable[[Floats], None]
) -> None:
    latents, rare = two_clusters(500, 25)
    plant(latents)
    for weigher in (harness.weighers.neighbours(), harness.weighers.mixture(4)):
        settings = {"warmup": 1, "target_ess": 0.5, "cap": 20}
        early = weigher(rebuild(525, epoch=0, **settings)).probabilities
        np.testing.assert_allclose(early, 1 / 525)
        later = weigher(rebuild(525, epoch=1, **settings)).probabilities
        assert effective_sample_size(later) == pytest.approx(0.5 * 525, rel=1e-6)
        assert later[rare].mean() > 2 * later[~rare].mean()


def test_nothing_active_is_drawn_alike(
    harness: SimpleNamespace, rebuild: MakeRebuild, plant: Callable[[Floats], None]
) -> None:
    plant(np.empty((30, 0)))
    for weigher in (harness.weighers.neighbours(), harness.weighers.mixture()):
        np.testing.assert_allclose(weigher(rebuild(30, warmup=0)).probabilities, 1 / 30)


def test_few_faces_make_no_more_components_than_there_are(
    harness: SimpleNamespace, rebuild: MakeRebuild, plant: Callable[[Floats], None]
) -> None:
    plant(np.random.default_rng(0).normal(size=(9, 2)))
    weights = harness.weighers.mixture(16)(rebuild(9, warmup=0))
    assert weights.probabilities.sum() == pytest.approx(1)


def test_low_margins_are_drawn_more_often(
    harness: SimpleNamespace,
    rebuild: MakeRebuild,
    monkeypatch: pytest.MonkeyPatch,
    untempered: dict[str, float],
) -> None:
    logits = np.array([8.0, 0.0, -1.0, 3.0])
    monkeypatch.setattr(harness.weighers, "predict_logits", lambda *_, **__: logits)
    found = harness.weighers.low_margin()(rebuild(4, **untempered)).probabilities
    np.testing.assert_allclose(found, np.exp(-logits) / np.exp(-logits).sum())


# Weights from pixels, from few labels and from all of them.


def test_rare_tones_weigh_by_their_bin(
    harness: SimpleNamespace,
    rebuild: MakeRebuild,
    monkeypatch: pytest.MonkeyPatch,
    untempered: dict[str, float],
) -> None:
    angles = np.concatenate([np.full(90, 50.0), np.full(10, -40.0), [np.nan] * 5])
    monkeypatch.setattr(harness.weighers, "typology_angles", lambda _: angles)
    weigher = harness.weighers.by_tone()
    found = weigher(rebuild(105, alpha=0.01, **untempered)).probabilities
    assert found[95] / found[0] == pytest.approx((0.9 + 0.01) / (0.1 + 0.01))
    between = found[0] ** 0.9 * found[95] ** 0.1
    assert found[100] == pytest.approx(between)
    monkeypatch.setattr(harness.weighers, "typology_angles", lambda _: np.full(7, np.nan))
    found = harness.weighers.by_tone()(rebuild(7, warmup=0)).probabilities
    np.testing.assert_allclose(found, 1 / 7)


def test_dark_faces_are_found_in_their_pixels(
    harness: SimpleNamespace, rebuild: MakeRebuild, context: Any
) -> None:
    given = rebuild(warmup=0)
    found = harness.weighers.by_tone()(given).probabilities
    dark = context.is_rare(given.faces)
    assert found[dark].mean() > 1.5 * found[~dark].mean()


def test_few_labels_find_the_direction_of_the_rare(
    harness: SimpleNamespace, rebuild: MakeRebuild, plant: Callable[[Floats], None], context: Any
) -> None:
    given = rebuild(warmup=0, target_ess=0.5)
    rare = context.is_rare(given.faces)
    latents = np.random.default_rng(0).normal(size=(len(rare), 4))
    latents[:, 2] += 5 * rare
    plant(latents)
    few_labels = harness.weighers.few_labels
    found = few_labels(context, num_labelled=60, seed=0)(given).probabilities
    assert found[rare].sum() > 3 * rare.mean()
    again = few_labels(context, num_labelled=60, seed=0)(given).probabilities
    np.testing.assert_array_equal(found, again)
    alike = few_labels(context, num_labelled=1, seed=0)(given).probabilities
    np.testing.assert_allclose(alike, 1 / len(rare))


def test_every_group_gets_the_same_share_and_the_unknown_one_too(
    harness: SimpleNamespace, rebuild: MakeRebuild, context: Any
) -> None:
    given = rebuild()
    forgotten = context.ids(given.faces[:4])
    some = dataclasses.replace(context, people=context.people.drop(index=forgotten))
    names = harness.weighers.strata(some, given.faces)
    assert set(names[:4]) == {"unknown"}
    found = harness.weighers.group_balanced(some)(given).probabilities
    shares = pd.Series(found).groupby(names).sum()
    np.testing.assert_allclose(shares, 1 / len(shares))
    assert len(shares) > 4
    for name in shares.index:
        assert np.ptp(found[names == name]) == pytest.approx(0)


# Just train twice.


def test_errors_are_drawn_and_weighed_by_the_factor(
    harness: SimpleNamespace,
    context: Any,
    model: FaceModel,
    rebuild: MakeRebuild,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = context.images.rows("train")
    logits = np.full(len(context.images.store), np.nan)
    logits[rows.faces], logits[rows.non_faces] = 1.0, -1.0
    logits[rows.faces[:3]], logits[rows.faces[3]] = -0.1, 0.0
    logits[rows.non_faces[:5]], logits[rows.non_faces[5]] = 0.0, -0.1
    monkeypatch.setattr(harness.second_stage, "predict_logits", lambda _, __, rows: logits[rows])
    calls: list[dict[str, Any]] = []

    def train(context: Any, architecture: str, **given: Any) -> FaceModel:
        calls.append({"architecture": architecture, **given})
        return model

    monkeypatch.setattr(harness.second_stage, "train", train)
    harness.second_stage.just_train_twice(context, epochs=1, factor=20.0)
    first, second = calls
    changed = context.settings("classifier", first["changes"]).training
    assert (changed.epochs, changed.schedule, changed.selection) == (1, "constant", "last")
    assert "changes" not in second
    assert first["architecture"] == second["architecture"] == "classifier"
    drawn = second["weigher"](rebuild()).probabilities
    np.testing.assert_allclose(drawn[:3] / drawn[3], 20)
    np.testing.assert_allclose(drawn[3:], drawn[3])
    count = len(rows.non_faces)
    batch = np.concatenate([rows.faces[:6], rows.non_faces])
    weights = second["loss_weigher"](batch, torch.zeros(len(batch))).double().numpy()
    np.testing.assert_array_equal(weights[:6], 1)
    np.testing.assert_allclose(weights[6:11], 20 * count / (count + 5 * 19), rtol=1e-6)
    assert weights[6:].mean() == pytest.approx(1, rel=1e-6)
    harness.second_stage.just_train_twice(context, epochs=1, factor=20.0, non_faces=False)
    assert calls[3]["loss_weigher"] is None
    np.testing.assert_array_equal(calls[3]["weigher"](rebuild()).probabilities, drawn)


def test_without_errors_all_count_alike(harness: SimpleNamespace) -> None:
    none, rows = np.empty(0, dtype=np.int64), np.arange(4, 9)
    weights = harness.second_stage.relative_weights(rows, none, factor=9.0)
    np.testing.assert_array_equal(weights, 1)
    weigher = harness.second_stage.error_losses(rows, none, factor=9.0)
    np.testing.assert_array_equal(weigher(np.array([0, 5, 8, 30]), torch.zeros(4)), 1)


# The last layer.


def spurious(num_common: int, num_rare: int) -> tuple[Floats, NDArray[np.object_]]:
    """Features and groups: one tells faces weakly everywhere, one well, but not the rare faces."""
    generator = np.random.default_rng(1)
    num_faces = num_common + num_rare
    groups = np.array(
        ["common"] * num_common + ["rare"] * num_rare + ["non-faces"] * num_faces, dtype=object
    )
    features = generator.normal(size=(len(groups), 3))
    features[:, 0] += np.where(groups == "non-faces", -1.0, 1.0)
    features[:, 1] += np.where(groups == "common", 4.0, -4.0)
    return features * [1.0, 1.0, 100.0] + [0.0, 0.0, 7.0], groups


def test_doubt_gives_the_shares(harness: SimpleNamespace) -> None:
    logits, y = np.array([2.0, -1.0, -3.0, 0.0, 1.0]), np.array([1, 1, 0, 0, 0], dtype=bool)
    found = harness.last_layer.loss_shares(logits, y, gamma=4.0)
    right = expit([2.0, -1.0, 3.0, 0.0, -1.0])
    by_hand = np.exp(-4 * right) / np.array([2, 2, 3, 3, 3])
    np.testing.assert_allclose(found, by_hand / by_hand.sum())
    balanced = harness.last_layer.loss_shares(logits, y, gamma=0.0)
    np.testing.assert_allclose(balanced, [1 / 4, 1 / 4, 1 / 6, 1 / 6, 1 / 6])


def test_pulled_towards_nothing_it_is_ridge_regression(harness: SimpleNamespace) -> None:
    features, groups = spurious(60, 10)
    features, y = features[:, :2], groups != "non-faces"
    shares = np.random.default_rng(0).dirichlet(np.ones(len(y)))
    start = harness.last_layer.LastLayer(weight=np.zeros(2), bias=0.0)
    found = harness.last_layer.pulled_layer(features, y, shares=shares, start=start, pull=0.03)
    design = np.column_stack([features, np.ones(len(y))])  # so that the bias is pulled too
    oracle = LogisticRegression(C=1 / 0.03, fit_intercept=False, tol=1e-10, max_iter=10_000)
    expected = oracle.fit(design, y, sample_weight=shares).coef_[0]
    np.testing.assert_allclose([*found.weight, found.bias], expected, rtol=1e-4)


def test_it_is_the_two_column_layer_of_the_paper(harness: SimpleNamespace) -> None:
    features, groups = spurious(40, 10)
    features, y = features[:, :2], groups != "non-faces"
    shares = np.full(len(y), 1 / len(y))
    columns = torch.tensor([[0.5, -1.0, 0.2], [-0.3, 0.4, 1.0]], dtype=torch.float64)
    difference = (columns[1] - columns[0]).numpy()
    start = harness.last_layer.LastLayer(weight=difference[:2], bias=float(difference[2]))
    pull = 0.2
    theta = columns.clone().requires_grad_()
    design = torch.from_numpy(np.column_stack([features, np.ones(len(y))]))
    optimizer = torch.optim.LBFGS(
        [theta], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = design @ theta.T
        each = torch.nn.functional.cross_entropy(
            logits, torch.from_numpy(y).long(), reduction="none"
        )
        total = (torch.from_numpy(shares) * each).sum() + pull * (theta - columns).square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    found = harness.last_layer.pulled_layer(features, y, shares=shares, start=start, pull=pull)
    expected = (theta[1] - theta[0]).detach().numpy()
    np.testing.assert_allclose([*found.weight, found.bias], expected, rtol=1e-4)
    stiff = harness.last_layer.pulled_layer(features, y, shares=shares, start=start, pull=1e6)
    np.testing.assert_allclose([*stiff.weight, stiff.bias], difference, rtol=1e-4)


def test_doubt_finds_the_rare_group(harness: SimpleNamespace) -> None:
    features, groups = spurious(600, 30)
    features, y = features[:, :2], groups != "non-faces"
    fitted = LogisticRegression().fit(features, y)
    start = harness.last_layer.LastLayer(weight=fitted.coef_[0], bias=float(fitted.intercept_[0]))
    rare = groups == "rare"

    def recall(layer: Any) -> float:
        return float((layer.logits(features)[rare] >= 0).mean())

    shares = harness.last_layer.loss_shares(start.logits(features), y, gamma=8.0)
    assert shares[rare].sum() > 5 * rare.mean()
    layer = harness.last_layer.pulled_layer(features, y, shares=shares, start=start, pull=0.01)
    assert recall(start) < 0.5
    assert recall(layer) > 0.75


def test_subsets_are_balanced(harness: SimpleNamespace) -> None:
    groups = np.array(["a"] * 30 + ["b"] * 5 + ["unknown"] * 2 + ["non-faces"] * 50, dtype=object)
    generator = np.random.default_rng(0)
    chosen = [harness.last_layer.balanced_subset(groups, generator) for _ in range(30)]
    for rows in chosen:
        counts = pd.Series(groups[rows]).value_counts().to_dict()
        assert counts == {"a": 5, "b": 5, "unknown": 2, "non-faces": 12}
        assert len(set(rows)) == len(rows)
    assert set(np.concatenate(chosen)) == set(range(len(groups)))


def test_few_non_faces_keep_the_labels_balanced(harness: SimpleNamespace) -> None:
    groups = np.array(["a"] * 30 + ["b"] * 20 + ["non-faces"] * 9, dtype=object)
    rows = harness.last_layer.balanced_subset(groups, np.random.default_rng(0))
    assert pd.Series(groups[rows]).value_counts().to_dict() == {"a": 4, "b": 4, "non-faces": 8}
    groups = np.array(["unknown"] * 30 + ["non-faces"] * 12, dtype=object)
    rows = harness.last_layer.balanced_subset(groups, np.random.default_rng(0))
    assert pd.Series(groups[rows]).value_counts().to_dict() == {"unknown": 12, "non-faces": 12}


def test_of_one_balanced_set_the_layer_is_the_penalised_regression(
    harness: SimpleNamespace,
) -> None:
    features, groups = spurious(20, 20)
    layer = harness.last_layer.balanced_layer(
        features, groups, strength=0.1, num_subsets=3, generator=np.random.default_rng(0)
    )
    scaled = StandardScaler().fit_transform(features)
    oracle = LogisticRegression(l1_ratio=1.0, solver="liblinear", C=0.1, random_state=0, tol=1e-6)
    expected = oracle.fit(scaled, groups != "non-faces").decision_function(scaled)
    np.testing.assert_allclose(layer.logits(features), expected, rtol=1e-2, atol=1e-2)


def test_balanced_groups_recover_the_rare_one(harness: SimpleNamespace) -> None:
    features, groups = spurious(600, 30)
    plain = StandardScaler().fit(features)
    fitted = LogisticRegression().fit(plain.transform(features), groups != "non-faces")
    judged, judged_groups = spurious(200, 200)
    answered = fitted.predict(plain.transform(judged))
    assert answered[judged_groups == "rare"].mean() < 0.5
    generator = np.random.default_rng(0)
    strength = harness.last_layer.best_strength(
        features,
        groups,
        judged_features=judged,
        judged_groups=judged_groups,
        generator=generator,
    )
    layer = harness.last_layer.balanced_layer(
        features, groups, strength=strength, num_subsets=10, generator=generator
    )
    assert harness.last_layer.worst_accuracy(layer, judged, judged_groups) > 0.75


def test_the_penalty_is_the_first_that_serves_the_worst_group_best(
    harness: SimpleNamespace,
) -> None:
    features, groups = spurious(50, 50)
    easy = np.where(groups == "non-faces", -5.0, 5.0)[:, None] + features * 0.01
    for strengths, best in (((1e-6, 1.0, 0.5), 1.0), ((0.5, 1.0, 1e-6), 0.5)):
        found = harness.last_layer.best_strength(
            easy,
            groups,
            judged_features=easy,
            judged_groups=groups,
            generator=np.random.default_rng(0),
            strengths=strengths,
        )
        assert found == best


def test_the_worst_group_may_be_the_non_faces(harness: SimpleNamespace) -> None:
    layer = harness.last_layer.LastLayer(weight=np.array([1.0]), bias=-1.0)
    features = np.array([[1.0], [2.0], [0.0], [3.0], [0.5], [2.0]])
    groups = np.array(["a", "a", "b", "b", "non-faces", "non-faces"], dtype=object)
    assert harness.last_layer.worst_accuracy(layer, features, groups) == 0.5
    assert harness.last_layer.worst_accuracy(layer, features[:2], groups[:2]) == 1
    assert harness.last_layer.worst_accuracy(layer, features[5:], groups[5:]) == 0


def test_a_layer_can_be_taken_out_and_put_in(
    harness: SimpleNamespace, context: Any, model: FaceModel
) -> None:
    store, rows = context.images.store, context.images.rows("val").faces
    features = harness.last_layer.encoder_features(model, store, rows, batch_size=3)
    old = harness.last_layer.last_layer(model)
    predicted = harness.second_stage.predict_logits(model, store, rows)
    np.testing.assert_allclose(old.logits(features), predicted, atol=1e-5)
    new = dataclasses.replace(old, weight=-2 * old.weight, bias=0.5)
    assert harness.last_layer.put_last_layer(model, new) is model
    predicted = harness.second_stage.predict_logits(model, store, rows)
    np.testing.assert_allclose(new.logits(features), predicted, atol=1e-5)


def test_what_is_held_out_is_not_trained_on(harness: SimpleNamespace, context: Any) -> None:
    every = context.images.rows("train")
    held_out = harness.second_stage.hold_out(context, 0.2)
    rest = harness.second_stage.without(context, held_out).images.rows("train")
    for label in ("faces", "non_faces"):
        part, other = getattr(held_out, label), getattr(rest, label)
        assert len(part) == round(0.2 * len(getattr(every, label)))
        assert sorted([*part, *other]) == sorted(getattr(every, label))
    again = harness.second_stage.hold_out(context, 0.2)
    np.testing.assert_array_equal(again.faces, held_out.faces)
    other_seed = dataclasses.replace(context, seed=4)
    assert set(harness.second_stage.hold_out(other_seed, 0.2).faces) != set(held_out.faces)


# The worst group's loss.


def test_q_moves_as_by_hand(harness: SimpleNamespace) -> None:
    weigher = harness.group_dro.GroupLosses(np.array([0, 1, 1, 2, 0, -1]), step_size=0.5)
    np.testing.assert_allclose(weigher.q, 1 / 3)
    losses = torch.tensor([1.0, 2.0, 4.0, 3.0])
    weights = weigher(np.array([0, 1, 2, 4]), losses).double().numpy()  # groups 0, 1, 1, 0
    q = np.exp([0.5 * 2.0, 0.5 * 3.0, 0.0])
    q /= q.sum()
    np.testing.assert_allclose(weigher.q, q)
    np.testing.assert_allclose(weights, [q[0] * 2, q[1] * 2, q[1] * 2, q[0] * 2], rtol=1e-6)
    robust = (weights * losses.numpy()).mean()
    assert robust == pytest.approx(q[0] * 2.0 + q[1] * 3.0)
    weigher(np.array([3]), torch.tensor([1.0]))
    moved = q * np.exp([0.0, 0.0, 0.5])
    np.testing.assert_allclose(weigher.q, moved / moved.sum())


def test_small_groups_are_adjusted_for_their_size(harness: SimpleNamespace) -> None:
    rows = np.array([0] * 100 + [1] * 4)
    weigher = harness.group_dro.GroupLosses(rows, step_size=1.0, size_adjustment=2.0)
    weigher(np.array([0, 103]), torch.tensor([0.3, 0.3]))
    expected = np.exp([0.3 + 2 / 10, 0.3 + 2 / 2])
    np.testing.assert_allclose(weigher.q, expected / expected.sum())


def test_it_finds_the_minimax_of_a_convex_problem(harness: SimpleNamespace) -> None:
    # Of theta^2 and 4 (theta - 1)^2 the larger is smallest at 2/3, with q = (2/3, 1/3).
    rows = np.array([0] * 9 + [1] * 3)
    weigher = harness.group_dro.GroupLosses(rows, step_size=0.05)
    theta, seen, weights = 0.0, [], []
    for _ in range(3000):
        losses = np.where(rows == 0, theta**2, 4 * (theta - 1) ** 2)
        counts = weigher(np.arange(12), torch.from_numpy(losses)).numpy()
        slopes = np.where(rows == 0, 2 * theta, 8 * (theta - 1))
        theta -= 0.02 * float((counts * slopes).mean())
        seen.append(theta)
        weights.append(weigher.q)
    assert np.mean(seen[1000:]) == pytest.approx(2 / 3, abs=0.01)
    np.testing.assert_allclose(np.mean(weights[1000:], axis=0), [2 / 3, 1 / 3], atol=0.02)


def test_its_groups_are_those_of_the_faces_and_the_non_faces(
    harness: SimpleNamespace, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(harness.group_dro, "train", lambda *_, **how: given.update(how))
    rows = context.images.rows("train")
    forgotten = context.ids(rows.faces[:4])
    some = dataclasses.replace(context, people=context.people.drop(index=forgotten))
    harness.group_dro.group_dro(some, step_size=0.25, size_adjustment=1.0)
    weigher = given["loss_weigher"]
    names = harness.weighers.strata(some, rows.faces)
    codes = pd.Series(weigher.group_of_row[rows.faces])
    assert codes.groupby(names).nunique().eq(1).all()
    assert codes.nunique() == len(set(names))
    assert set(weigher.group_of_row[rows.non_faces]) == {codes.nunique()}
    assert set(weigher.group_of_row[context.images.rows("val").faces]) == {-1}
    assert weigher.step_size == 0.25
    assert weigher.adjustment[-1] == pytest.approx(1 / np.sqrt(len(rows.non_faces)))


# What a run is worth.


def test_faces_of_no_known_group_are_told_and_not_judged(harness: SimpleNamespace) -> None:
    generator = np.random.default_rng(0)
    tones = ["dark"] * 50 + ["light"] * 50 + [None] * 50
    people = pd.DataFrame({"tone": tones}, index=[f"face-{k}" for k in range(150)])
    ids = [*people.index, *(f"other-{k}" for k in range(1000))]
    scores = np.concatenate([np.repeat([0.995, 2.0, 0.0], 50), generator.permutation(1000) / 1000])
    table = pd.DataFrame({"image_id": ids, "y_true": [1] * 150 + [0] * 1000, "y_score": scores})
    table.loc[:24, "y_score"] = 0.5
    both = pd.concat([table.assign(split="test"), table.assign(split="val")])
    task = SimpleNamespace(groups=("tone",), judged=())
    found = harness.figures.measure(both, people, task)
    assert found["num_faces"] == {"dark": 50, "light": 50, "unknown": 50}
    for where in ("at_test_fpr", "at_validation_threshold"):
        figures = found[where]["0.01"]
        assert figures["recall"] == {"dark": 0.5, "light": 1.0, "unknown": 0.0}
        assert (figures["worst"], figures["gap"]) == (0.5, 0.5)
        assert figures["overall"] == pytest.approx(0.5)
        assert found[where]["0.001"] is None
    assert found["at_validation_threshold"]["0.01"]["realised_fpr"] == pytest.approx(0.01)
    assert found["auc"]["unknown"] == pytest.approx(0.0005)
    assert found["auc"]["light"] == 1


# The real training, each once.


@pytest.mark.parametrize(
    ("where", "name", "settings"),
    [
        ("second_stage", "just_train_twice", {"epochs": 1, "factor": 20.0}),
        ("second_stage", "last_layer_without_labels", {"gamma": 4.0}),
        ("second_stage", "deep_feature_reweighting", {}),
        ("second_stage", "deep_feature_reweighting", {"holdout": 0.5, "num_subsets": 2}),
        ("group_dro", "group_dro", {}),
    ],
)
def test_it_trains(
    harness: SimpleNamespace, context: Any, where: str, name: str, settings: dict[str, Any]
) -> None:
    model = getattr(getattr(harness, where), name)(context, **settings)
    assert isinstance(model, FaceModel)
    rows = context.images.rows("test")
    store = context.images.store
    faces, others = (
        harness.second_stage.predict_logits(model, store, part)
        for part in (rows.faces, rows.non_faces)
    )
    assert np.mean(faces[:, None] > others) > 0.6
