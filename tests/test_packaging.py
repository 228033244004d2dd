"""The distribution: what a wheel holds, and that it works far from the checkout."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

import debias

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    words = ["build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    _run("-m", *words, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def contents(wheel: Path) -> dict[str, bytes]:
    """What each file of the wheel holds."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed into, by pip."""
    target = tmp_path_factory.mktemp("site")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-index", "--no-deps"]
    _run("-m", "pip", "install", *quiet, "--target", str(target), str(wheel), cwd=target)
    return target


def _run(*words: str, cwd: Path, path: Path | None = None) -> str:
    """Return what Python prints, run in a folder outside the checkout."""
    assert not cwd.is_relative_to(ROOT)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _distribution(installed: Path) -> Distribution:
    (found,) = distributions(path=[str(installed)])
    return found


def test_the_wheel_holds_the_package_and_nothing_else(contents: dict[str, bytes]) -> None:
    info = f"debias_faces-{debias.__version__}.dist-info"
    assert {name.split("/")[0] for name in contents} == {"debias", info}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "debias").rglob("*")
        if path.suffix in (".py", ".jinja", ".css", ".js", ".json") or path.name == "py.typed"
    }
    definitions = {f"debias/_datasets/{path.name}" for path in (ROOT / "datasets").iterdir()}
    assert "debias/py.typed" in sources
    assert {f"debias/reporting/{name}.schema.json" for name in ("report", "audit")} <= sources
    assert "debias/_datasets/lfw.toml" in definitions
    assert {name for name in contents if name.startswith("debias/")} == sources | definitions
    for name in definitions:
        assert contents[name] == (ROOT / "datasets" / Path(name).name).read_bytes()
    assert contents[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_what_the_distribution_says_of_itself(installed: Path) -> None:
    found = _distribution(installed)
    assert found.name == "debias-faces"
    assert found.version == debias.__version__
    assert found.metadata["License-Expression"] == "Apache-2.0"
    assert found.metadata["Requires-Python"] == ">=3.11"
    scripts = {e.name: e.value for e in found.entry_points if e.group == "console_scripts"}
    assert scripts == {"debias": "debias.cli:main"}


def test_the_core_is_light(installed: Path) -> None:
    required = _distribution(installed).requires
    assert required
    core = {text.split(">")[0] for text in required if "extra ==" not in text}
    light = {
        *("numpy", "scipy", "scikit-learn", "pandas", "pyarrow"),
        *("pillow", "tqdm", "jinja2", "fsspec"),
    }
    assert core == light
    train = {text.split(">")[0] for text in required if "extra == 'train'" in text}
    assert {"torch", "torchvision", "lightning-fabric", "tensorboard", "safetensors"} <= train


def test_the_command_works_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert "usage: debias" in _run("-m", "debias", "--help", cwd=tmp_path, path=installed)
    script = installed / "bin" / "debias"
    said = _run(str(script), "--version", cwd=tmp_path, path=installed)
    assert said == f"debias {debias.__version__}\n"


def test_an_installed_wheel_finds_its_definitions(installed: Path, tmp_path: Path) -> None:
    code = (
        "import debias, json\n"
        "names = debias.list_definitions()\n"
        "titles = [debias.load_definition(name).title for name in names]\n"
        "print(json.dumps([debias.__file__, names, titles]))\n"
    )
    place, names, titles = json.loads(_run("-c", code, cwd=tmp_path, path=installed))
    assert Path(place).resolve().is_relative_to(installed.resolve())
    assert names == list(debias.list_definitions())
    assert "Labeled Faces in the Wild" in titles
    # Taken from the wheel, not from a checkout that happens to be near: a changed copy shows.
    changed = tmp_path / "changed"
    shutil.copytree(installed, changed)
    definition = changed / "debias" / "_datasets" / "lfw.toml"
    text = definition.read_text(encoding="utf-8")
    definition.write_text(text.replace("Labeled Faces", "Other Faces"), encoding="utf-8")
    assert "Other Faces in the Wild" in _run("-c", code, cwd=tmp_path, path=changed)


def test_definitions_and_experiments_are_no_packages() -> None:
    for folder in ("datasets", "experiments", "tests"):
        assert (ROOT / folder).is_dir()
        assert list((ROOT / folder).rglob("__init__.py")) == []
    assert {path.suffix for path in (ROOT / "datasets").rglob("*")} == {".toml"}


def test_the_init_of_a_subpackage_is_its_docstring() -> None:
    inits = sorted((ROOT / "debias").rglob("__init__.py"))
    inits.remove(ROOT / "debias" / "__init__.py")
    assert len(inits) >= 8
    for path in inits:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(body) == 1, path
        assert ast.get_docstring(ast.Module(body=body, type_ignores=[])), path


def test_every_folder_of_the_package_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "debias").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
