from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from debias.audit.reference import read_reference, uniform_shares
from debias.errors import DataError
from debias.metrics.counts import group_rows


def written(folder: Path, text: str) -> Path:
    path = folder / "shares.csv"
    path.write_text(text)
    return path


def test_percentages_and_fractions_are_read_alike(tmp_path: Path) -> None:
    text = "tone,share\nlight,{}\ndark,{}\n"
    as_fractions = read_reference(written(tmp_path, text.format(0.6, 0.4)))
    as_percentages = read_reference(written(tmp_path, text.format(60, 40)))
    assert as_fractions.shares == as_percentages.shares == {("light",): 0.6, ("dark",): 0.4}
    assert as_fractions.source == "shares.csv"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tone\nlight\n", "share"),
        ("share\n1\n", "attribute"),
        ("tone,share\nlight,0.5\ndark,0.4\n", "sum to 0.9"),
        ("tone,share\nlight,0.5\nlight,0.5\n", "light twice"),
        ("tone,share\nlight,1\n,0\n", "empty value"),
        ("tone,share\nlight,1\ndark,-0.0001\n", "-0.0001"),
        ("tone,share\nlight,1\ndark,few\n", "few"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_reference(written(tmp_path, text))


def test_a_value_without_a_share_is_refused(tmp_path: Path) -> None:
    reference = read_reference(written(tmp_path, "tone,share\nlight,0.6\ndark,0.4\n"))
    features = pd.DataFrame({"tone": ["light", "darkk", None]})
    grouping = group_rows(sensitive_features=features, columns=["tone"])
    with pytest.raises(DataError, match=r"'darkk'.*Did you mean 'dark'"):
        reference.of(grouping)


def test_a_value_that_no_image_has_keeps_its_share(tmp_path: Path) -> None:
    reference = read_reference(written(tmp_path, "tone,share\nlight,0.6\ndark,0.4\n"))
    grouping = group_rows(sensitive_features=pd.DataFrame({"tone": ["light"]}), columns=["tone"])
    assert reference.of(grouping).tolist() == [0.6]


def test_uniform_shares_leave_the_unknown_out() -> None:
    features = pd.DataFrame({"tone": ["a", "b", None]})
    shares = uniform_shares(group_rows(sensitive_features=features, columns=["tone"]))
    assert shares[:2].tolist() == [0.5, 0.5]
    assert shares[2] != shares[2]
