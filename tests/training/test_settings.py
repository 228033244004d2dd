"""Where settings come from, which source wins, and what each preset stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from debias.config import build, to_table
from debias.errors import ConfigError
from debias.models.db_vae import FaceModel
from debias.training.augment import AugmentSettings
from debias.training.settings import PRESETS, RunSettings, load_settings


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("seed = 1\n[loss]\nkl = 0.1\n[training]\nepochs = 3\nbatch_size = 8\n")
    settings = load_settings(
        preset="paper",
        config=file,
        assignments=["training.epochs=4", "seed=2"],
        flags={"seed": 3},
    )
    assert settings.model.hidden == 1000  # preset
    assert (settings.loss.kl, settings.training.batch_size) == (0.1, 8)  # file
    assert settings.training.epochs == 4  # assignment
    assert settings.seed == 3  # flag


def test_a_file_is_judged_together_with_the_other_sources(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("[model]\nchannels = [8, 16]\n[resampling]\nlatents = [70]\n")
    settings = load_settings(
        config=file, assignments=["model.blocks=[0]"], flags={"model": {"latent_size": 100}}
    )
    assert settings.resampling.latents == (70,)
    with pytest.raises(ConfigError, match="latent 70 does not exist"):
        load_settings(config=file, assignments=["model.blocks=[0]"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trainig]\nepochs = 1\n", "unknown key 'trainig'. Did you mean 'training'"),
        ("[training]\nepoch = 1\n", "training: unknown key 'epoch'. Did you mean 'epochs'"),
        ("[training]\nepochs = 'many'\n", "training.epochs: a whole number is expected"),
        ("training = 3\n", "training: a section is expected"),
    ],
)
def test_a_wrong_key_names_its_file(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(config=file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_complete_and_come_back(preset: str) -> None:
    settings = load_settings(preset=preset)
    assert build(RunSettings, to_table(settings)) == settings
    assert FaceModel(settings.model).settings == settings.model


def test_the_published_recipes() -> None:
    paper, lab = load_settings(preset="paper"), load_settings(preset="mit-lab")
    assert paper.model.kernels == (5, 5, 5, 5)
    assert (paper.model.hidden, paper.loss.pixel_loss, paper.resampling.rule) == (
        1000,
        "l2",
        "paper",
    )
    assert lab.model.channels == (12, 24, 48, 72)
    assert lab.model.kernels == (5, 5, 3, 3)
    assert (lab.model.hidden, lab.loss.pixel_loss, lab.loss.kl) == (512, "l1", 5e-4)
    assert lab.resampling.rule == "max"
    for recipe in (paper, lab):
        assert recipe.augmentation == AugmentSettings.none()
        assert recipe.training.average == 0


@pytest.mark.parametrize(
    ("assignment", "named"),
    [
        ("target_fpr=1.0", "target_fpr"),
        ("data.windows=0", "data.windows"),
        ("data.min_side=0.0", "data.min_side"),
        ("data.validation=0.0", "data"),
        ("data.fit=squash", "squash"),
        ("architecture=gan", "'gan' is not a known value"),
        ("training.learning_rate=inf", "a finite number"),
    ],
)
def test_values_out_of_range(assignment: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load_settings(assignments=[assignment])


def test_training_balances_what_the_classifier_finds_hard_by_default() -> None:
    settings = load_settings()
    assert (settings.resampling.rule, settings.resampling.target_ess) == ("margin", 0.3)
    assert settings.weighting.rule == "margin"
    assert load_settings(flags={"architecture": "vae"}).weighting.rule == "product"
