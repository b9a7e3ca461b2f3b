"""What does not work is told in plain words, with what to do next."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Make, Open, Stages
from tests.browser.stages import ANY_CHUNKED, CHUNK, CHUNKED, KIB, LEVELS, ONE_ORIGIN
from tests.browser.wire import Wire

EIGHT = 8 * CHUNK
JPEG = b"\xff\xd8\xff\xe0"


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_a_file_too_large_is_told_before_anything_is_sent(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    tab = visit(shared_stages(level, "--max-file-size", "200KiB").address)
    expect(tab.page.locator("#limits")).to_contain_text("Up to 200 KiB per file")
    file = sample("large.bin", 200 * KIB + 1)
    tab.choose(file)
    tab.expect_state(file.name, "failed")
    assert "Choose a smaller file" in tab.words(file.name)
    assert not [request for request in tab.requests if request.startswith(("POST", "PUT"))]
    assert tab.buttons(file.name) == ["Remove"]


@pytest.mark.parametrize("level", CHUNKED)
def test_413_after_the_servers_limit_has_changed(
    own_stage: Stages, visit: Open, sample: Make, level: int
) -> None:
    stage = own_stage(level)
    tab = visit(stage.address)
    stage.uploads.restart(options=(*stage.uploads.options, "--max-file-size", "100KiB"))
    file = sample("large.bin", 200 * KIB)
    with tab.page.expect_response(re.compile("/upload/init$")) as answer:
        tab.choose(file)
    assert answer.value.status == 413
    tab.expect_state(file.name, "failed")
    assert "Choose a smaller file" in tab.words(file.name)
    assert tab.chunks == []


@pytest.mark.parametrize("level", LEVELS)
def test_422_for_what_is_not_what_its_name_claims(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    tab = visit(shared_stages(level).address)
    liar = sample(f"holiday {level}.jpg", 100 * KIB)
    tab.choose(liar)
    tab.expect_state(liar.name, "failed")
    assert "JPEG" in tab.words(liar.name)
    assert "Check that the file opens" in tab.words(liar.name)
    expect(tab.page.locator("#status")).to_contain_text(f"{liar.name} failed")
    expect(tab.stored(liar.name)).to_have_count(0)
    assert tab.remembered() == {}
    honest = sample(f"picture {level}.jpg", 90 * KIB, begins=JPEG)
    tab.choose(honest)
    tab.expect_state(honest.name, "done")
    expect(tab.stored(honest.name)).to_contain_text("image/jpeg")


@pytest.mark.parametrize("level", ONE_ORIGIN)
@pytest.mark.parametrize("how", ["changed", "removed"])
def test_a_file_that_changes_under_the_browser(
    shared_stages: Stages, visit: Open, sample: Make, level: int, how: str
) -> None:
    with Wire(shared_stages(level)) as wire:
        tab = visit(wire.address)
        file = sample(f"cloud {how}.bin", EIGHT)
        wire.hold_inside(3)
        tab.choose(file)
        wire.wait_until_held(tab)
        if how == "removed":
            file.unlink()
        else:
            file.write_bytes(b"other" * 100)
            os.utime(file, (1, 1))
        wire.release()
        tab.expect_state(file.name, "failed")
        assert "cannot be read any more" in tab.words(file.name)
        assert "Choose the file again" in tab.words(file.name)
        assert "Try again" not in tab.buttons(file.name), "it would change nothing"
        # Another name is not the file; the right one goes on in the same row.
        other = sample("other.bin", 900)
        for chosen, state in ((other, "failed"), (sample(file.name, EIGHT), "done")):
            with tab.page.expect_file_chooser() as chooser:
                tab.press(file.name, "Choose again")
            chooser.value.set_files(chosen)
            tab.expect_state(file.name, state)
            if chosen is other:
                expect(tab.row(file.name)).to_contain_text("You chose other.bin")
        expect(tab.page.locator("#upload-list > li")).to_have_count(1)


def test_a_server_that_does_not_answer_is_asked_again(own_stage: Stages, visit: Open) -> None:
    stage = own_stage(2)
    tab = visit(stage.address, ready=False)
    tab.page.route("**/upload", lambda route: route.abort())
    tab.page.goto(tab.address)
    expect(tab.page.locator("#limits")).to_contain_text("does not answer")
    expect(tab.page.get_by_role("button", name="Choose files")).to_be_disabled()
    tab.page.unroute("**/upload")
    tab.ready()
    expect(tab.page.get_by_role("button", name="Choose files")).to_be_enabled()


def test_a_list_that_cannot_be_loaded_is_asked_for_again(
    own_stage: Stages, visit: Open, sample: Make
) -> None:
    stage = own_stage(2)
    tab = visit(stage.address, ready=False)
    tab.page.route("**/files?*", lambda route: route.abort())
    tab.open()
    expect(tab.page.locator("#stored-empty")).to_contain_text("cannot be loaded")
    tab.page.unroute("**/files?*")
    tab.page.get_by_role("button", name="Try again").click()
    expect(tab.page.locator("#stored-empty")).to_contain_text("Nothing here yet")


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_a_name_is_text_and_never_markup(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    tab = visit(shared_stages(level).address)
    markup = sample("<img src=x onerror=document.title=1>.txt", 500)
    turned = sample("photo\u202egpj.exe.txt", 600)
    tab.choose(markup, turned)
    tab.expect_state(markup.name, "done")
    expect(tab.page.locator("#summary")).to_have_text("2 of 2 uploaded")
    assert tab.page.locator("img").count() == 0
    shown = tab.names("upload-list")
    assert shown == [markup.name, "photo\ufffdgpj.exe.txt"]


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_a_file_that_is_in_the_list_is_not_added_twice(
    shared_stages: Stages, visit: Open, sample: Make, level: int
) -> None:
    tab = visit(shared_stages(level).address)
    file = sample("once.bin", EIGHT)
    with tab.slow(CHUNK * 4):
        tab.choose(file)
        tab.expect_state(file.name, "uploading")
        tab.choose(file)
        expect(tab.page.locator("#notice")).to_contain_text("in the list already")
        expect(tab.page.locator("#upload-list > li")).to_have_count(1)
    tab.expect_state(file.name, "done")
