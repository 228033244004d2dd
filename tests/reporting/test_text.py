from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reporting.sample_reports import SAMPLES

from debias.jobs.report import run_report
from debias.metrics.intervals import rate
from debias.reporting.cells import number, percent, plot, plot_floor
from debias.reporting.measure_document import rate_json
from debias.reporting.schema import ReportJson
from debias.reporting.settings import ReportSettings
from debias.reporting.text import render_text


def make_report(folder: Path, *, names: list[str], column: str = "tone") -> ReportJson:
    """Report on a model that finds nine tenths of the first group and all of the others."""
    size = 100 * len(names)
    y_true = np.r_[np.ones(size, dtype=int), np.zeros(1000, dtype=int)]
    y_score = np.r_[np.full(size, 2.0), np.linspace(0, 1.005, 1000)]
    y_score[:10] = -1.0
    table = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(size + 1000)],
            "y_true": y_true,
            "y_score": y_score,
            column: [*np.repeat(names, 100), *[None] * 1000],
            "other": [*["one", "two"] * (size // 2), *[None] * 1000],
        }
    )
    table.to_parquet(folder / "predictions.parquet")
    (folder / "operating_point.json").write_text('{"threshold": 1.0, "target_fpr": 0.01}')
    return run_report(
        predictions=folder / "predictions.parquet",
        groups=[column, "other"],
        compare=folder / "predictions.parquet",
        settings=ReportSettings(num_replicates=20),
    )


def test_the_answers_come_first_and_every_figure_has_its_number(tmp_path: Path) -> None:
    text = render_text(make_report(tmp_path, names=["dark", "light"]))
    glance, details = text.index("RECALL AT A GLANCE"), text.index("== stored threshold")
    assert glance < details
    assert "stored threshold for 1 %" in text[glance:details]
    assert "threshold for 0.1 % of these non-faces" in text[glance:details]
    assert (
        "  threshold       1, stored with the predictions: a score of at least that is answered 1"
        in text[details:].splitlines()
    )
    assert "refused: " in text[glance:details]
    assert "dark x one" in text[glance:details]
    line = next(line for line in text[details:].splitlines() if line.startswith("  dark "))
    assert line.split()[:4] == ["dark", "100", "90.0", "[82.6,"]
    assert line.endswith("< worst")
    assert "gap 10.0 points" in text
    assert "by chance alone" in text
    assert "  E[A] 95.0 % [91.3, 97.2] (mean of groups), 95.0 % [91.3, 97.2] (weighted by" in text
    assert "  Var[A] 50.00 %^2 [" in text


@pytest.mark.parametrize("length", [1, 60])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, length: int) -> None:
    names = [letter * length for letter in "abcd"]
    text = render_text(make_report(tmp_path, names=names, column="t" * length))
    assert max(len(line) for line in text.splitlines()) <= 100


def test_names_from_the_data_cannot_move_the_cursor(tmp_path: Path) -> None:
    text = render_text(make_report(tmp_path, names=["\x1b[31mred\r\n", "light"]))
    assert "?[31mred" in text
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_a_report_read_back_looks_the_same_and_is_left_as_it_was(tmp_path: Path) -> None:
    """The pairs that differ come last in the report, and first in the text."""
    report = make_report(tmp_path, names=["z", "a", "b"])
    written = json.dumps(report)
    text = render_text(report)
    assert text.index("a - z: +10.0") < text.index("NOTES")
    assert json.dumps(report) == written
    assert render_text(json.loads(written)) == text


def test_groups_of_one_name_are_told_apart_by_their_values(tmp_path: Path) -> None:
    faces = pd.DataFrame(
        {
            "tone": np.repeat(["a x b", "a"], 100),
            "gender": np.repeat(["c", "b x c"], 100),
            "y_true": 1,
            "y_score": np.r_[np.full(50, -1.0), np.full(150, 2.0)],
        }
    )
    table = pd.concat([faces, pd.DataFrame({"y_true": 0, "y_score": np.linspace(0, 1, 1000)})])
    table["image_id"] = [f"i{k}" for k in range(len(table))]
    table.to_parquet(tmp_path / "predictions.parquet")
    report = run_report(
        predictions=tmp_path / "predictions.parquet",
        groups=["tone", "gender"],
        settings=ReportSettings(target_fpr=(0.01,)),
    )
    grouping = report["operating_points"][0]["groupings"][-1]
    gap, (pair,) = grouping["gap"], grouping["pairs"]
    assert gap is not None
    assert gap["worst"] == gap["best"] == "a x b x c"
    assert (gap["worst_values"], gap["best_values"]) == (["a x b", "c"], ["a", "b x c"])
    assert [pair["first_values"], pair["second_values"]] == [["a", "b x c"], ["a x b", "c"]]
    lines = render_text(report).splitlines()
    best, worst = (line for line in lines if line.startswith("  a x b x c "))
    assert worst.endswith("< worst")
    assert " 50.0 " in worst
    assert best.endswith(" best")
    assert " 100.0 " in best
    glance = next(line for line in lines if line.startswith("  threshold for 1 % of these"))
    assert re.search(r" 50\.0 +50\.0 +a x b x c$", glance)  # the worst recall, and the gap


def test_a_plot_marks_limits_and_value() -> None:
    found = rate_json(rate(num_successes=75, num_trials=100))
    floor = plot_floor([found])
    assert floor == 60.0
    drawn = plot(found, floor)
    assert len(drawn) == 22
    assert drawn.strip().strip("-") == "o"
    assert drawn.index("o") == round((75 - 60) / 40 * 21)


def test_what_is_not_estimable_is_no_number() -> None:
    nothing = rate_json(rate(num_successes=0, num_trials=0))
    assert nothing["value"] is None
    assert plot(nothing, 50.0).strip() == ""
    assert percent(None) == "-"
    assert percent(-0.0, sign=True) == "+0.0"


@pytest.mark.parametrize(
    ("part", "digits", "text"),
    [
        (0.0, 1, "0.0"),
        (1.0, 1, "100.0"),
        (0.0001, 1, "0.01"),
        (0.9998, 1, "99.98"),
        (0.0004, 0, "0.04"),
        (0.000001, 2, "0.0001"),
        (1e-12, 1, "0.0000"),
        (0.0005, 1, "0.1"),
        (0.123, 0, "12"),
    ],
)
def test_a_small_share_is_not_shown_as_none_nor_a_large_one_as_all(
    part: float, digits: int, text: str
) -> None:
    assert percent(part, digits) == text
    assert percent(part, digits, sign=True) == f"+{text}"
    if part:
        assert percent(-part, digits) == f"-{text}"


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-1e-5)
@example(5e-324)
@example(float(np.float32(0.1)))
@example(1e22)
@example(-0.0)
def test_a_threshold_is_read_back_as_it_was(threshold: float) -> None:
    assert float(number(threshold)) == threshold
    if threshold == 0.0 or 1e-7 <= abs(threshold) < 1e16:
        # What argparse takes for a negative number, and not for an option.
        assert re.fullmatch(r"-?\d*\.?\d+", number(threshold))


def test_the_glance_falls_back_to_groups_that_can_be_ranked(tmp_path: Path) -> None:
    names = ["dark", *(f"g{k}" for k in range(9))]
    report = make_report(tmp_path, names=names)
    for point in report["operating_points"]:
        if point["groupings"]:
            point["groupings"][-1]["gap"] = None
    text = render_text(report)
    glance = next(line for line in text.splitlines() if "  stored threshold for" in line)
    assert glance.endswith("  none: all are alike")  # of the two values of the other attribute


def test_groups_that_are_alike_have_no_worst_and_options_stay_whole(tmp_path: Path) -> None:
    report = make_report(tmp_path, names=["dark", "light"])
    for point in report["operating_points"]:
        for grouping in point["groupings"]:
            if grouping["gap"] is not None:
                grouping["gap"]["value"] = 0.0
    report["operating_points"][-1]["reason"] = "few, " * 12 + "so ask for --target-fpr 0.0026"
    text = render_text(report)
    glance = next(line for line in text.splitlines() if "  stored threshold for" in line)
    assert glance.endswith(" 0.0  none: all are alike")
    assert "--target-fpr" in text


def test_models_slices_and_conditions_are_told() -> None:
    report = SAMPLES["full"]()
    assert report["seeds"] is not None
    assert report["slices"] is not None
    text = " ".join(render_text(report).split())
    assert f"over {len(report['seeds']['seeds'])} trained models" in text
    for figure in report["seeds"]["figures"]:
        assert f"{100 * figure['mean']:.1f}" in text
    for item in report["slices"]["slices"]:
        assert f"{item['name']}: {item['num_images']:,} faces, missed" in text
        for each in item["attributes"]:
            assert f"{each['name']} {each['value']}" in text
    for condition in report["conditions"]:
        assert f"{condition['condition']}: " in text
    plain = render_text({**report, "seeds": None, "slices": None, "conditions": []})
    for title in ("== over", "== slices", "== conditions"):
        assert title in render_text(report)
        assert title not in plain


def test_the_terminal_says_who_is_compared_with_whom() -> None:
    report = SAMPLES["full"]()
    text = render_text(report)
    assert "== model compared with plain ====" in text
    flat = " ".join(text.split())
    assert "first: model; second: plain; differences are the first minus the second" in flat
    assert "At the false-positive rate of plain, 0.80 %, model finds 4.7 points more" in flat
    assert "thresholds alone make +1.4 points [-0.4, +3.3]" in flat
    assert "at this threshold, which itself rests on 20 non-faces" in flat
    assert "compared with" not in render_text({**report, "comparison": None})


def test_the_column_of_a_renamed_attribute_is_named() -> None:
    report = SAMPLES["full"]()
    report["settings"]["groups"] = ["skin_tone=race", "gender"]
    line = next(line for line in render_text(report).splitlines() if "skin_tone (" in line)
    assert "skin_tone (estimated: column race; unknown for 44 faces)" in line
