"""What several test modules share: drawn pictures, and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import settings
from jaxtyping import config, install_import_hook
from running import Debias, Outcome, Python

from debias.cli import main
from debias.data.attributes import Attributes, write_attributes
from debias.testbed.population import Population, draw_faces, draw_non_faces
from debias.testbed.renderer import render_files
from debias.testbed.sets import true_attributes

ROOT = Path(__file__).parents[1]

# Types, the shapes of tensors among them, are checked at every call. None of these packages has
# been imported yet. As to a static checker, an int is a float too.
install_import_hook(
    ["debias.models", "debias.training", "debias.inference"],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)

# The first call of a function may import a library, and machines are shared.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Keep test processes from fighting over the cores, and their sums in the same order."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Leave types unchecked, as they are outside of tests."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 120 drawn faces, 60 non-faces, ``images.csv`` and ``attributes.csv``.

    No split is given, one face in ten is dark, and two in five are women.
    """
    folder = tmp_path_factory.mktemp("drawn")
    people = Population(skin_tones={"light": 0.5, "medium": 0.4, "dark": 0.1}, female=0.4)
    faces = draw_faces(people, range(120), seed=5).assign(label=1)
    images = pd.concat([faces, draw_non_faces(range(60), seed=5).assign(label=0)])
    images["image_id"] = [f"face-{k:05d}" for k in range(120)] + [
        f"other-{k:05d}" for k in range(60)
    ]
    images["path"] = "images/" + images["image_id"] + ".jpg"
    (folder / "images").mkdir()
    for path, content in zip(images["path"], render_files(images, size=72), strict=True):
        (folder / path).write_bytes(content)
    images[["image_id", "path", "label"]].to_csv(folder / "images.csv", index=False)
    truth = true_attributes(images)[["skin_tone", "gender"]]
    provenance = dict.fromkeys(truth.columns, "constructed")
    write_attributes(Attributes(table=truth, provenance=provenance), folder / "attributes.csv")
    return folder


@pytest.fixture
def debias(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Debias:
    """Run ``debias WORDS...`` in this process, with one cache of decoded images for all tests."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("DEBIAS_CACHE", str(cache))

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        try:
            status = main([str(word) for word in words])
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        printed = capsys.readouterr()
        return Outcome(status=status, out=printed.out, err=printed.err)

    return run


@pytest.fixture
def python() -> Python:
    """Run Python code in a process of its own, where imports can be watched or blocked."""

    def run(code: str, *words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    return run
