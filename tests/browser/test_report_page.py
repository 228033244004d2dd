"""The pages in a real browser: drawn, quiet, sortable, and whole on a phone and on paper."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reporting.sample_reports import HOSTILE, SAMPLES, full_report, hostile_report
from reporting.test_demo_page import PICTURES, demo

from debias.reporting.demo_page import render_demo
from debias.reporting.demo_schema import DemoJson
from debias.reporting.report_page import render_report

__all__ = ["demo"]  # a fixture

BROWSER = os.environ.get("DEBIAS_BROWSER") or shutil.which("chromium") or shutil.which("chrome")
REQUIRED = bool(os.environ.get("CI") or os.environ.get("DEBIAS_REQUIRE_BROWSER"))
SIZES = {"desktop": (1200, 900), "phone": (380, 800)}
SCHEMES = ("light", "dark")

CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = (text) => {
    const [r, g, b] = parse(text).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      const alpha = parse(colour)[3];
      if (alpha === undefined || alpha > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('script, style, title, desc')) continue;
    const style = getComputedStyle(element);
    const ink = element.closest('svg') ? style.fill : style.color;
    const [a, b] = [luminance(ink), luminance(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.set(`${element.tagName}.${element.getAttribute('class')}`, ratio);
  }
  return [...found];
}"""
"""Elements whose text stands out too little, after WCAG 2.2, 1.4.3."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser; without one these tests are skipped, unless they must run."""
    missing = "playwright" if importlib.util.find_spec("playwright") is None else None
    if missing is None and BROWSER is None:
        missing = "chromium"
    if missing is not None:
        if REQUIRED:
            pytest.fail(f"{missing} is not installed")
        pytest.skip(f"{missing} is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield found
        found.close()


class Visit:
    """A page that was opened, and what it did that it should not have."""

    def __init__(self, browser: Any, file: Path, *, size: str, scheme: str, **options: Any) -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **options
        )
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self._dialog(dialog))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.url = file.as_uri()
        self.page.goto(self.url)

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def other_requests(self) -> list[str]:
        return [
            url for url in self.requests if url != self.url and not url.startswith("data:image/")
        ]


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    opened: list[Visit] = []

    def open_page(
        file: Path, size: str = "desktop", scheme: str = "light", **options: Any
    ) -> Visit:
        opened.append(Visit(browser, file, size=size, scheme=scheme, **options))
        return opened[-1]

    yield open_page
    for one in opened:
        one.context.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of every sample report."""
    folder = tmp_path_factory.mktemp("pages")
    found = {name: folder / f"{name}.html" for name in SAMPLES}
    for name, make in SAMPLES.items():
        found[name].write_text(render_report(make()), encoding="utf-8")
    return found


def unfold(page: Any) -> None:
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")


def assert_whole(visit: Visit) -> None:
    """Check what holds for every page on every screen."""
    page = visit.page
    unfold(page)
    assert visit.complaints == []
    assert visit.other_requests() == []
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    sizes = page.evaluate(
        "[...document.querySelectorAll('svg[role=img]')]"
        ".map((e) => [e.clientWidth, e.clientHeight])"
    )
    assert sizes
    assert all(across > 200 and down > 30 for across, down in sizes)
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["full", "hostile"])
def test_a_report_is_whole_on_any_screen(
    visit: Any, pages: dict[str, Path], name: str, size: str, scheme: str
) -> None:
    opened = visit(pages[name], size, scheme)
    assert_whole(opened)
    marks = opened.page.evaluate(
        "[...document.querySelectorAll('.mark, .curve')].filter((e) => {"
        "const box = e.getBoundingClientRect(); return box.width + box.height < 3; }).length"
    )
    assert marks == 0


@pytest.mark.parametrize("name", ["empty", "grouped", "overall", "refused", "wide"])
def test_other_reports_are_whole_on_a_phone(visit: Any, pages: dict[str, Path], name: str) -> None:
    assert_whole(visit(pages[name], "phone"))


def first_column(page: Any, table: str) -> list[str]:
    cells = page.locator(f"#{table}").locator("xpath=..").locator("tbody th")
    return [text.strip() for text in cells.all_inner_texts()]


def test_tables_sort_by_click_and_by_keyboard(visit: Any, pages: dict[str, Path]) -> None:
    page = visit(pages["full"]).page
    table = "point-1-3-measures"
    written = first_column(page, table)
    heads = page.locator(f"#{table}").locator("xpath=..").locator("thead th")
    faces = heads.filter(has_text="Faces")
    sizes = {group["name"]: group["recall"]["num_trials"] for group in groups_of_third()}
    assert sorted(sizes) == sorted(written)
    assert faces.get_attribute("aria-sort") == "none"

    faces.locator("button").click()
    assert faces.get_attribute("aria-sort") == "ascending"
    assert [sizes[name] for name in first_column(page, table)] == sorted(sizes.values())

    faces.locator("button").focus()
    page.keyboard.press("Enter")
    assert faces.get_attribute("aria-sort") == "descending"
    assert [sizes[name] for name in first_column(page, table)] == sorted(
        sizes.values(), reverse=True
    )

    page.keyboard.press("Shift+Tab")  # to the heading on the left, and by the other key
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert heads.first.get_attribute("aria-sort") == "ascending"
    assert faces.get_attribute("aria-sort") == "none"
    assert first_column(page, table) == sorted(written)


def groups_of_third() -> list[Any]:
    return list(full_report()["operating_points"][0]["groupings"][2]["groups"])


def test_missing_figures_stay_last_either_way(visit: Any, pages: dict[str, Path]) -> None:
    page = visit(pages["full"]).page
    table = "point-1-3-measures"
    button = page.locator(f"#{table}").locator("xpath=..").locator("thead button", has_text="AUC")
    for _ in range(2):
        button.click()
        assert first_column(page, table)[-1] == "dark x non-binary"


def test_a_link_opens_the_part_that_it_leads_to(visit: Any, pages: dict[str, Path]) -> None:
    opened = visit(pages["full"])
    page = opened.page
    assert page.locator("details:has(#point-2-1)").first.get_attribute("open") is None
    page.evaluate("location.hash = 'point-2-1'")
    page.wait_for_function("document.getElementById('point-2-1').closest('details').open")
    page.click("#open-all")
    assert page.locator("details:not([open])").count() == 0
    page.click("#open-all")
    assert page.locator("details[open]").count() == 0


def test_the_first_stop_of_the_keyboard_skips_to_the_verdicts(
    visit: Any, pages: dict[str, Path]
) -> None:
    page = visit(pages["full"]).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#verdicts"


def test_a_report_reads_without_its_script(visit: Any, pages: dict[str, Path]) -> None:
    page = visit(pages["full"], java_script_enabled=False).page
    text = page.locator("main").inner_text()
    assert "Disparity found" in text
    assert page.locator("thead button").count() == 0
    assert not page.locator("#open-all").is_visible()
    assert page.locator("summary").first.is_visible()


@pytest.mark.parametrize("name", ["full", "hostile"])
def test_a_report_prints(visit: Any, pages: dict[str, Path], name: str) -> None:
    opened = visit(pages[name], "desktop", "dark")
    page = opened.page
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 980})  # A4 within its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    assert not page.locator("nav").is_visible()
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert colours == ["rgb(252, 251, 248)", "rgb(31, 35, 40)"]


def test_hostile_names_are_text(visit: Any, pages: dict[str, Path]) -> None:
    opened = visit(pages["hostile"])
    page = opened.page
    unfold(page)
    names = first_column(page, "point-1-1-measures")
    shown = {
        group["name"] for group in hostile_report()["operating_points"][0]["groupings"][0]["groups"]
    }
    assert set(names) == shown == set(HOSTILE)
    assert page.locator("script").count() == 1
    assert (
        page.evaluate(
            "[...document.querySelectorAll('*')].flatMap((e) => e.getAttributeNames())"
            ".filter((name) => name.startsWith('on')).length"
        )
        == 0
    )
    assert opened.complaints == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_the_demo_is_whole_on_any_screen(
    visit: Any,
    tmp_path: Path,
    demo: DemoJson,
    size: str,
    scheme: str,
) -> None:
    file = tmp_path / "demo.html"
    file.write_text(render_demo(demo, pictures=PICTURES), encoding="utf-8")
    assert_whole(visit(file, size, scheme))


def test_a_table_that_goes_on_has_a_shadow_and_takes_the_keyboard(
    visit: Any, pages: dict[str, Path]
) -> None:
    page = visit(pages["full"], "phone").page
    unfold(page)
    measures = page.locator(".wide:has(#point-1-1-measures)")
    assert measures.evaluate("(e) => e.scrollWidth > e.clientWidth")
    backgrounds, fixed = measures.evaluate(
        "(e) => [getComputedStyle(e).backgroundImage, getComputedStyle(e).backgroundAttachment]"
    )
    assert backgrounds.count("linear-gradient") == 4
    assert fixed == "local, local, scroll, scroll"
    measures.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)  # scrolling is smooth
    assert measures.evaluate("(e) => e.scrollLeft") > 0
    overall = page.locator(".wide:has(#point-1-measures)")
    assert overall.evaluate("(e) => e.scrollWidth <= e.clientWidth")


def test_what_a_slice_coincides_with_makes_no_tall_rows(visit: Any, pages: dict[str, Path]) -> None:
    page = visit(pages["full"], "phone").page
    rows = page.locator(".wide:has(#slices-table) tbody tr")
    assert max(row.bounding_box()["height"] for row in rows.all()) < 60
