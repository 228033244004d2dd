"""Errors say what, where and what to do, in one line, in any process."""

from __future__ import annotations

import pickle

import pytest

from debias import errors
from debias.errors import DataError, DebiasError, MissingExtraError, OutputError, nearest

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DebiasError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_the_same_and_travels(kind: type[DebiasError]) -> None:
    error = kind("is broken", where="here.csv", hint="Mend it")
    assert str(error) == "here.csv: is broken. Mend it"
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is kind
    assert (str(other), other.what, other.where) == (str(error), "is broken", "here.csv")


def test_place_and_advice_are_optional() -> None:
    assert str(DataError("is broken")) == "is broken"


def test_the_usual_python_kinds_catch_ours() -> None:
    assert issubclass(DataError, ValueError)
    assert issubclass(OutputError, OSError)
    assert issubclass(MissingExtraError, ImportError)


def test_exit_statuses() -> None:
    statuses = {kind.__name__: kind.exit_status for kind in KINDS}
    assert {name for name, status in statuses.items() if status == 2} == {
        "UsageError",
        "ConfigError",
    }
    assert set(statuses.values()) == {1, 2}


def test_the_nearest_word_or_all() -> None:
    assert nearest("epohs", ["epochs", "seed"]) == "Did you mean 'epochs'?"
    assert nearest("LFW", ["celeba", "lfw"]) == "Did you mean 'lfw'?"
    assert nearest("seeds", ["Seed", "epochs"]) == "Did you mean 'Seed'?"
    assert nearest("zzz", ["epochs", "seed"]) == "Known: epochs, seed"
