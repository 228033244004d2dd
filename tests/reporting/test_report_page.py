from __future__ import annotations

import base64
import copy
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from reporting.sample_reports import (
    HOSTILE,
    SAMPLES,
    full_report,
    grouped_report,
    not_applicable,
    overall_report,
    wide_report,
)

from debias.reporting import report_words as words
from debias.reporting import summary_words, verdict_words
from debias.reporting.measure_tables import BY_CHANCE, disparity_table, measure_table
from debias.reporting.report_page import MAX_PAIRS, render_report

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """A page's elements, its text, and the text of each table by the id of its caption."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.rows: list[list[str]] = []
        self.feed(page)
        self.close()
        self.text = re.sub(r"\s+", " ", "".join(self.words))
        """With every blank, those that do not break too, as one space."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.elements.append((tag, names))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.rows = []
        if tag == "caption" and names.get("id"):
            self.tables[str(names["id"])] = self.rows
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag in ("p", "td", "th", "li", "dd", "dt", "span", "summary"):
            self.words.append(" ")
            self._in_cell(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} closes what it did not open"

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)
            self._in_cell(data)

    def _in_cell(self, data: str) -> None:
        if {"td", "th"} & set(self.open) and self.rows and self.rows[-1]:
            self.rows[-1][-1] = re.sub(r"\s+", " ", self.rows[-1][-1] + data).lstrip()

    def row(self, table: str, name: str) -> list[str]:
        return next(
            [cell.strip() for cell in row] for row in self.tables[table] if row[0].strip() == name
        )


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The page of every sample, rendered once."""
    return {name: render_report(make()) for name, make in SAMPLES.items()}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_page_is_well_formed_and_labels_what_is_there(
    pages: dict[str, str], name: str
) -> None:
    page = Page(pages[name])
    assert page.open == []
    elements = page.elements
    ids = [names["id"] for _, names in elements if "id" in names]
    assert len(ids) == len(set(ids))
    labels = [names["aria-labelledby"] for _, names in elements if "aria-labelledby" in names]
    assert {word for label in labels for word in (label or "").split()} <= set(ids)
    links = [names["href"] or "" for tag, names in elements if tag == "a"]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert all(names.get("scope") in ("row", "col") for tag, names in elements if tag == "th")
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - level <= 1 for level, later in pairwise(levels))
    assert [tag for tag, _ in elements].count("main") == 1
    drawn = [names for tag, names in elements if tag == "svg" and names.get("role") == "img"]
    tags = [tag for tag, _ in elements]
    assert tags.count("desc") == len(drawn)
    assert tags.count("title") == len(drawn) + 1


@pytest.mark.parametrize("name", SAMPLES)
def test_no_page_asks_the_network_or_writes_what_it_does_not_know(
    pages: dict[str, str], name: str
) -> None:
    page = Page(pages[name])
    assert re.findall(r"https?://|@import|url\(", pages[name]) == []
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"link", "iframe", "object", "form", "base", "img"})
    attributes = {attribute for _, names in page.elements for attribute in names}
    assert "style" not in attributes
    assert not any(attribute.startswith("on") for attribute in attributes)
    text = page.text.replace("None beyond", "")
    assert re.findall(r"\b(?:None|nan|NaN|inf|Undefined)\b", text) == []


def test_the_policy_lets_in_this_style_and_this_script_alone(pages: dict[str, str]) -> None:
    page = pages["full"]
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    policy = policy.replace("&#39;", "'")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "connect-src" not in policy


def test_the_page_opens_with_what_was_judged_and_the_verdicts(pages: dict[str, str]) -> None:
    page = Page(pages["full"])
    headings = [names.get("id") for tag, names in page.elements if tag == "h2"]
    assert headings == [
        *("judged", "verdicts", "point-1", "point-2", "point-3", "point-4", "sweep"),
        *("calibration", "comparison", "seeds", "slices", "conditions", "limits", "methods"),
        "provenance",
    ]
    text = page.text
    assert "3,932 of 1,966 persons" in text
    assert "20,000 from 2,000 pictures; one pool that all groups share" in text
    assert summary_words.headline(full_report()) in text
    assert "A condition on which this report fails holds: worst_recall<0.9" in text


def test_every_grouping_has_its_verdict_in_words(pages: dict[str, str]) -> None:
    lists = re.search(r'<ul class="verdicts">(.*?)</ul>', pages["full"], flags=re.DOTALL)
    assert lists is not None
    classes = re.findall(r'<li class="(\w+)">', lists[1])
    assert classes == ["disparity", "inconclusive", "disparity"]
    labels = re.findall(r'<span class="badge">([^<]+)</span>', lists[1])
    assert labels == [verdict_words.VERDICTS[word] for word in classes]
    strata = pages["full"].split(lists[0])[1].split("</section>")[0]
    assert (
        "<summary>Within values of pose, 2 comparisons: disparity found in 2.</summary>" in strata
    )
    assert re.findall(r'<li class="(\w+)">', strata) == ["disparity", "disparity"]
    assert "pose</bdi> = <bdi>frontal" in strata
    expected = {"equal": "none_beyond_margin", "small_gap": "below_margin", "lonely": "none"}
    for name, word in expected.items():
        assert f'<li class="{word}">' in pages[name]


def test_tables_hold_the_numbers_of_the_report(pages: dict[str, str]) -> None:
    page = Page(pages["full"])
    dark = page.row("point-1-1-measures", "dark")
    assert dark[1:4] == ["ranked, worst", "511 worth 393", "92.4 [89.3, 94.6] 472 of 511"]
    pair = page.row("point-1-1-pairs", "dark")
    assert pair[1] == "light"
    assert re.fullmatch(r"-6\.3 \[-\d\.\d, -\d\.\d\]", pair[2].replace("\N{MINUS SIGN}", "-"))
    assert pair[4:6] == ["< 0.001", "< 0.001"]
    assert pair[3].replace("\N{MINUS SIGN}", "-") == "[-10.2, -3.6]"
    middle = page.tables["point-1-1-pairs"][3]
    assert (middle[4].strip(), middle[5].strip(), middle[6].strip()) == (
        "0.502",
        "1.000",
        "< 0.001",
    )
    recall = page.row("point-1-measures", "Recall")
    assert recall[1:] == ["97.8 [97.2, 98.2]", "3,844 of 3,932"]
    fpr = page.row("point-1-measures", "False-positive rate")
    assert fpr[1:] == ["1.30 [1.15, 1.47]", "260 of 20,000"]
    assert page.row("attributes", "skin_tone")[1:] == ["estimated", "44"]
    assert page.row("seeds-table", "gap by skin_tone")[1:3] == ["11.2 [7.0, 15.0]", "0.92"]
    assert page.row("slices-table", "slice 1")[1:4] == ["120", "120", "30.0 [22.5, 38.7]"]
    assert page.row("slices-table", "slice 2")[1:3] == ["80", "40"]
    assert "tested on the other half" in page.text
    assert page.row("conditions-table", "fpr>0.02")[1:] == ["0.013", "does not hold"]
    change = page.row("comparison-1-2-table", "light")
    assert change[1] == "2,012"
    assert [cell.split()[0] for cell in change[2:5]] == ["98.4", "95.8", "+2.6"]
    assert page.row("sweep-1-table", "0.05")[1] == "3.2905267314919255"
    assert page.row("inputs", "predictions")[2] == "3f" * 32
    assert len(page.tables["sweep-1-table"]) == 61
    assert len(page.tables["calibration-table"]) == 11


def test_marks_and_bars_lie_where_the_figures_are(pages: dict[str, str]) -> None:
    part = pages["full"].split('id="point-1-1-plot-title"')[1].split("</figure>")[0]
    recall = full_report()["operating_points"][0]["groupings"][0]["groups"][0]["recall"]
    assert recall["value"] is not None
    place = re.findall(r'<svg x="([\d.]+)%"', part)[0]  # on an axis from 80 to 100 %
    assert float(place) == pytest.approx(500 * (recall["value"] - 0.8), abs=1e-3)
    bars = pages["full"].split('id="distribution-1-title"')[1].split("</svg>")[0]
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%" height="7"', bars)]
    assert widths == pytest.approx([100 * n / 2012 for n in (511, 2012, 1365, 44)], abs=1e-3)


def test_every_number_says_at_which_threshold(pages: dict[str, str]) -> None:
    captions = re.findall(r'<caption id="(point-\d)[^"]*"><span>([^<]+)</span>', pages["full"])
    assert len(captions) > 20
    names = [words.where(point) for point in full_report()["operating_points"]]
    for point, caption in captions:
        expected = names[int(point.removeprefix("point-")) - 1]
        assert expected.replace(" %", "\N{NO-BREAK SPACE}%") in caption


def test_what_does_not_apply_is_left_out_and_said(pages: dict[str, str]) -> None:
    page = Page(pages["full"])
    heads = [cell.strip() for cell in page.tables["point-1-1-measures"][0]]
    assert heads[3:6] == ["Recall", "Balanced accuracy1", "AUC1"]
    once = "Not applicable by group, here and in all that follows:"
    assert f"{once} False-positive rate, Precision, Accuracy" in page.text
    assert page.text.count("Not applicable by group") == 1
    assert page.text.count("Demographic parity, Equalized odds, GARBE") == 1
    grouped = Page(pages["grouped"])
    heads = [cell.strip() for cell in grouped.tables["point-1-1-measures"][0]]
    assert heads[3:6] == ["Non-faces", "Recall", "False-positive rate"]
    assert "Not applicable by group" not in grouped.text
    assert len(grouped.tables["point-1-1-disparities"]) == 15
    empty = page.row("point-1-3-measures", "dark x non-binary")
    assert empty[1:4] == ["no faces, not ranked", "0", "not estimable1"]


def test_calibration_is_drawn_and_told_by_group_where_it_applies(pages: dict[str, str]) -> None:
    page = Page(pages["grouped"])
    assert page.row("calibration-1-errors", "dark")[1:3] == ["511", "20.0 [16.7, 23.6]"]
    assert page.row("calibration-1-errors", "dark")[3:] == ["1.0"]
    assert page.row("calibration-3-errors", "dark x non-binary")[3:] == [
        "-",
        "There are no such rows.",
    ]
    assert page.row("calibration-1-table", "dark")[1:] == ["10.0", "511", "1.0 [0.4, 2.3]"]
    assert page.row("calibration-3-errors", "dark x non-binary")[2] == "not estimable"
    for name, chart in (("dark", "calibration-1-1"), ("light", "calibration-1-2")):
        assert f'<title id="{chart}-title">{name}</title>' in pages["grouped"]
    drawn = pages["grouped"].split('id="calibration-1-1-title"')[1].split("</figure>")[0]
    assert drawn.count('<circle class="mark"') == 3
    assert "error 20.0 % [16.7, 23.6], by chance 1.0 %; 1,536 rows" in drawn
    assert "calibration-1-errors" not in Page(pages["full"]).tables
    assert len(Page(pages["wide"]).tables["calibration-1-errors"]) == 201


def test_measures_share_notes() -> None:
    groups = grouped_report()["operating_points"][0]["groupings"][0]["groups"]
    groups[0]["measures"]["auc"] = not_applicable("One score for all.")
    table = measure_table([group["measures"] for group in groups])
    column = table.names.index("AUC")
    assert table.notes == ("One score for all.",)
    assert table.rows[0][column].text == "not applicable"
    assert table.rows[0][column].note == 1
    assert table.rows[1][column].note is None
    assert table.rows[1][column].text.startswith("0.9")
    assert table.name_notes[column] is None
    assert measure_table([]).names == ()


def test_calibration_errors_share_one_note() -> None:
    groups = grouped_report()["operating_points"][0]["groupings"][0]["groups"]
    for number, group in enumerate(groups):
        group["measures"]["ece"]["reason"] = f"By chance {number}."
    table = measure_table([group["measures"] for group in groups])
    assert table.notes == (BY_CHANCE,)
    column = table.names.index("Calibration error")
    assert table.name_notes[column] == 1
    assert {row[column].note for row in table.rows} == {None}


def test_disparities_that_do_not_apply_are_named_once() -> None:
    found = full_report()["operating_points"][0]["groupings"][0]["disparities"]
    table = disparity_table(found)
    assert {item["name"] for item in table.rows} == {"equal_opportunity"}
    (names,) = table.left_out.values()
    assert names == [
        *("Demographic parity", "Equalized odds", "GARBE"),
        "FDR (fairness discrepancy rate)",
    ]


def test_refused_thresholds_and_missing_parts_say_so(pages: dict[str, str]) -> None:
    text = Page(pages["refused"]).text
    assert "No threshold could be judged: every target was refused." in text
    assert text.count("Refused: 0.01 of 200 negatives") == 1
    assert text.count("Refused: 0.001 of 200 negatives") == 1
    decided = Page(pages["decisions"])
    assert "Decisions as given (y_pred)" in decided.text
    assert "Not applicable. There are no scores." in decided.text
    assert "Over all thresholds" not in decided.text
    assert "a score of at least that" not in decided.text
    overall = Page(pages["overall"]).text
    assert "No groups were named, so none are compared." in overall
    empty = Page(pages["empty"]).text
    assert "No group has faces: recall is not estimable." in empty


def test_a_report_without_non_faces_can_be_read() -> None:
    report = overall_report()
    report["rows"]["num_negatives"] = 0
    for point in report["operating_points"]:
        if point["fpr"] is not None:
            point["fpr"].update(
                {"num_successes": 0, "num_trials": 0, "value": None, "low": None, "high": None}
            )
    report["sweep"] = None
    assert "not estimable: there are no non-faces" in Page(render_report(report)).text


def test_many_groups_and_pairs_stay_usable(pages: dict[str, str]) -> None:
    page = Page(pages["wide"])
    assert "Measures of all 200 groups" in page.text
    assert len(page.tables["point-1-1-measures"]) == 201
    assert len(page.tables["point-1-1-pairs"]) == 1 + MAX_PAIRS
    assert f"The {MAX_PAIRS} surest of 378 pairs" in page.text
    assert "176 others hold" in page.text
    assert "Of 28 ranked groups, the 6 with the lowest recall" in page.text
    assert len(pages["wide"]) < 1_500_000
    sure = wide_report()["operating_points"][0]["groupings"][0]["pairs"]
    least = min(sure, key=lambda pair: (pair["adjusted_p_value"], -abs(pair["difference"])))
    assert page.tables["point-1-1-pairs"][1][0].strip() == least["first"]


def test_names_from_outside_are_text(pages: dict[str, str]) -> None:
    page = Page(pages["hostile"])
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 1
    names = {row[0].strip() for row in page.tables["point-1-1-measures"][1:]}
    assert names == set(HOSTILE)
    assert HOSTILE[0] in page.text
    assert "49" not in {row[0] for row in page.tables["point-1-1-measures"]}


@pytest.mark.parametrize("name", ["full", "hostile", "empty"])
def test_rendering_leaves_the_report_as_it_was(pages: dict[str, str], name: str) -> None:
    report = SAMPLES[name]()
    before = copy.deepcopy(report)
    assert render_report(report) == pages[name]
    assert report == before


def test_whose_negatives_they_are_is_said(pages: dict[str, str]) -> None:
    assert "each belongs to a group, as faces do" in Page(pages["grouped"]).text
    assert (
        "against the false-positive rate, of each group\u2019s own" in Page(pages["grouped"]).text
    )
    assert "one pool that all groups share" in Page(pages["full"]).text


def test_the_notes_are_all_there(pages: dict[str, str]) -> None:
    for note in full_report()["notes"]:
        assert note in Page(pages["full"]).text


def test_settings_are_written_as_they_were_given() -> None:
    report = full_report()
    report["settings"].update(columns={"y_score": "confidence", "image_id": "photo"}, within=[])
    page = Page(render_report(report))
    assert page.row("settings", "columns")[1] == "y_score = confidence, image_id = photo"
    assert page.row("settings", "within")[1] == "none"
    assert page.row("settings", "target_fpr")[1] == "0.01, 0.001, 0.0001"
    report["settings"]["columns"] = {}
    assert Page(render_report(report)).row("settings", "columns")[1] == "none"


def test_who_is_compared_with_whom_stands_wherever_either_is_spoken_of(
    pages: dict[str, str],
) -> None:
    page = Page(pages["full"])
    assert page.text.count("model compared with plain") == 2  # contents and title
    heads = [cell.strip() for cell in page.tables["comparison-1-1-table"][0]]
    assert heads[2:7] == ["model", "plain", "Difference", "Found only by model", "only by plain"]
    for word in ("These", "these predictions", "Compared with other", " here,", " there."):
        assert word not in page.text.split("compared with plain")[2].split("Several trainings")[0]
    assert page.text.count("differences are model minus plain") == 1
    legend = pages["full"].split('id="comparison-1-1-title"')[0].rsplit("<figure", 1)[1]
    assert re.findall(r"<bdi>(\w+)</bdi>", legend) == ["model", "plain"]


def test_a_threshold_of_few_non_faces_says_so_beside_its_figures(pages: dict[str, str]) -> None:
    point = full_report()["operating_points"][2]
    told = words.resting_words(point)
    assert told == "at this threshold, which itself rests on 20 non-faces"
    section = pages["full"].split('id="point-3"')[1].split("</section>")[0]
    assert section.count(told) == 1 + len(point["groupings"])  # beside recall, and each figure
    assert "itself rests on" not in pages["full"].split('id="point-3"')[0].split("</header>")[1]


def test_a_renamed_column_is_named_and_thresholds_in_captions_are_brief() -> None:
    report = full_report()
    assert report["slices"] is not None
    report["settings"]["groups"] = ["skin_tone = race", "gender"]
    report["attributes"][0]["provenance"] = "proxy"
    report["slices"]["threshold"] = 0.1 + 0.2
    page = render_report(report)
    assert Page(page).row("attributes", "skin_tone")[1] == "proxy: column race"
    assert Page(page).row("attributes", "gender")[1] == "annotated"
    slices = page.split('id="slices"')[1].split("</section>")[0]
    assert "at the threshold 0.3<" in slices
    assert "0.30000000000000004" not in slices
    assert "slice 1</bdi></dt><dd><bdi>skin_tone</bdi> = <bdi>dark</bdi>: 81.0" in slices
