"""Level 4 in Chromium: the page comes from the application, the bytes go to the service on another port."""

from __future__ import annotations

import http.server
import json
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.conftest import Make, Open, Stages, sha256
from tests.browser.stages import CHUNK, KIB, MIB


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a page of somebody else."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_bytes_go_to_the_service_and_everything_else_to_the_application(
    shared_stages: Stages, visit: Open, sample: Make
) -> None:
    stage = shared_stages(4)
    tab = visit(stage.address)
    file = sample("two origins.bin", 300 * KIB)
    tab.choose(file)
    tab.expect_state(file.name, "done")
    service, application = stage.protocol, stage.address.rstrip("/")
    assert service != application
    went = {(each.partition(" ")[0], each.partition(" ")[2].partition("/upload")[0]) for each in tab.requests}
    assert ("PUT", service) in went
    assert ("PUT", application) not in went
    assert f"POST {application}/tickets" in tab.requests
    assert any(each == f"POST {application}/upload/preflight" for each in tab.requests)
    assert stage.files()[file.name] == sha256(file)


def test_the_service_is_killed_under_the_page(own_stage: Stages, visit: Open, sample: Make) -> None:
    stage = own_stage(4)
    tab = visit(stage.address)
    file = sample("killed.bin", 2 * MIB)
    with tab.slow(512 * KIB):
        tab.choose(file)
        tab.expect_state(file.name, "uploading")
        tab.page.wait_for_function("() => performance.now() > 0")
        while len(tab.chunks) < 4:
            tab.page.wait_for_timeout(20)
        stage.uploads.restart()
    tab.expect_state(file.name, "done", timeout=60_000)
    assert len({chunk.session for chunk in tab.chunks}) == 1, "it began anew"
    assert len(tab.chunks) <= 2 * MIB // CHUNK + 3, "more was sent again than what broke off"
    assert stage.files()[file.name] == sha256(file)


def test_a_reload_inside_a_chunk_goes_on_at_the_confirmed_offset(
    shared_stages: Stages, visit: Open, sample: Make
) -> None:
    stage = shared_stages(4)
    tab = visit(stage.address)
    file = sample("reloaded.bin", 16 * CHUNK)
    with tab.slow(512 * KIB):
        tab.choose(file)
        while len(tab.chunks) < 4:
            tab.page.wait_for_timeout(20)
        tab.reload()
    begun = [chunk.offset // CHUNK for chunk in tab.chunks]
    tab.choose_again(file.name, file)
    tab.expect_state(file.name, "done")
    went_on = [chunk.offset // CHUNK for chunk in tab.chunks[len(begun) :]]
    # The chunk under way may have been confirmed, and the answer lost; nothing before it is sent again.
    assert went_on == list(range(went_on[0], 16))
    assert went_on[0] in (begun[-1], begun[-1] + 1)
    assert len({chunk.session for chunk in tab.chunks}) == 1
    assert stage.files()[file.name] == sha256(file)


def test_the_browser_asks_once_whether_it_may_send_chunks(
    own_stage: Stages, visit: Open, sample: Make
) -> None:
    """A preflight is cached (Access-Control-Max-Age), else every chunk would cost two round trips."""
    stage = own_stage(4, "--log-format", "json", "--log-level", "info")
    tab = visit(stage.address)
    file = sample("asked once.bin", 8 * CHUNK)
    tab.choose(file)
    tab.expect_state(file.name, "done")
    log = [json.loads(line) for line in stage.uploads.log.read_text().splitlines() if line.startswith("{")]
    seen = Counter(line["method"] for line in log if line.get("path") == "/upload/<session_id>")
    assert (seen["PUT"], seen["OPTIONS"]) == (8, 1)


def test_a_page_of_another_origin_gets_nothing(
    shared_stages: Stages, context: BrowserContext, elsewhere: str
) -> None:
    stage = shared_stages(4)
    page = context.new_page()
    page.goto(elsewhere)
    before = stage.files()
    init = "{method: 'POST', body: '{}', headers: {'Content-Type': 'application/json'}}"
    for script in (
        f"fetch('{stage.protocol}/upload').then(r => r.json())",
        f"fetch('{stage.protocol}/upload/init', {init})",
        f"fetch('{stage.protocol}/upload/{'A' * 32}/complete', {{method: 'POST'}})",
        f"fetch('{stage.address}tickets', {{method: 'POST'}}).then(r => r.json())",
        f"fetch('{stage.address}files').then(r => r.json())",
    ):
        told = page.evaluate(f"() => {script}.then(() => 'an answer', error => error.name)")
        assert told == "TypeError", script
    assert stage.files() == before
