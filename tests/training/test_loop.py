"""The loop learns, repeats itself bit for bit, goes on after any interruption, and stops on NaN."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from debias.data.store import ImageStore
from debias.errors import TrainingError
from debias.inference.encode import encode
from debias.inference.latents import latent_rows
from debias.inference.predict import predict_logits
from debias.models.checkpoint import load_model, load_tensors
from debias.models.db_vae import FaceModel
from debias.resampling.histogram import kl_per_latent
from debias.resampling.outliers import hold_down, outlier_scores, outlier_threshold
from debias.rundir import RunDir
from debias.training.augment import augment
from debias.training.device import make_fabric
from debias.training.loop import TrainingData, fit
from debias.training.randomness import torch_seeded
from debias.training.settings import RunSettings
from debias.training.state import Progress, saved_states
from debias.training.weighting import face_weights

SettingsFor = Callable[..., RunSettings]


def _train(data: TrainingData, settings: RunSettings, path: Path) -> tuple[RunDir, Progress]:
    run = RunDir(path=path)
    fabric = make_fabric("cpu", settings.training.precision)
    with torch_seeded(settings.seed, "initialisation"):
        model = FaceModel(settings.model, architecture=settings.architecture)
    progress = fit(model, data, settings=settings, fabric=fabric, run=run, show_progress=False)
    return run, progress


def _final_state(run: RunDir) -> dict[str, torch.Tensor]:
    return load_tensors(saved_states(run.checkpoints)[-1] / "state.safetensors")


def _assert_same(one: RunDir, other: RunDir) -> None:
    first, second = _final_state(one), _final_state(other)
    assert first.keys() == second.keys()
    differing = [name for name in first if not torch.equal(first[name], second[name])]
    assert differing == []


class _Interrupting(ImageStore):
    """A store that fails after so many gathers, as Ctrl-C or a crash would."""

    def arm(self, num_gathers: int) -> None:
        object.__setattr__(self, "_left", num_gathers)

    def gather(self, rows: Any, out: Any = None) -> Any:
        object.__setattr__(self, "_left", self._left - 1)  # type: ignore[attr-defined]
        if self._left < 0:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return super().gather(rows, out)


def _interrupted(data: TrainingData, num_gathers: int) -> TrainingData:
    fields = {f.name: getattr(data.store, f.name) for f in dataclasses.fields(data.store)}
    store = _Interrupting(**fields)
    store.arm(num_gathers)
    return dataclasses.replace(data, store=store)


@pytest.mark.parametrize("architecture", ["classifier", "db-vae"])
def test_it_learns_to_tell_discs_from_stripes(
    architecture: str, data: TrainingData, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(architecture=architecture, training__epochs=12)
    run, progress = _train(data, settings, tmp_path / "run")
    model = load_model(run.model)
    faces = predict_logits(model, data.store, data.validation.faces)
    others = predict_logits(model, data.store, data.validation.non_faces)
    assert faces.min() > others.max()
    assert progress.history[-1]["loss"] < progress.history[0]["loss"]


def test_the_vae_side_learns_to_reconstruct(
    data: TrainingData, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(architecture="vae", training__epochs=12)
    _, progress = _train(data, settings, tmp_path / "run")
    first, last = progress.history[0], progress.history[-1]
    assert last["reconstruction"] < 0.8 * first["reconstruction"]
    assert last["classification"] == 0


def test_beta_is_the_beta_vaes_alone(settings_for: SettingsFor) -> None:
    assert settings_for(architecture="beta-vae", loss__kl=3.0).objective.kl == 3
    assert settings_for(architecture="db-vae", loss__kl=3.0).objective.kl == 3
    assert settings_for(architecture="vae", loss__kl=3.0).objective.kl == 1 / (3 * 32 * 32)


@pytest.mark.parametrize("rule", ["uniform", "max", "product"])
def test_the_same_settings_give_the_same_model(
    rule: str, data: TrainingData, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(resampling__rule=rule)
    one, _ = _train(data, settings, tmp_path / "one")
    torch.rand(3)  # the caller's random state does not matter
    np.random.default_rng().random()
    other, _ = _train(data, settings, tmp_path / "other")
    _assert_same(one, other)


def test_pixels_on_the_device_give_the_same_model(
    data: TrainingData, settings_for: SettingsFor, tmp_path: Path
) -> None:
    run, _ = _train(data, settings_for(training__pixels="host"), tmp_path / "host")
    other, _ = _train(data, settings_for(training__pixels="device"), tmp_path / "device")
    _assert_same(run, other)


def test_another_seed_gives_another_model(
    data: TrainingData, settings_for: SettingsFor, tmp_path: Path
) -> None:
    one, _ = _train(data, settings_for(seed=0), tmp_path / "one")
    other, _ = _train(data, settings_for(seed=1), tmp_path / "other")
    name = "model.encoder.trunk.0.weight"
    assert not torch.equal(_final_state(one)[name], _final_state(other)[name])


@pytest.mark.parametrize(
    ("refresh", "dropout", "histograms", "rule"),
    [
        (1, 0.0, "exact", "product"),
        (2, 0.5, "exact", "product"),
        (1, 0.5, "streamed", "margin"),
        (2, 0.0, "streamed", "product"),
    ],
)
def test_an_interrupted_run_ends_bit_for_bit_as_one_that_was_not(
    refresh: int,
    dropout: float,
    histograms: str,
    rule: str,
    data: TrainingData,
    settings_for: SettingsFor,
    tmp_path: Path,
) -> None:
    settings = settings_for(
        training__epochs=5,
        loss__kl=0.0001,
        resampling__refresh=refresh,
        resampling__histograms=histograms,
        resampling__rule=rule,
        model__dropout=dropout,
    )
    through, progress = _train(data, settings, tmp_path / "through")
    assert (progress.history[-1]["active_units"] > 0) >= (histograms == "streamed")
    stopped = tmp_path / "stopped"
    for num_gathers in (15, 25):
        with pytest.raises(KeyboardInterrupt):
            _train(_interrupted(data, num_gathers), settings, stopped)
    finished = saved_states(RunDir(path=stopped).checkpoints)
    assert finished
    assert finished[-1].name < "epoch-00005"
    resumed, progress = _train(data, settings, stopped)
    _assert_same(through, resumed)
    assert progress.epoch == 5
    one, other = (
        pd.read_csv(run.history).drop(columns="images_per_second") for run in (through, resumed)
    )
    pd.testing.assert_frame_equal(one, other)


def test_a_finished_run_is_left_as_it_is(
    data: TrainingData, settings_for: SettingsFor, tmp_path: Path
) -> None:
    run, _ = _train(data, settings_for(), tmp_path / "run")
    before = _final_state(run)
    _train(data, settings_for(), tmp_path / "run")
    after = _final_state(run)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_broken_loss_names_its_step_and_keeps_the_last_good_model(
    data: TrainingData,
    settings_for: SettingsFor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import debias.training.loop as loop

    calls = iter(range(1000))

    def poisoned(images: Any, settings: Any, **kwargs: Any) -> Any:
        made = augment(images, settings, **kwargs)
        return made * float("nan") if next(calls) == 12 else made

    monkeypatch.setattr(loop, "augment", poisoned)
    # 8 steps an epoch: the broken one is the 13th, in the second epoch.
    with pytest.raises(TrainingError, match="step 13: the loss is not finite"):
        _train(data, settings_for(), tmp_path / "run")
    run = RunDir(path=tmp_path / "run")
    assert [path.name for path in saved_states(run.checkpoints)] == ["epoch-00001"]
    for tensor in load_model(run.model).state_dict().values():
        assert torch.isfinite(tensor).all()


def test_a_model_broken_by_the_last_step_of_an_epoch_is_not_saved(
    data: TrainingData, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(
        model__norm="none",
        training__batch_size=128,
        training__warmup=0.0,
        training__learning_rate=1e30,
        training__average=0.0,
        training__selection="last",
    )
    with pytest.raises(TrainingError, match=r"step 1: .* is not finite"):
        _train(data, settings, tmp_path / "run")
    assert not (tmp_path / "run" / "model").exists()


def test_the_best_epoch_is_kept_unless_the_last_is_asked_for(
    data: TrainingData, settings_for: SettingsFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import debias.training.loop as loop

    def losses() -> Iterator[float]:
        yield from (0.9, 0.3, 0.5)

    for selection, kept in (("best", 2), ("last", 3)):
        values = losses()
        monkeypatch.setattr(
            loop,
            "validation_figures",
            lambda *_, **__: {"val_loss": next(values)},  # noqa: B023
        )
        run, progress = _train(
            data, settings_for(training__selection=selection), tmp_path / selection
        )
        assert progress.best_epoch == kept
        assert f'"epoch": {kept}' in (run.model / "model.json").read_text()


def test_rare_faces_are_drawn_more_often(
    data: TrainingData, settings_for: SettingsFor, tmp_path: Path
) -> None:
    images = data.store.images.copy()
    rare = np.arange(4)
    images[rare] = 255 - images[rare]
    store = dataclasses.replace(data.store, images=images)
    settings = settings_for(training__epochs=25, loss__kl=0.0001, resampling__rule="max")
    run, _ = _train(dataclasses.replace(data, store=store), settings, tmp_path / "run")
    probabilities = _final_state(run)["sampling.probabilities"].numpy()
    assert probabilities[rare].mean() > 2 * probabilities[4:].mean()
    history = pd.read_csv(run.history)
    assert history["effective_sample_size"].notna().all()
    assert history["effective_sample_size"].iloc[0] == pytest.approx(64)  # uniform at first
    health = history.iloc[-1]
    assert 1 <= health["effective_sample_size"] < len(probabilities)
    assert health["active_units"] >= 1
    assert health["largest_over_mean"] == pytest.approx(probabilities.max() * 64)


@pytest.mark.parametrize("rule", ["uniform", "max"])
def test_every_epoch_logs_the_health_of_its_own_weights(
    rule: str,
    data: TrainingData,
    settings_for: SettingsFor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import debias.training.loop as loop

    calls = iter(range(100))
    monkeypatch.setattr(loop, "health_figures", lambda _: {"active_units": float(next(calls))})
    settings = settings_for(
        training__epochs=6, resampling__rule=rule, resampling__refresh=2, resampling__warmup=1
    )
    run, _ = _train(data, settings, tmp_path / "run")
    # Uniform in the first epoch, rebuilt before the second, and then every other one.
    assert pd.read_csv(run.history)["active_units"].tolist() == [0, 1, 1, 2, 2, 3]


def test_encoding_keeps_the_mode_and_uses_no_batch_statistics(
    data: TrainingData, settings_for: SettingsFor
) -> None:
    torch.manual_seed(0)
    model = FaceModel(settings_for().model).train()
    rows = data.train.faces
    together = encode(model, data.store, rows)
    apart = encode(model, data.store, rows, batch_size=1)
    assert model.training
    np.testing.assert_allclose(together.mu, apart.mu, atol=1e-5)
    assert together.log_var is not None
    assert together.mu.shape == together.log_var.shape == (64, 4)


def test_what_looks_like_junk_is_drawn_no_more_often_than_the_mean(
    data: TrainingData, settings_for: SettingsFor, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"resampling__warmup": 0, "resampling__outliers": "downweight"}
    settings = settings_for(**changes)
    run, progress = _train(data, settings, tmp_path / "run")
    model = load_model(run.model)
    faces = data.train.faces
    held, free = (
        face_weights(
            model,
            data.store,
            faces,
            settings=dataclasses.replace(settings.resampling, outliers=outliers),
            autocast=nullcontext,
        )
        for outliers in ("downweight", "keep")
    )
    made = latent_rows(model, data.store, faces)
    assert made.mu is not None
    assert made.log_var is not None
    assert made.error is not None
    active = kl_per_latent(made.mu, made.log_var) >= settings.resampling.activity_threshold
    scores = outlier_scores(
        made.mu[:, active],
        error=made.error,
        detail=made.detail,
        generator=np.random.default_rng(0),
    )
    outliers = scores > outlier_threshold()
    expected, _ = hold_down(free.probabilities, outliers)
    np.testing.assert_allclose(held.probabilities, expected, rtol=1e-6)
    assert "held_down" in progress.history[-1]
