from __future__ import annotations

import pytest
from reporting.sample_reports import full_report, overall_report

from debias.reporting.cells import bracket, brief_number, limits
from debias.reporting.comparison_words import (
    comparison_sentence,
    comparison_title,
    moved_sentences,
)
from debias.reporting.model_names import compared_names
from debias.reporting.notes import notes
from debias.reporting.schema import InputJson, ReportJson

MINUS = "\N{MINUS SIGN}"


def compared(first: str, second: str) -> ReportJson:
    report = full_report()
    report["inputs"] = [
        InputJson(role="predictions", path=first, sha256=""),
        InputJson(role="compare", path=second, sha256=""),
    ]
    return report


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ("run/predictions.parquet", "baseline/predictions.parquet", ("run", "baseline")),
        ("vendor_a.csv", "vendor_b.csv", ("vendor_a", "vendor_b")),
        ("vendor.csv", "vendor.parquet", ("vendor.csv", "vendor.parquet")),
        ("run/new.parquet", "run/old.parquet", ("run/new.parquet", "run/old.parquet")),
        ("one.csv", "one.csv", ("the judged model", "the compared model")),
        ("one.csv", "", ("the judged model", "the compared model")),
        ("a" * 60, "b" * 60, ("a" * 37 + "...", "b" * 37 + "...")),
        ("a" * 60, "a" * 59, ("the judged model", "the compared model")),
    ],
)
def test_models_are_called_by_what_tells_them_apart(
    first: str, second: str, names: tuple[str, str]
) -> None:
    assert compared_names(compared(first, second)) == names


def test_columns_of_one_file_are_named() -> None:
    report = compared("one.csv", "one.csv")
    report["settings"].update(columns={"y_score": "new"}, compare_columns={"y_score": "old"})
    assert compared_names(report) == ("one, new", "one, old")
    report["settings"]["columns"] = {}
    assert comparison_title(report) == "one, y_score compared with one, old"


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [
        (0.02, 0.001, 0.04, "a finds more of the faces than b: +2.0 points [+0.1, +4.0]."),
        (
            -0.02,
            -0.04,
            -0.001,
            f"a finds fewer of the faces than b: {MINUS}2.0 points [{MINUS}4.0, {MINUS}0.1].",
        ),
        (
            0.02,
            0.0,
            0.04,
            "a is not shown to find more or fewer of the faces than b: +2.0 points [+0.0, +4.0].",
        ),
        (0.02, None, None, "recall of a differs from that of b by +2.0 points."),
        (None, None, None, ""),
    ],
)
def test_who_finds_more_is_said_with_limits(
    value: float | None, low: float | None, high: float | None, told: str
) -> None:
    report = compared("a.csv", "b.csv")
    assert report["comparison"] is not None
    overall = report["comparison"]["points"][0]["groupings"][0]["groups"][0]
    overall["difference"] = {"value": value, "low": low, "high": high}
    start = "At 1 % false positives of each, "
    assert comparison_sentence(report) == (start + told if told else "")


def test_no_comparison_has_no_words_and_a_refused_one_says_so() -> None:
    assert comparison_sentence(overall_report()) == moved_sentences(overall_report()) == ""
    report = compared("a.csv", "b.csv")
    assert report["comparison"] is not None
    del report["comparison"]["points"][:-1]
    assert comparison_sentence(report) == (
        "There is no verdict on a and b: every target was refused."
    )


def test_a_moved_threshold_is_told_from_what_is_left_without_it() -> None:
    report = compared("a.csv", "b.csv")
    assert report["comparison"] is not None
    moved = report["comparison"]["moved_threshold"]
    assert moved is not None
    assert moved_sentences(report) == (
        "At the false-positive rate of b, 0.80 %, a finds 4.7 points more of the faces than the "
        "other [+2.1, +6.9]. At the thresholds that came with them a lets 1.30 % of the non-faces "
        "through and finds 6.1 points more of the faces than the other [+4.2, +8.0]; the "
        f"thresholds alone make +1.4 points [{MINUS}0.4, +3.3]."
    )
    moved["gain_at_same_fpr"] = 0.0
    assert "a finds as many faces as the other [+2.1, +6.9]." in moved_sentences(report)
    moved["gain_at_same_fpr"] = -0.01
    assert "a finds 1.0 points fewer of the faces than the other" in moved_sentences(report)


def test_a_comparison_of_two_trainings_is_not_one_of_methods() -> None:
    start = "Compared are two trained models, not two methods"
    assert sum(note.startswith(start) for note in notes(full_report())) == 1
    assert not any(note.startswith(start) for note in notes(overall_report()))


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.999, 0.99996, "[99.900, 99.996]"),
        (0.0, 0.0004, "[0.00, 0.04]"),
        (0.973, 1.0, "[97.3, 100.0]"),
        (-0.0001, 0.008, f"[{MINUS}0.01, 0.80]"),
        (None, None, "[-, -]"),
    ],
)
def test_both_limits_have_as_many_digits(low: float | None, high: float | None, text: str) -> None:
    assert limits(low, high) == text
    assert bracket(low, high) == text.replace(MINUS, "-")


def test_a_threshold_in_a_caption_has_four_digits() -> None:
    numbers = (0.16036071032998275, 0.1 + 0.2, 12345.678, None)
    assert [brief_number(number) for number in numbers] == ["0.1604", "0.3", "12350", "-"]
