"""The public API: named in one place, imported when used, and seen by type checkers."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest
from running import Python

import debias

INIT = Path(debias.__file__)


def test_importing_the_package_imports_nothing_heavy(python: Python) -> None:
    code = (
        "import sys, debias\n"
        "ours = [m for m in sys.modules if m.startswith('debias.')]\n"
        "heavy = sys.modules.keys() & {'numpy', 'pandas', 'torch', 'scipy', 'PIL'}\n"
        "print(debias.__version__, ours, sorted(heavy))\n"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{debias.__version__} [] []\n"


def test_a_name_imports_what_it_needs_and_no_more(python: Python) -> None:
    code = (
        "import sys, debias\n"
        "debias.recall_at_fpr\n"
        "print('numpy' in sys.modules, 'torch' in sys.modules, 'recall_at_fpr' in vars(debias))\n"
    )
    assert python(code).stdout == "True False True\n"


@pytest.mark.parametrize("name", debias.__all__)
def test_a_public_name_is_what_its_module_defines(name: str) -> None:
    value = getattr(debias, name)
    home = import_module(value.__module__)
    assert value.__module__.startswith("debias.")
    assert getattr(home, name) is value
    assert value.__doc__


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    guarded = [
        node
        for node in ast.parse(INIT.read_text(encoding="utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    seen = {
        alias.name: statement.module
        for node in guarded
        for statement in node.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert seen == {name: getattr(debias, name).__module__ for name in debias.__all__}


def test_dir_lists_names_before_their_first_use(python: Python) -> None:
    done = python("import debias; print(sorted(set(debias.__all__) - set(dir(debias))))")
    assert done.stdout == "[]\n"


def test_submodules_and_unknown_names() -> None:
    from debias import errors

    assert errors.DebiasError is debias.DebiasError
    unknown = "run_trian"
    with pytest.raises(AttributeError, match="module 'debias' has no attribute 'run_trian'"):
        getattr(debias, unknown)
