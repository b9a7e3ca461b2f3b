"""Whatever interrupts an upload, it goes on from what the server has confirmed."""

from __future__ import annotations

import time

import pytest
import urllib3
from playwright.sync_api import Dialog, expect

from tests.browser.chromium import running
from tests.browser.conftest import Make, Open, Stages, sha256
from tests.browser.driver import UploadPage
from tests.browser.stages import ANY_CHUNKED, CHUNK, CHUNKED, ONE_ORIGIN, Stage
from tests.browser.wire import Wire

EIGHT = 8 * CHUNK
HEADERS = CHUNK
"""Bytes that may be spent on everything that is no content: the page's own requests and a dozen headers."""


@pytest.mark.parametrize("level", ONE_ORIGIN)
def test_a_reload_inside_a_chunk_goes_on_at_the_confirmed_offset(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    stage = shared_stages(level)
    with Wire(stage) as wire:
        tab = visit(wire.address)
        file = sample("holiday.mp4.bin", EIGHT)
        before = wire.relay.upstream_bytes
        wire.hold_inside(6, cut=True)
        tab.choose(file)
        wire.wait_until_held(tab)
        tab.reload()
        wire.release()
        entry = tab.unfinished(file.name)
        expect(entry).to_contain_text(f"Choose {file.name} again to go on at 62 %")
        reloaded = len(tab.chunks)
        tab.choose_again(file.name, file)
        tab.expect_state(file.name, "done")
        expect(entry).to_have_count(0)
        assert [chunk.offset // CHUNK for chunk in tab.chunks[:reloaded]] == [0, 1, 2, 3, 4, 5]
        assert [chunk.offset // CHUNK for chunk in tab.chunks[reloaded:]] == [5, 6, 7]
        assert len({chunk.session for chunk in tab.chunks}) == 1
        # What was counted on the line: the file once, half of the chunk that broke, and no other content.
        extra = wire.relay.upstream_bytes - before - EIGHT
        assert CHUNK // 2 - HEADERS // 4 <= extra <= CHUNK + HEADERS
    assert stage.files()[file.name] == sha256(file)
    assert tab.remembered() == {}


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_the_file_may_be_chosen_as_if_it_were_new(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    with Wire(shared_stages(level)) as wire:
        tab = visit(wire.address)
        file = sample("again.bin", EIGHT)
        wire.hold_inside(4, cut=True)
        tab.choose(file)
        wire.wait_until_held(tab)
        tab.reload()
        wire.release()
        expect(tab.unfinished(file.name)).to_be_visible()
        tab.choose(file)
        expect(tab.page.locator("#unfinished")).to_be_hidden()
        tab.expect_state(file.name, "done")
        assert [chunk.offset // CHUNK for chunk in tab.chunks] == [0, 1, 2, 3, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_another_file_of_the_same_name_does_not_go_on(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    stage = shared_stages(level)
    with Wire(stage) as wire:
        tab = visit(wire.address)
        file = sample("report.bin", EIGHT)
        wire.hold_inside(4, cut=True)
        tab.choose(file)
        wire.wait_until_held(tab)
        tab.reload()
        wire.release()
        first = tab.chunks[0].session
        other = sample("report.bin", EIGHT, folder="elsewhere")
        entry = tab.unfinished(file.name)
        tab.choose_again(file.name, other)
        expect(entry).to_contain_text("that is not the same")
        expect(tab.page.locator("#upload-list > li")).to_have_count(0)
        # Chosen as a new file it is one: from its beginning, in a session of its own, beside the other.
        begun = len(tab.chunks)
        tab.choose(other)
        tab.expect_state(other.name, "done")
        assert tab.chunks[begun].offset == 0
        assert first not in {chunk.session for chunk in tab.chunks[begun:]}
        expect(entry).to_be_visible()
    assert stage.files()["report.bin"] == sha256(other)


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_an_unfinished_upload_can_be_discarded(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    with Wire(shared_stages(level)) as wire:
        tab = visit(wire.address)
        file = sample("unwanted.bin", EIGHT)
        wire.hold_inside(3, cut=True)
        tab.choose(file)
        wire.wait_until_held(tab)
        tab.reload()
        wire.release()
        tab.unfinished(file.name).get_by_role("button", name="Discard").press("Enter")
        expect(tab.page.locator("#unfinished")).to_be_hidden()
        assert tab.focused() == "choose-files"
        assert tab.remembered() == {}
        assert status_of(tab, tab.chunks[0].session) == 404


@pytest.mark.parametrize("level", ONE_ORIGIN)
def test_the_server_is_killed_and_started_again(
    own_stage: Stages, visit: Open, sample: Make, level: int
) -> None:
    stage = own_stage(level)
    with Wire(stage) as wire:
        tab = visit(wire.address)
        file = sample("film.bin", EIGHT)
        wire.hold_inside(6, cut=True)
        tab.choose(file)
        wire.wait_until_held(tab)
        stage.uploads.kill()
        wire.release()
        tab.expect_state(file.name, "retrying")
        assert "Trying again" in tab.words(file.name)
        stage.uploads.start()
        tab.expect_state(file.name, "done")
        assert [chunk.offset // CHUNK for chunk in tab.chunks] == [0, 1, 2, 3, 4, 5, 5, 6, 7]
    assert stage.files()[file.name] == sha256(file)


@pytest.mark.parametrize("level", ONE_ORIGIN)
def test_a_server_that_stays_away_ends_the_attempt_and_loses_nothing(
    own_stage: Stages, visit: Open, sample: Make, level: int
) -> None:
    stage = own_stage(level)
    with Wire(stage) as wire:
        tab = visit(wire.address)
        file = sample("film.bin", EIGHT)
        wire.hold_inside(3, cut=True)
        tab.choose(file)
        wire.wait_until_held(tab)
        stage.uploads.kill()
        wire.release()
        tab.expect_state(file.name, "retrying")
        tab.press(file.name, "Try now")
        tab.expect_state(file.name, "failed")
        assert "kept" in tab.words(file.name)
        stage.uploads.start()
        tab.press(file.name, "Try again")
        tab.expect_state(file.name, "done")
        assert [chunk.offset // CHUNK for chunk in tab.chunks] == [0, 1, 2, 2, 3, 4, 5, 6, 7]
    assert stage.files()[file.name] == sha256(file)


@pytest.mark.parametrize("level", ONE_ORIGIN)
def test_offline_it_waits_and_goes_on_by_itself(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    stage = shared_stages(level)
    with Wire(stage) as wire:
        tab = visit(wire.address)
        file = sample("offline.bin", EIGHT)
        wire.hold_inside(4)
        tab.choose(file)
        wire.wait_until_held(tab)
        tab.page.context.set_offline(True)
        wire.release()
        tab.expect_state(file.name, "offline")
        assert "offline" in tab.words(file.name)
        expect(tab.page.locator("#status")).to_contain_text("offline")
        begun = len(tab.chunks)
        tab.page.wait_for_timeout(300)
        assert len(tab.chunks) == begun, "nobody knocks at a door that is not there"
        tab.page.context.set_offline(False)
        tab.expect_state(file.name, "done")
        assert [chunk.offset // CHUNK for chunk in tab.chunks] == [0, 1, 2, 3, 4, 4, 5, 6, 7]
    assert stage.files()[file.name] == sha256(file)


@pytest.mark.parametrize("level", CHUNKED)
def test_pause_stops_and_resume_goes_on(shared_stages: Stages, visit: Open, sample: Make, level: int) -> None:
    stage = shared_stages(level)
    tab = visit(stage.address)
    file = sample("pausing.bin", EIGHT)
    with tab.slow(CHUNK * 6):
        tab.choose(file)
        while len(tab.chunks) < 3:
            tab.page.wait_for_timeout(20)
        tab.press(file.name, "Pause")
        tab.expect_state(file.name, "paused")
        begun = len(tab.chunks)
        tab.page.wait_for_timeout(300)
        assert len(tab.chunks) == begun
        assert "Paused at" in tab.words(file.name)
        assert tab.focused() == f"Resume {file.name}", "the same button"
    tab.press(file.name, "Resume")
    tab.expect_state(file.name, "done")
    assert tab.chunks[begun].offset >= tab.chunks[begun - 1].offset
    assert stage.files()[file.name] == sha256(file)


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_everything_is_paused_and_resumed_at_once(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    tab = visit(shared_stages(level).address)
    files = [sample(f"bulk {number}.bin", EIGHT + number) for number in range(5)]
    with tab.slow(CHUNK * 4):
        tab.choose(*files)
        tab.expect_state(files[2].name, "uploading")
        tab.page.get_by_role("button", name="Pause all").click()
        for file in files:
            tab.expect_state(file.name, "paused")
        begun = len(tab.chunks)
        tab.page.wait_for_timeout(200)
        assert len(tab.chunks) == begun
    tab.page.get_by_role("button", name="Resume all").click()
    for file in files:
        tab.expect_state(file.name, "done")


@pytest.mark.parametrize("level", ONE_ORIGIN)
def test_cancel_takes_the_session_from_the_server(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    stage = shared_stages(level)
    with Wire(stage) as wire:
        tab = visit(wire.address)
        file = sample("cancelled.bin", EIGHT)
        wire.hold_inside(3, cut=True)
        tab.choose(file)
        wire.wait_until_held(tab)
        assert status_of(tab, tab.chunks[0].session) == 200
        with tab.page.expect_response(lambda answer: answer.request.method == "DELETE"):
            tab.press(file.name, "Cancel")
        tab.expect_state(file.name, "cancelled")
        wire.release()
        assert status_of(tab, tab.chunks[0].session) == 404
        assert tab.remembered() == {}
        assert tab.focused() == f"Remove {file.name}"
        # And again, from the beginning.
        begun = len(tab.chunks)
        tab.press(file.name, "Start again")
        tab.expect_state(file.name, "done")
        assert [chunk.offset // CHUNK for chunk in tab.chunks[begun:]] == list(range(8))


def confirmed_of(stage: Stage, session: str) -> int:
    """How many bytes the server has confirmed."""
    answer = urllib3.request("GET", f"{stage.address}upload/{session}")
    return int(answer.headers["x-upload-offset"])


def status_of(tab: UploadPage, session: str) -> int:
    """What the server says of a session."""
    script = (
        "async (id) => { const endpoint = document.querySelector('meta[name=upload-endpoint]').content;"
        " return (await fetch(`${endpoint}/${id}`)).status }"
    )
    return int(tab.page.evaluate(script, session))


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_a_device_that_slept_goes_on(shared_stages: Stages, visit: Open, sample: Make, level: int) -> None:
    """All of the browser stands still while its connection dies, as when a phone is put into a pocket."""
    stage = shared_stages(level)
    with Wire(stage) as wire:
        tab = visit(wire.address)
        file = sample("sleep.bin", EIGHT)
        wire.hold_inside(4, cut=True)
        tab.choose(file)
        wire.wait_until_held(tab)
        chromium = running()
        device = [chromium, *chromium.children(recursive=True)]
        for process in device:
            process.suspend()
        try:
            wire.release()
            time.sleep(2)
            assert confirmed_of(stage, tab.chunks[0].session) == 3 * CHUNK, "it slept"
        finally:
            for process in device:
                process.resume()
        tab.expect_state(file.name, "done")
    assert stage.files()[file.name] == sha256(file)


def test_leaving_asks_first_where_nothing_could_be_resumed(
    shared_stages: Stages, visit: Open, sample: Make
) -> None:
    for level, asks in ((1, True), (2, False)):
        with Wire(shared_stages(level)) as wire:
            tab = visit(wire.address)
            asked: list[str] = []

            def accept(dialog: Dialog, into: list[str] = asked) -> None:
                into.append(dialog.type)
                dialog.accept()

            tab.page.on("dialog", accept)
            tab.page.keyboard.press("Tab")  # a page that nobody has touched may not ask
            file = sample(f"leaving {level}.bin", EIGHT)
            wire.hold_inside(4)
            tab.choose(file)
            wire.wait_until_held(tab)
            tab.expect_state(file.name, "uploading")
            with tab.page.expect_event("close"):
                tab.page.close(run_before_unload=True)
            assert asked == ["beforeunload"] * asks
