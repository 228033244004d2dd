"""The page about a latent space in a real browser: sliders, ticks and the setting they give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser.test_report_page import SCHEMES, SIZES, Visit, assert_whole, browser, visit
from reporting.sample_explorations import EXPLORATIONS, SIDE, full, pictures

from debias.reporting.explore_page import render_explore

__all__ = ["browser", "visit"]  # fixtures

SHADE = f"""(canvas) => [...canvas.getContext('2d').getImageData({SIDE // 2}, {SIDE // 2}, 1, 1)
    .data].slice(0, 3)"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of every sample."""
    folder = tmp_path_factory.mktemp("pages")
    found = {name: folder / f"{name}.html" for name in EXPLORATIONS}
    for name, make in EXPLORATIONS.items():
        explore = make()
        page = render_explore(explore, pictures=pictures(explore))
        found[name].write_text(page, encoding="utf-8")
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["full", "hostile"])
def test_it_is_whole_on_any_screen(
    visit: Any, files: dict[str, Path], name: str, size: str, scheme: str
) -> None:
    assert_whole(visit(files[name], size, scheme))


@pytest.mark.parametrize("name", ["photographs", "autoencoder"])
def test_others_are_whole_on_a_phone(visit: Any, files: dict[str, Path], name: str) -> None:
    assert_whole(visit(files[name], "phone"))


def shade(visited: Visit, latent: int) -> list[int]:
    canvas = visited.page.locator(f"[data-latent='{latent}'] canvas")
    return list(canvas.evaluate(SHADE))


def test_a_slider_changes_the_picture_by_mouse_and_by_keyboard(
    visit: Any, files: dict[str, Path]
) -> None:
    opened = visit(files["full"])
    page = opened.page
    slider = page.locator("[data-latent='3'] input[type=range]")
    assert shade(opened, 3) == pytest.approx([120] * 3, abs=4)  # frame 6 of 13: the mean
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert shade(opened, 3) == pytest.approx([140] * 3, abs=4)
    assert slider.get_attribute("aria-valuetext") == "+0.5 standard deviations"
    page.keyboard.press("Home")
    assert shade(opened, 3) == pytest.approx([0] * 3, abs=4)
    assert slider.get_attribute("aria-valuetext") == "\N{MINUS SIGN}3 standard deviations"
    label = page.locator("[data-latent='3'] canvas").get_attribute("aria-label")
    assert label == "Decoded face, latent 3 at \N{MINUS SIGN}3 standard deviations"
    assert page.locator("[data-latent='3'] .here").get_attribute("x1") == "0%"
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    assert shade(opened, 3) == pytest.approx([240] * 3, abs=4)
    assert shade(opened, 7) == pytest.approx([120] * 3, abs=4)  # the others stay
    # The browser's advice is for this test, which reads from the canvas.
    assert [text for text in opened.complaints if not text.startswith("Canvas2D")] == []


def test_ticks_become_the_setting_in_the_order_of_the_latents(
    visit: Any, files: dict[str, Path]
) -> None:
    page = visit(files["full"]).page
    setting, told = page.locator("#setting"), page.locator("#told")
    assert setting.inner_text() == "--set 'resampling.latents=[]'"
    assert "every active latent" in told.inner_text()
    page.locator("[data-latent='7'] input[type=checkbox]").check()
    assert setting.inner_text() == "--set 'resampling.latents=[7]'"
    assert "this latent only" in told.inner_text()
    box = page.locator("[data-latent='3'] input[type=checkbox]")
    box.focus()
    page.keyboard.press("Space")
    assert setting.inner_text() == "--set 'resampling.latents=[3,7]'"
    assert "2 chosen: training balances these latents only." in told.inner_text()
    page.keyboard.press("Space")
    assert setting.inner_text() == "--set 'resampling.latents=[7]'"


@pytest.mark.parametrize("allowed", [True, False])
def test_the_setting_is_copied(visit: Any, files: dict[str, Path], allowed: bool) -> None:
    leave = ["clipboard-read", "clipboard-write"] if allowed else []
    opened = visit(files["full"], permissions=leave)
    page = opened.page
    if not allowed:
        page.evaluate(
            "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }"
        )
    page.locator("[data-latent='0'] input[type=checkbox]").check()
    page.locator("#copy").click()
    page.wait_for_function("document.getElementById('copied').textContent !== ''")
    if allowed:
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == "--set 'resampling.latents=[0]'"
    else:
        assert page.evaluate("getSelection().toString()") == "--set 'resampling.latents=[0]'"
    assert opened.complaints == []


def test_without_its_script_the_strips_remain(visit: Any, files: dict[str, Path]) -> None:
    opened = visit(files["full"], "phone", java_script_enabled=False)
    page = opened.page
    assert page.locator("img.strip").count() == len(full()["shown"])
    assert page.locator("img.strip").first.is_visible()
    for hidden in ("canvas", "input[type=range]", "input[type=checkbox]", "#setting"):
        assert not page.locator(hidden).first.is_visible()
    assert "--set 'resampling.latents=[3,7]'" in page.locator("main").inner_text()


def test_the_first_stop_of_the_keyboard_skips_to_the_latents(
    visit: Any, files: dict[str, Path]
) -> None:
    page = visit(files["full"]).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#latents"


def test_it_prints(visit: Any, files: dict[str, Path]) -> None:
    page = visit(files["full"], "desktop", "dark").page
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
