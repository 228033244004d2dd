from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporting.sample_reports import full_report, grouped_report, share_rate, wide_report

from debias.reporting.calibration_figures import (
    MAX_DIAGRAMS,
    calibration_chart,
    group_diagrams,
    rows_in_bins,
)
from debias.reporting.figures import NUM_STYLES, SMALLEST, Mark, Scale, band, line
from debias.reporting.report_figures import (
    MAX_ROWS,
    comparison_plot,
    distribution,
    recall_plot,
    slices_plot,
)
from debias.reporting.sweep_figures import styled_groups, sweep_charts

SHARES = st.lists(st.floats(0.0, 1.0), max_size=6)


@given(SHARES)
def test_an_axis_to_one_holds_all_values(values: list[float]) -> None:
    scale = Scale.linear(values, to_one=True)
    assert scale.high == 1.0
    assert scale.low <= min([0.9, *values]) + 1e-9
    assert 2 <= len(scale.ticks) <= 7
    assert (scale.at(scale.low), scale.at(1.0)) == (0.0, 100.0)


@given(SHARES)
def test_an_axis_from_zero_holds_all_values(values: list[float]) -> None:
    scale = Scale.linear(values)
    assert scale.low == 0.0
    assert scale.high >= max(values, default=0.0) - 1e-9
    assert 2 <= len(scale.ticks) <= 7
    assert scale.ticks[-1] == scale.high


@given(SHARES)
def test_a_logarithmic_axis_holds_all_values_that_it_can_show(values: list[float]) -> None:
    scale = Scale.logarithmic(values)
    held = [value for value in values if value >= SMALLEST]
    assert 0.0 < scale.low < scale.high
    assert all(scale.low <= value <= scale.high for value in held)
    assert all(0.0 <= scale.at(value) <= 100.0 for value in values)


def test_places_on_axes() -> None:
    scale = Scale.linear([0.55], to_one=True)
    assert (scale.low, scale.ticks) == (0.5, (0.5, 0.6, 0.7, 0.8, 0.9, 1.0))
    assert scale.at(0.75) == 50.0
    assert scale.at(0.2) == 0.0
    log = Scale.logarithmic([0.0001, 0.01, 1.0])
    assert log.at(0.01) == 50.0
    assert log.at(0.0) == 0.0
    assert log.ticks == pytest.approx([0.0001, 0.001, 0.01, 0.1, 1.0])
    near = Scale.logarithmic([0.01, 0.1])
    assert near.ticks == pytest.approx([0.01, 0.02, 0.05, 0.1])


def test_lines_run_from_left_to_right_and_leave_out_what_a_logarithm_cannot_show() -> None:
    x = Scale(low=0.0, high=1.0)
    y = Scale(low=0.01, high=1.0, log=True)
    assert line(x, x, [0.0, 0.5], [0.25, 1.0]) == "0,75 50,0"
    assert line(x, y, [0.0, 0.5, 1.0], [1.0, 0.1, 0.0]) == "0,0 50,50"
    assert band(x, x, [0.0, 1.0], [0.0, 0.5], [0.5, 1.0]) == "0,50 100,0 100,50 0,100"


def test_a_rate_without_trials_has_no_mark() -> None:
    assert Mark.of(share_rate(0.0, 0), "ranked") is None


def test_bars_show_every_group_or_say_what_they_leave_out() -> None:
    parts = full_report()["operating_points"][0]["groupings"]
    bars = distribution(parts[2])
    assert [bar.name for bar in bars.bars] == [group["name"] for group in parts[2]["groups"]]
    assert {bar.name for bar in bars.bars if not bar.ranked} == {
        "dark x non-binary",
        "light x non-binary",
        "medium x non-binary",
        "dark x unknown",
        "unknown x female",
    }
    assert max(bar.width for bar in bars.bars) == 100.0
    wide = wide_report()
    grouping = wide["operating_points"][0]["groupings"][0]
    bars = distribution(grouping)
    assert len(bars.bars) == MAX_ROWS
    assert bars.num_groups_left_out == 200 - MAX_ROWS
    shown = sum(bar.count for bar in bars.bars)
    assert shown + bars.num_faces_left_out == wide["rows"]["num_faces"]


def test_recall_stands_where_it_is_and_of_many_groups_the_worst_are_shown() -> None:
    point = full_report()["operating_points"][0]
    plot = recall_plot(point["groupings"][0], point)
    assert plot is not None
    row, group = plot.rows[0], point["groupings"][0]["groups"][0]
    assert (row.name, row.remark, row.figures) == ("dark", "worst", "92.4")
    assert row.marks == (Mark.of(group["recall"], "ranked"),)
    assert point["recall"] is not None
    assert plot.reference == point["recall"]["value"]
    assert plot.kinds == {"ranked", "unknown"}
    wide_point = wide_report()["operating_points"][0]
    grouping = wide_point["groupings"][0]
    plot = recall_plot(grouping, wide_point)
    assert plot is not None
    assert (len(plot.rows), plot.left_out) == (MAX_ROWS, 200 - MAX_ROWS)
    assert grouping["gap"] is not None
    assert plot.rows[0].name == grouping["gap"]["worst"]
    assert plot.kinds == {"ranked"}


def test_an_intersection_shows_shrunken_recall_beside_the_raw_one() -> None:
    point = full_report()["operating_points"][0]
    plot = recall_plot(point["groupings"][2], point)
    assert plot is not None
    kinds = {row.name: [mark.kind for mark in row.marks] for row in plot.rows}
    assert kinds["dark x female"] == ["ranked", "shrunken"]
    assert kinds["light x non-binary"] == ["small"]
    assert "dark x non-binary" not in kinds
    assert plot.tops[1] - plot.tops[0] > plot.tops[-1] - plot.tops[-2]


def test_both_models_have_a_mark_and_slices_their_simultaneous_limits() -> None:
    report = full_report()
    assert report["comparison"] is not None
    assert report["slices"] is not None
    plot = comparison_plot(report["comparison"]["points"][0]["groupings"][1], names=("new", "old"))
    assert plot is not None
    assert plot.description == "Circles are new, squares old; lines are intervals."
    assert [mark.kind for mark in plot.rows[0].marks] == ["this", "other"]
    found = slices_plot(report["slices"])
    assert found is not None
    assert (found.rows[0].marks[0].low, found.rows[0].marks[0].high) == (0.15, 0.45)
    report["slices"]["slices"] = []
    assert slices_plot(report["slices"]) is None


def test_a_sweep_has_a_curve_for_each_group_and_styles_for_the_worst() -> None:
    sweep = full_report()["sweep"]
    assert sweep is not None
    charts = sweep_charts(sweep, sweep["groupings"][0], guides=[0.01], position=30)
    assert [chart.title.split()[0] for chart in charts] == ["Recall", "Gap", "ROC", "DET"]
    assert [curve.name for curve in charts[0].curves] == ["dark", "light", "medium", "all faces"]
    assert all(chart.guides == (0.01,) for chart in charts)
    assert "which all groups share" in charts[2].description
    wide = wide_report()["sweep"]
    assert wide is not None
    grouping = wide["groupings"][0]
    named = styled_groups(grouping, 10)
    worst = sorted(group["recall"][10] for group in grouping["groups"])[:NUM_STYLES]
    assert [group["recall"][10] for group in named] == worst
    (roc,) = [
        chart
        for chart in sweep_charts(wide, grouping, guides=[], position=10)
        if chart.title.startswith("ROC")
    ]
    assert len(roc.curves) == 28
    assert sum(curve.style == "rest" for curve in roc.curves) == 28 - NUM_STYLES
    assert all(curve.name and curve.style != "rest" for curve in roc.curves[-NUM_STYLES:])


def test_grouped_negatives_draw_curves_over_their_own_rate() -> None:
    sweep = grouped_report()["sweep"]
    assert sweep is not None
    roc = sweep_charts(sweep, sweep["groupings"][0], guides=[0.01], position=0)[2]
    assert "each group's own non-faces" in roc.description
    assert roc.guides == ()
    last = roc.curves[0].points.split()[-1]
    assert float(last.split(",")[0]) == pytest.approx(100 * 0.45 / roc.x.high)


def test_calibration_has_a_dot_for_each_bin_with_rows() -> None:
    calibration = full_report()["calibration"]
    chart = calibration_chart(calibration)
    assert chart is not None
    assert len(chart.dots) == 10
    assert chart.diagonal == "0,100 100,0"
    calibration["bins"][0]["share"] = share_rate(0.0, 0)
    chart = calibration_chart(calibration)
    assert chart is not None
    assert len(chart.dots) == 9
    calibration["status"] = "not_applicable"
    assert calibration_chart(calibration) is None


def test_every_group_with_bins_has_a_reliability_diagram() -> None:
    calibration = grouped_report()["calibration"]
    by_tone, by_gender, by_both = group_diagrams(calibration)
    assert [chart.title for chart in by_tone.charts] == ["dark", "light", "medium", "unknown"]
    assert (by_gender.num_left_out, len(by_gender.charts)) == (0, 4)
    dark = by_tone.charts[0]
    group = by_tone.content["groups"][0]
    assert [place for place, _ in dark.dots] == [0.1, 0.4, 0.9]
    assert [mark.value for _, mark in dark.dots] == [
        item["share"]["value"] for item in group["bins"]
    ]
    assert "1,536 rows, 511 to 513 in each of 3 bins" in dark.note
    assert "error 20.0 % [16.7, 23.6]" in dark.note
    assert "by chance 1.0 %" in dark.note
    assert dark.note in dark.description
    assert {(chart.x, chart.y) for chart in by_both.charts} == {(dark.x, dark.y)}
    assert "dark x non-binary" not in {chart.title for chart in by_both.charts}
    assert group_diagrams(full_report()["calibration"]) == []


def test_of_many_groups_those_that_are_surest_to_be_off_are_drawn() -> None:
    calibration = wide_report()["calibration"]
    groups = calibration["groupings"][0]["groups"]
    groups[-1]["error"]["low"] = 0.9
    (diagrams,) = group_diagrams(calibration)
    assert len(diagrams.charts) == MAX_DIAGRAMS
    assert diagrams.num_left_out == len(groups) - MAX_DIAGRAMS
    assert diagrams.charts[-1].title == groups[-1]["name"]
    assert diagrams.charts[0].title == groups[0]["name"]


def test_the_sizes_of_bins_in_words() -> None:
    bins = grouped_report()["calibration"]["groupings"][0]["groups"][0]["bins"]
    assert rows_in_bins(bins[:1]) == "511 rows in one bin"
    assert rows_in_bins([]) == "no rows"
