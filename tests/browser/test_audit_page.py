"""The audit's page in a real browser: whole on any screen, sortable, and text from data is text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser.test_report_page import SCHEMES, SIZES, assert_whole, browser, visit
from reporting.sample_audits import AUDITS

from debias.reporting.audit_page import render_audit_page

__all__ = ["browser", "visit"]  # fixtures


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of every sample."""
    folder = tmp_path_factory.mktemp("pages")
    found = {name: folder / f"{name}.html" for name in AUDITS}
    for name, make in AUDITS.items():
        found[name].write_text(render_audit_page(make()), encoding="utf-8")
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_an_audit_is_whole_on_any_screen(
    visit: Any, files: dict[str, Path], size: str, scheme: str
) -> None:
    assert_whole(visit(files["full"], size, scheme))


@pytest.mark.parametrize("name", ["hostile", "bare"])
def test_other_audits_are_whole_on_a_phone(visit: Any, files: dict[str, Path], name: str) -> None:
    assert_whole(visit(files[name], "phone"))


def test_pictures_of_latents_are_drawn(visit: Any, files: dict[str, Path]) -> None:
    page = visit(files["full"]).page
    sizes = page.evaluate("[...document.images].map((e) => [e.naturalWidth, e.alt.length])")
    assert len(sizes) >= 2
    assert all(width > 0 and alt > 0 for width, alt in sizes)


def test_hostile_names_run_no_script(visit: Any, files: dict[str, Path]) -> None:
    opened = visit(files["hostile"])
    assert opened.complaints == []
    assert opened.page.locator("script").count() == 1
    assert "<script>alert" in opened.page.locator("main").inner_text()
