"""The page takes files to the server, whole, and tells the truth about them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from shared.uploader.listing import list_files
from tests.browser.conftest import Make, Open, Stages, sha256
from tests.browser.stages import ANY_CHUNKED, CHUNK, CHUNKED, KIB, LEVELS, MIB, ONE_ORIGIN
from tests.browser.wire import Wire


@pytest.mark.parametrize("level", LEVELS)
def test_what_was_chosen_is_stored_and_comes_back(
    shared_stages: Stages, visit: Open, sample: Make, tmp_path: Path, level: int
) -> None:
    stage = shared_stages(level)
    tab = visit(stage.address)
    file = sample(f"holiday {level}.bin", 300 * KIB)
    tab.choose(file)
    tab.expect_state(file.name, "done")
    expect(tab.row(file.name)).to_contain_text("Uploaded")
    with tab.page.expect_download() as download:
        tab.stored(file.name).get_by_role("link", name=f"Download {file.name}").click()
    assert download.value.suggested_filename == file.name
    back = tmp_path / "back.bin"
    shutil.copy(download.value.path(), back)
    assert sha256(back) == sha256(file)
    if level in CHUNKED:
        assert [chunk.offset for chunk in tab.chunks] == list(range(0, 300 * KIB, CHUNK))


@pytest.mark.parametrize("level", LEVELS)
def test_an_empty_file_is_a_file(shared_stages: Stages, visit: Open, sample: Make, level: int) -> None:
    tab = visit(shared_stages(level).address)
    file = sample(f"empty {level}.txt", 0)
    tab.choose(file)
    tab.expect_state(file.name, "done", "duplicate")


@pytest.mark.parametrize("level", CHUNKED)
def test_three_files_at_once_and_the_fourth_waits(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    stage = shared_stages(level)
    tab = visit(stage.address)
    files = [sample(f"part {number}.bin", 200 * KIB + number) for number in range(4)]
    with tab.slow(256 * KIB):
        tab.choose(*files)
        for file in files[:3]:
            tab.expect_state(file.name, "uploading")
        assert tab.state(files[3].name) == "waiting"
        expect(tab.page.locator("#summary")).to_have_text("0 of 4 uploaded")
    for file in files:
        tab.expect_state(file.name, "done")
    expect(tab.page.locator("#summary")).to_have_text("4 of 4 uploaded")
    sessions = {chunk.session for chunk in tab.chunks}
    assert len(sessions) == 4
    first_of = [next(i for i, c in enumerate(tab.chunks) if c.session == s) for s in sessions]
    last_of = [max(i for i, c in enumerate(tab.chunks) if c.session == s) for s in sessions]
    assert sorted(first_of)[1] < min(last_of), "their chunks alternate"
    stored = {file.file_name: file.fingerprint for file in list_files(stage.protocol)}
    assert {file.name: sha256(file) for file in files}.items() <= stored.items()


@pytest.mark.parametrize("level", CHUNKED)
def test_a_file_that_the_server_has_is_not_sent(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    tab = visit(shared_stages(level).address)
    first = sample("first.bin", 150 * KIB)
    tab.choose(first)
    tab.expect_state(first.name, "done")
    sent = len(tab.chunks)
    again = sample("the same.bin", 0)
    shutil.copy(first, again)
    tab.choose(again)
    tab.expect_state(again.name, "duplicate")
    assert "Nothing had to be sent" in tab.words(again.name)
    assert len(tab.chunks) == sent


@pytest.mark.parametrize("level", ONE_ORIGIN)
def test_progress_is_what_the_server_has_confirmed(
    own_stage: Stages, visit: Open, sample: Make, level: int
) -> None:
    with Wire(own_stage(level)) as wire:
        tab = visit(wire.address)
        file = sample("film.bin", 8 * CHUNK)
        wire.hold_inside(5)
        tab.choose(file)
        wire.wait_until_held(tab)
        bar = tab.row(file.name).get_by_role("progressbar")
        # Four of eight are confirmed, and half of the fifth is not.
        expect(bar).to_have_attribute("aria-valuetext", "50 % confirmed, 256.0 of 512.0 KiB")
        # The fainter bar tells what was handed to the network; the other does not follow it.
        expect(bar.locator(".sent")).to_have_attribute("style", "inline-size: 62.5%;")
        assert bar.locator(".confirmed").get_attribute("style") == "inline-size: 50%;"
        expect(tab.page.locator("#legend")).to_contain_text("sent, not confirmed yet")
        wire.release()
        tab.expect_state(file.name, "done")


def test_level_1_says_what_it_is(shared_stages: Stages, visit: Open, sample: Make) -> None:
    tab = visit(shared_stages(1).address)
    limits = tab.page.locator("#limits")
    expect(limits).to_contain_text("50 MiB")
    expect(limits).to_contain_text("single request")
    expect(tab.page.locator("#level")).to_have_text("Level 1: a single request")
    file = sample("small.bin", 700 * KIB)
    with tab.slow(300 * KIB):
        tab.choose(file)
        tab.expect_state(file.name, "uploading")
        expect(tab.row(file.name)).to_contain_text("sent, which is not yet stored")
        expect(tab.row(file.name).get_by_role("progressbar")).to_have_attribute(
            "aria-valuetext", re.compile("sent, not yet stored")
        )
        assert tab.buttons(file.name) == ["Cancel"]
    tab.expect_state(file.name, "done")
    assert len([request for request in tab.requests if request.startswith("POST")]) == 1


def test_level_1_tells_its_limit_before_anything_is_sent(
    shared_stages: Stages, visit: Open, sample: Make
) -> None:
    tab = visit(shared_stages(1).address)
    file = sample("large.bin", 0)
    with file.open("wb") as sparse:
        sparse.truncate(51 * MIB)
    tab.choose(file)
    tab.expect_state(file.name, "failed")
    assert "Choose a smaller file" in tab.words(file.name)
    assert not [request for request in tab.requests if request.startswith("POST")]


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_a_folder_is_chosen_with_all_that_is_in_it(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    tab = visit(shared_stages(level).address)
    top = sample("notes.txt", 900, folder="trip")
    deep = sample("beach.txt", 800, folder="trip/pictures/day 1")
    tab.page.locator("#folder-input").set_input_files(top.parent)
    for file in (top, deep):
        tab.expect_state(file.name, "done")
    expect(tab.row(deep.name)).to_contain_text("from trip/pictures/day 1")


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_files_and_folders_are_dropped_anywhere(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    tab = visit(shared_stages(level).address)
    single = sample("single.bin", 5000)
    deep = [sample(f"deep {number}.bin", 100 + number, folder="album/inner") for number in range(101)]
    dragging = tab.page.context.new_cdp_session(tab.page)
    paths = [str(single), str(deep[0].parent.parent)]
    for kind in ("dragEnter", "dragOver", "drop"):
        dragging.send(
            "Input.dispatchDragEvent",
            {
                "type": kind,
                "x": 500,
                "y": 700,
                "data": {"items": [], "files": paths, "dragOperationsMask": 1},
            },
        )
        if kind == "dragOver":
            expect(tab.page.locator("#drop")).to_have_class("drop over")
    # More than a hundred in one folder: a browser tells them in parts.
    expect(tab.page.locator("#upload-list > li")).to_have_count(102)
    tab.expect_state(deep[0].name, "done")
    expect(tab.row(deep[0].name)).to_contain_text("from album/inner")


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_the_list_of_files_has_pages(own_stage: Stages, visit: Open, sample: Make, level: int) -> None:
    stage = own_stage(level)
    tab = visit(stage.address)
    expect(tab.page.locator("#stored-empty")).to_be_visible()
    files = [sample(f"file {number:02}.bin", 10 + number) for number in range(12)]
    tab.choose(*files)
    expect(tab.page.locator("#summary")).to_have_text("12 of 12 uploaded")
    expect(tab.page.locator("#stored-list > li")).to_have_count(12)
    tab.reload()
    more = tab.page.get_by_role("button", name="Show more files")
    for shown in (10, 12):
        expect(tab.page.locator("#stored-list > li")).to_have_count(shown)
        if shown < 12:
            more.press("Enter")
    expect(more).to_be_hidden()
    assert tab.focused().startswith("Download file"), "it went on to what was loaded"
    names = tab.names("stored-list")
    assert sorted(names) == [file.name for file in files]


def test_images_have_a_preview(shared_stages: Stages, visit: Open, sample: Make) -> None:
    tab = visit(shared_stages(2).address)
    picture = sample("photo.png", 0)
    tab.page.locator("h1").screenshot(path=picture)
    broken = sample("broken.png", 2000)
    tab.choose(picture, broken)
    expect(tab.row(picture.name).locator("canvas")).to_be_visible()
    colours = (
        tab.row(picture.name)
        .locator("canvas")
        .evaluate("c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size")
    )
    assert colours > 1, "something is drawn"
    expect(tab.row(broken.name).locator(".kind")).to_have_text("PNG")


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_without_the_hashing_library_it_uploads_and_says_what_is_missing(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    tab = visit(shared_stages(level, chunk=8 * MIB).address, ready=False)
    tab.page.route("**/client/vendor/**", lambda route: route.fulfill(status=404))
    tab.open()
    file = sample("large.bin", 0)
    with file.open("wb") as holes:
        holes.truncate(65 * MIB)
    tab.choose(file)
    tab.expect_state(file.name, "done")
    assert "up to 64 MiB only" in tab.words(file.name)
    assert not [request for request in tab.requests if request.endswith("/preflight")]
