"""``debias explore``: from a trained run to a page, and from the page back to training."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from running import QUICK, Debias

from debias.cli_explore import latents
from debias.data.prepared_folder import open_prepared
from debias.rundir import read_json
from debias.training.settings import load_settings

SMALL = [
    *("--architecture", "vae", "--epochs", "2", "--image-size", "32", "--latent-size", "4"),
    *("--set", "model.channels=[4,8]", "--set", "model.blocks=[0]", "--batch-size", "32"),
    *("--set", "training.min_epoch_steps=4", "--set", "training.average=0"),
    *("--set", "resampling.activity_threshold=0", "--device", "cpu", "--quiet"),
]


@pytest.fixture(autouse=True)
def _quick_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score with fewer halves, permutations and trees."""
    monkeypatch.setattr("debias.explore.scores.NUM_SPLITS", 1)
    monkeypatch.setattr("debias.explore.scores.NUM_PERMUTATIONS", 2)
    monkeypatch.setattr("debias.explore.disentanglement.NUM_TREES", 2)


def test_drawn_faces_are_shown_and_held_against_their_factors(
    bed: Path, debias: Debias, tmp_path: Path
) -> None:
    assert open_prepared(bed).factors == bed / "factors.parquet"
    run, output = tmp_path / "run", tmp_path / "page"
    done = debias("train", "--data", bed, "--output", run, *SMALL)
    assert done.status == 0, done.err
    done = debias(
        *("explore", "--data", bed, "--model", run, "--output", output, "--quiet"),
        *("--latents", "3", "--device", "cpu"),
    )
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1] == str(output / "explore.html")
    assert "latents are active; the decoder shows" in done.out
    assert "MB" in done.out
    page = (output / "explore.html").read_text()
    explore = read_json(output / "explore.json")
    assert explore["images"] == {
        "num_faces": 120 + 12 + 240,
        "num_persons": None,
        "num_described": 120,
        "are_trained_on": True,
        "num_judged": 252,
        "are_others": True,
        "num_failed": 0,
        "are_drawn": True,
    }
    assert explore["includes_images"] is True
    assert "the images were drawn by a program" in page
    assert "252 drawn faces that it was not trained on" in html.unescape(page)
    scores = explore["scores"]
    assert scores["num_images"] == 252
    assert scores["latents"] == [0, 1, 2, 3]
    assert {"tone", "yaw"} <= set(scores["factors"])
    assert explore["scores_missing"] is None
    by_kl = sorted(range(4), key=lambda k: -explore["latents"][k]["kl"])
    assert explore["shown"] == by_kl[:3]
    assert explore["grid"]["across"] == by_kl[0]
    assert (output / "run.json").exists()
    again = debias("explore", "--data", bed, "--model", run, "--output", output, "--quiet")
    assert again.status == 1
    assert "already exists" in again.err

    # The manifest by its own name is the same testbed.
    done = debias(
        *("explore", bed / "images.csv", "--model", run, "--output", output, "--quiet"),
        *("--latents", "[2]", "--device", "cpu", "--overwrite"),
    )
    assert done.status == 0, done.err
    named = read_json(output / "explore.json")
    assert named["images"]["are_drawn"] is True
    assert named["shown"] == [2]
    assert named["grid"] is None
    for part in ("latents", "scores", "r_squared", "continuity"):
        assert named[part] == explore[part]  # the same seed


def test_the_page_gives_a_setting_that_training_takes(
    trained: Path, drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    """Of faces that might be people's, nothing but means and random draws is shown."""
    output = tmp_path / "page"
    source = (drawn / "images.csv", "--quiet", "--device", "cpu")
    done = debias("explore", *source, "--model", trained, "--output", output, "--latents", "[1,4]")
    assert done.status == 0, done.err
    explore = read_json(output / "explore.json")
    weights = pd.read_parquet(trained / "weights.parquet")
    assert explore["images"]["num_faces"] == 120
    assert explore["images"]["num_described"] == len(weights)
    assert explore["images"]["num_judged"] == 120 - len(weights)
    assert explore["images"]["are_drawn"] is False
    assert explore["scores"] is None
    assert "--data testbed:balanced" in explore["scores_missing"]
    assert explore["includes_images"] is False
    assert explore["num_reconstructed"] == 0
    page = (output / "explore.html").read_text()
    assert "No picture on this page is of a person: all are decoded from means" in page
    assert page.count('src="data:image/jpeg') == 2 + 3  # two strips, grid, draws, interpolation
    names = pd.read_csv(drawn / "images.csv")["image_id"]
    everything = page + json.dumps(explore) + (output / "run.json").read_text()
    assert not any(name in everything for name in names)
    assert str(drawn) not in everything
    assert str(tmp_path) not in everything

    (setting,) = re.findall(r"--set '(resampling\.latents=\[3,7\])'", page)
    chosen = setting.replace("3,7", "1,4")
    second = tmp_path / "balanced"
    command = ("train", drawn / "images.csv", "--output", second, "--no-baseline", *QUICK)
    done = debias(*command, "--set", chosen)
    assert done.status == 0, done.err
    assert read_json(second / "run.json")["settings"]["resampling"]["latents"] == [1, 4]
    drivers = pd.read_parquet(second / "weights.parquet").filter(like="driver_")
    assert set(drivers.to_numpy().ravel()) <= {-1, 1, 4}

    done = debias("explore", *source, "--model", second, "--output", output, "--overwrite")
    assert done.status == 0, done.err
    assert read_json(output / "explore.json")["model"]["balanced"] == [1, 4]
    assert load_settings(assignments=["resampling.latents=[]"]).resampling.latents == ()


def test_photographs_are_shown_only_when_asked_for(
    trained: Path, drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    output = tmp_path / "page"
    done = debias(
        *("explore", drawn / "images.csv", "--model", trained, "--output", output, "--quiet"),
        *("--device", "cpu", "--include-images"),
    )
    assert done.status == 0, done.err
    explore = read_json(output / "explore.json")
    assert explore["includes_images"] is True
    assert explore["num_reconstructed"] == 8
    page = (output / "explore.html").read_text()
    assert "This page holds photographs of real people" in page
    assert "8 photographs of faces as the model sees them" in page
    names = pd.read_csv(drawn / "images.csv")["image_id"]
    assert not any(name in page for name in names)


def test_the_mean_of_a_few_persons_is_not_shown(
    trained: Path, drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    table = pd.read_csv(drawn / "images.csv")
    faces = table[table["label"] == 1]
    for persons, rows in ((None, 19), (19, 120)):
        part = faces[:rows]
        if persons is not None:
            part = part.assign(identity_id=[f"p{k % persons}" for k in range(rows)])
        folder = tmp_path / f"set-{rows}"
        shutil.copytree(drawn / "images", folder / "images")
        part.to_csv(folder / "images.csv", index=False)
        command = (
            *("explore", folder / "images.csv", "--model", trained, "--quiet"),
            *("--output", tmp_path / f"o-{rows}", "--device", "cpu"),
        )
        refused = debias(*command)
        assert refused.status == 1
        assert "shows 19 persons, and the mean of fewer than 20" in refused.err
        assert "--include-images" in refused.err
        assert not (tmp_path / f"o-{rows}").exists()
        allowed = debias(*command, "--include-images")
        assert allowed.status == 0, allowed.err
    explore = read_json(tmp_path / "o-120" / "explore.json")
    assert explore["images"]["num_persons"] == 19


def test_a_folder_without_labels_and_a_model_that_saw_none_of_it(
    trained: Path, drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(25):
        content = (drawn / "images" / f"face-{number:05d}.jpg").read_bytes()
        (folder / f"new-{number}.jpg").write_bytes(content)
    (folder / "broken.jpg").write_bytes(b"no picture")
    output = tmp_path / "page"
    done = debias(
        *("explore", folder, "--model", trained, "--output", output, "--quiet", "--device", "cpu")
    )
    assert done.status == 0, done.err
    images = read_json(output / "explore.json")["images"]
    assert (images["num_faces"], images["num_described"], images["num_failed"]) == (26, 25, 1)
    assert images["are_trained_on"] is False
    assert images["are_others"] is True
    failed = pd.read_csv(output / "failures.csv")["path"]
    assert list(failed) == ["broken.jpg"]


def test_an_autoencoder_has_no_divergence_and_no_prior(
    bed: Path, debias: Debias, tmp_path: Path
) -> None:
    run, output = tmp_path / "run", tmp_path / "page"
    done = debias("train", "--data", bed, "--output", run, *SMALL, "--architecture", "autoencoder")
    assert done.status == 0, done.err
    done = debias(
        *("explore", "--data", bed, "--where", "split=test", "--where", "kind=face"),
        *("--model", run, "--output", output, "--quiet", "--latents", "2", "--device", "cpu"),
    )
    assert done.status == 0, done.err
    explore = read_json(output / "explore.json")
    assert explore["latents"][0]["kl"] is None
    assert explore["model"]["kl_weight"] is None
    changes = [latent["change"] for latent in explore["latents"]]
    assert explore["shown"] == sorted(range(4), key=lambda k: -changes[k])[:2]
    assert "an autoencoder has no prior" in (output / "explore.html").read_text()


def test_what_cannot_be_explored_is_said_before_any_work(
    trained: Path, drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    images, output = drawn / "images.csv", tmp_path / "page"
    common = ("--output", output, "--quiet", "--device", "cpu")

    def complaint(*words: object) -> str:
        done = debias("explore", *words, *common)
        assert done.status in (1, 2)
        assert not output.exists()
        assert done.err.count("\n") == 1
        return done.err

    assert "not a run directory" in complaint(images, "--model", drawn)
    assert "latent 6 does not exist" in complaint(images, "--model", trained, "--latents", "[0,6]")
    assert "one is twice" in complaint(images, "--model", trained, "--latents", "3,3")
    assert "name the images in one way" in complaint("--model", trained)
    nobody = complaint(images, "--model", trained, "--where", "label=0")
    assert "there are no faces among the images" in nobody
    facts = read_json(trained / "run.json")
    facts["settings"]["architecture"] = "classifier"
    (trained / "run.json").write_text(json.dumps(facts))
    assert "a plain classifier has no latent space" in complaint(images, "--model", trained)
    facts["settings"]["architecture"] = "db-vae"
    (trained / "run.json").write_text(json.dumps(facts))
    (trained / "weights.parquet").unlink()
    assert "training is not finished" in complaint(images, "--model", trained)


def test_latents_are_a_number_or_a_list() -> None:
    assert latents("12") == 12
    assert latents("3,7") == latents("[3, 7]") == (3, 7)
    assert latents("[3]") == (3,)
    assert latents("[0]") == (0,)
    for text in ("0", "x", "3;7", "-1", "", "[]", "1.5"):
        with pytest.raises(Exception, match="latent"):
            latents(text)
