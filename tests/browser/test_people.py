"""The page for everybody: keyboard alone, screen readers, dark rooms, narrow screens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Make, Open, Stages
from tests.browser.stages import ANY_CHUNKED, CHUNK, CHUNKED, ONE_ORIGIN
from tests.browser.wire import Wire
from tests.servers import REPOSITORY

EIGHT = 8 * CHUNK
AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"


def findings(page: Page) -> list[str]:
    """What axe-core finds, of every impact, one line each."""
    page.evaluate(AXE.read_text())
    # The row under a transition has a colour in between; a person does not judge it then either.
    report: dict[str, Any] = page.evaluate("() => axe.run(document)")
    return [
        f"{found['impact']}: {found['id']} at {json.dumps([node['target'] for node in found['nodes']])}"
        for found in report["violations"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("level", [1, *ANY_CHUNKED])
def test_axe_finds_nothing(own_stage: Stages, visit: Open, sample: Make, level: int, scheme: Any) -> None:
    if not AXE.exists():
        pytest.skip("NOT RUN: needs axe-core, which npm installs")
    stage = own_stage(level)
    with Wire(stage) as wire:
        tab = visit(wire.address)
        tab.page.emulate_media(color_scheme=scheme)
        assert findings(tab.page) == [], "the empty page"
        small, liar = sample("small.bin", 900), sample("liar.jpg", 800)
        tab.choose(small, liar)
        tab.expect_state(small.name, "done")
        tab.expect_state(liar.name, "failed")
        file = sample("film.bin", EIGHT)
        wire.hold_inside(4)
        tab.choose(file)
        wire.wait_until_held(tab)
        assert findings(tab.page) == [], "done, failed, uploading"
        if level in CHUNKED:
            tab.press(file.name, "Pause")
            tab.expect_state(file.name, "paused")
            assert findings(tab.page) == [], "paused"
            tab.reload()
            expect(tab.unfinished(file.name)).to_be_visible()
            assert findings(tab.page) == [], "unfinished"


@pytest.mark.parametrize("level", ONE_ORIGIN)
def test_keyboard_alone(shared_stages: Stages, visit: Open, sample: Make, level: int) -> None:
    with Wire(shared_stages(level)) as wire:
        tab = visit(wire.address)
        keys = tab.page.keyboard
        keys.press("Tab")
        assert tab.focused() == "choose-files"
        film, notes = sample("film.bin", EIGHT), sample("notes.bin", 700)
        wire.hold_inside(3)
        with tab.page.expect_file_chooser() as chooser:
            keys.press("Enter")
        chooser.value.set_files([film, notes])
        tab.expect_state(notes.name, "done")
        wire.wait_until_held(tab)
        assert tab.focused() == "choose-files", "choosing moves nothing"

        go_to(tab.page, f"Pause {film.name}")
        keys.press("Space")
        tab.expect_state(film.name, "paused")
        assert tab.focused() == f"Resume {film.name}"
        wire.release()
        keys.press("Enter")
        tab.expect_state(film.name, "done")
        # The button that was pressed has gone, and the focus has moved to what took its place.
        assert tab.focused() == f"Download {film.name}"
        keys.press("Tab")
        assert tab.focused() == f"Remove {film.name}"
        keys.press("Enter")
        assert tab.focused() == f"Remove {notes.name}"
        keys.press("Enter")
        assert tab.focused() == "choose-files", "the list is empty and gone"
        expect(tab.page.locator("#uploads")).to_be_hidden()
        go_to(tab.page, f"Download {film.name}")
        with tab.page.expect_download():
            keys.press("Enter")


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_cancel_and_clear_by_keyboard(shared_stages: Stages, visit: Open, sample: Make, level: int) -> None:
    with Wire(shared_stages(level)) as wire:
        tab = visit(wire.address)
        film, notes = sample("film.bin", EIGHT), sample("notes.bin", 700)
        wire.hold_inside(3)
        tab.choose(film, notes)
        wire.wait_until_held(tab)
        tab.expect_state(notes.name, "done")
        go_to(tab.page, f"Cancel {film.name}")
        tab.page.keyboard.press("Enter")
        tab.expect_state(film.name, "cancelled")
        assert tab.focused() == f"Remove {film.name}"
        go_to(tab.page, "clear", backwards=True)
        tab.page.keyboard.press("Enter")
        expect(tab.page.locator("#uploads")).to_be_hidden()
        assert tab.focused() == "choose-files"


def go_to(page: Page, wanted: str, *, backwards: bool = False) -> None:
    """Press Tab until the focus is where it is wanted."""
    for _ in range(30):
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        focused = page.evaluate(
            "() => { const e = document.activeElement;"
            " return [e.id, e.textContent.trim().replace(/\\s+/g, ' ')] }"
        )
        if wanted in focused:
            return
    raise AssertionError(f"Tab does not reach {wanted!r}")


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_the_live_region_does_not_chatter(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    tab = visit(shared_stages(level).address)
    tab.page.evaluate(
        "() => { window.said = []; const region = document.getElementById('status');"
        " new MutationObserver(() => said.push(region.textContent))"
        ".observe(region, {childList: true, characterData: true, subtree: true}) }"
    )
    files = [sample(f"many {number}.bin", 3 * CHUNK + number) for number in range(12)]
    tab.choose(*files)
    expect(tab.page.locator("#summary")).to_have_text("12 of 12 uploaded")
    tab.page.wait_for_timeout(900)
    said: list[str] = tab.page.evaluate("() => said")
    assert "12 files are in the list" in said[0]
    assert any("files are uploaded" in sentence for sentence in said), "several at once in one sentence"
    assert len(said) < len(files), said
    assert not [sentence for sentence in said if "%" in sentence], "progress bars can be asked"
    assert tab.page.locator("[aria-live], [role=status], [role=alert]").count() == 1


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_width_needs_scrolling_sideways(
    shared_stages: Stages, visit: Open, sample: Make, width: int
) -> None:
    tab = visit(shared_stages(2).address)
    tab.page.set_viewport_size({"width": width, "height": 800})
    long = sample("a-very-long-name-without-any-space-" * 6 + "notes.txt", 900)
    failed = sample("x" * 200 + ".jpg", 900)
    tab.choose(long, failed)
    tab.expect_state(long.name, "done")
    tab.expect_state(failed.name, "failed")
    assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= width
    # The end of a long name stays to be seen.
    tail = tab.row(long.name).locator(".tail").bounding_box()
    assert tail is not None
    assert tail["x"] + tail["width"] <= width
    for button in tab.page.get_by_role("button").all():
        box = button.bounding_box()
        if box is not None:
            assert box["height"] >= 24, "WCAG 2.2, target size"


def test_reduced_motion_is_respected(shared_stages: Stages, visit: Open, sample: Make) -> None:
    tab = visit(shared_stages(2).address)
    file = sample("film.bin", EIGHT)
    with tab.slow(CHUNK * 4):
        tab.choose(file)
        tab.expect_state(file.name, "uploading")
        bar = tab.row(file.name).locator(".confirmed")
        assert bar.evaluate("b => getComputedStyle(b).transitionDuration") == "0.2s"
        tab.page.emulate_media(reduced_motion="reduce")
        assert bar.evaluate("b => getComputedStyle(b).transitionDuration") == "0s"


def test_the_title_tells_how_far_it_is(shared_stages: Stages, visit: Open, sample: Make) -> None:
    with Wire(shared_stages(2)) as wire:
        tab = visit(wire.address)
        file = sample("titled.bin", EIGHT)
        wire.hold_inside(5)
        tab.choose(file)
        wire.wait_until_held(tab)
        expect(tab.page).to_have_title("50 % · Upload files")
        wire.release()
        tab.expect_state(file.name, "done")
        expect(tab.page).to_have_title("Upload files")
