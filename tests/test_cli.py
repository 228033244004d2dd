"""The command line: quick, helpful, and honest in its exit status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import Debias, Python

import debias as package
from debias.cli import _FLAGS
from debias.config import to_table
from debias.training.settings import load_settings

HEAVY = ("torch", "torchvision", "lightning_fabric", "pandas", "numpy")


@pytest.mark.parametrize(
    "words",
    [["--help"], ["train", "--help"], ["report", "--help"], ["data", "prepare", "--help"]],
)
def test_help_imports_nothing_heavy(words: list[str], python: Python) -> None:
    code = (
        "import sys, runpy\n"
        "sys.argv[0] = 'debias'\n"
        "try: runpy.run_module('debias', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('LOADED', [m for m in sys.modules if '.' not in m])\n"
    )
    done = python(code, *words)
    assert done.returncode == 0, done.stderr
    assert "usage: debias" in done.stdout
    loaded = done.stdout.rpartition("LOADED")[2]
    assert [name for name in HEAVY if f"'{name}'" in loaded] == []


def test_version(debias: Debias) -> None:
    assert debias("--version").out == f"debias {package.__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: JOB"),
        (["trian"], "'trian'"),
        (["train", "x.csv", "--output", "o", "--epohs", "3"], "--epohs. Did you mean '--epochs'?"),
        (["train", "x.csv", "--output", "o", "--epochs", "many"], "invalid int value: 'many'"),
        (["train", "x.csv"], "required: --output"),
        (["train", "--output", "o"], "name the images in one way"),
        (["train", "x.csv", "--faces", "d", "--output", "o"], "name the images in one way"),
        (["train", "x.csv", "--output", "o", "--preset", "papre"], "Did you mean 'paper'?"),
        (["train", "x.csv", "--output", "o", "--set", "loss.lk=1"], "unknown key 'lk'"),
        (["train", "x.csv", "--output", "o", "--resampling", "maxx"], "Did you mean 'max'?"),
        (["train", "x.csv", "--output", "o", "--device", "gpu"], "unknown device 'gpu'"),
        (["train", "x.csv", "--output", "o", "--groups", "a"], "--attributes and --groups"),
        (["train", "--output", "o", "--groups", "a", "--data"], "--data: expected one argument"),
        (["train", "x.csv", "--data", "d", "--output", "o"], "name the images in one way"),
        (["report", "p.csv", "--attributes", "a.csv", "--data", "d"], "both give attributes"),
        (["data", "prepare", "--root", "d"], "required: NAME"),
        (["predict", "x.csv", "extra", "--model", "m", "--output", "o"], "argument 'extra'"),
    ],
)
def test_wrong_usage_says_so_and_leaves_with_2(
    words: list[str], message: str, debias: Debias
) -> None:
    outcome = debias(*words)
    assert outcome.status == 2
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert "Traceback" not in outcome.err


def test_a_failed_job_leaves_with_1_and_one_line(debias: Debias, tmp_path: Path) -> None:
    outcome = debias("train", tmp_path / "none.csv", "--output", tmp_path / "run")
    assert outcome.status == 1
    assert "none.csv" in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
    traced = debias("train", tmp_path / "none.csv", "--output", tmp_path / "run", "--debug")
    assert "Traceback" in traced.err


def test_a_missing_extra_is_named(python: Python, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from debias.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = python(code, "train", tmp_path / "x.csv", "--output", tmp_path / "run")
    assert done.returncode == 1
    assert "pip install 'debias-faces[train]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_defaults_that_help_names_are_the_defaults() -> None:
    settings = to_table(load_settings())
    for flag, (path, kind, summary) in _FLAGS.items():
        value: Any = settings
        for key in path.split("."):
            value = value[key]
        stated = f"{value} (the default)" if kind is str else f"({value})"
        assert stated in summary, flag
