"""The load client keeps the client's rules, against servers and lines that misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.request import urlopen

import pytest

from bench.delay_proxy import Conditions
from bench.lines import ProxiedLines
from bench.patient import Order, Outcome, PatientUpload
from bench.payload import MIB, Payload
from bench.talk import Manner, Talk
from tests.conftest import Serve
from tests.mishaps import answer, cut, forget_everything
from tests.moody_server import MoodyServer

CHUNK = 1000
PAYLOAD = Payload.in_memory()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are kept and not waited for."""
    kept: list[float] = []
    monkeypatch.setattr("bench.patient.time.sleep", kept.append)
    return kept


@pytest.fixture
def moody() -> Iterator[MoodyServer]:
    with MoodyServer(chunk_size=CHUNK) as server:
        yield server


def upload(url: str, size: int = 4 * CHUNK, **order: Any) -> Outcome:
    return PatientUpload(Order(url, size, CHUNK, **order), PAYLOAD).run()


def test_all_chunks_are_sent_once_and_the_file_is_completed(moody: MoodyServer) -> None:
    outcome = upload(moody.url, 3 * CHUNK + 500)
    assert moody.confirmed == [(0, 1000), (1000, 1000), (2000, 1000), (3000, 500)]
    assert (outcome.confirmed, outcome.sent, outcome.sent_twice) == (3500, 3500, 0)
    assert outcome.completed is not None
    assert len(outcome.chunk_seconds) == 4
    assert moody.connections == 1


def test_no_two_uploads_have_the_same_content(moody: MoodyServer) -> None:
    for _ in range(2):
        upload(moody.url)
    first, second = (bytes(one.data) for one in moody.uploads.values())
    assert first != second
    assert first[16:] == second[16:], "one payload, a few bytes of their own"


def test_a_broken_line_is_borne_and_the_offset_asked_for(moody: MoodyServer, waits: list[float]) -> None:
    moody.next("PUT", answer(503), cut(after=300))
    outcome = upload(moody.url)
    assert outcome.completed is not None
    assert (outcome.retries, outcome.gave_up) == (2, 0)
    assert outcome.sent_twice == 2 * CHUNK
    assert 0.75 <= waits[0] <= 1.25
    assert 2.25 <= waits[1] <= 3.75
    assert moody.count("GET /upload/") == 2


def test_progress_forgets_failures(moody: MoodyServer, waits: list[float]) -> None:
    def every_other_time(_seconds: float, _size: int) -> None:
        moody.next("PUT", cut())

    outcome = PatientUpload(Order(moody.url, 4 * CHUNK, CHUNK), PAYLOAD, every_other_time).run()
    assert outcome.completed is not None
    assert outcome.retries == 3
    assert max(waits) <= 1.25, "each of them was the first in a row"


def test_retry_after_wins(moody: MoodyServer, waits: list[float]) -> None:
    moody.next("GET /upload", answer(503, Retry_After="7"))
    assert upload(moody.url).completed is not None
    assert waits[0] == 7


def test_three_failures_in_a_row_end_an_attempt_and_the_next_one_resumes(moody: MoodyServer) -> None:
    moody.next("PUT", *[answer(500)] * 3)
    outcome = upload(moody.url)
    assert outcome.completed is not None
    assert (outcome.retries, outcome.gave_up) == (2, 1)
    assert len(moody.inits) == 1


def test_on_409_the_servers_offset_is_adopted(moody: MoodyServer) -> None:
    sent: list[int] = []

    def overtake(_seconds: float, _size: int) -> None:
        if not sent:
            sent.append(1)
            rival = Talk(moody.url, PAYLOAD, Manner(), lambda _bytes: None)
            rival.chunk("session/1?", CHUNK, CHUNK)
            rival.hang_up()

    outcome = PatientUpload(Order(moody.url, 4 * CHUNK, CHUNK), PAYLOAD, overtake).run()
    assert outcome.conflicts == 1
    assert outcome.retries == 0
    assert outcome.confirmed == 4 * CHUNK
    assert outcome.completed is not None


def test_a_session_that_is_gone_begins_anew_once(moody: MoodyServer) -> None:
    moody.next("PUT", forget_everything)
    outcome = upload(moody.url)
    assert outcome.completed is not None
    assert len(moody.inits) == 2
    moody.next("PUT", forget_everything, forget_everything)
    again = upload(moody.url)
    assert again.completed is None
    assert again.refused is not None


def test_a_final_refusal_is_told(moody: MoodyServer) -> None:
    moody.next("POST /upload/init", answer(413, {"code": "file-too-large"}))
    failures: list[Exception] = []
    found = PatientUpload(Order(moody.url, CHUNK, CHUNK), PAYLOAD, on_failure=failures.append).run()
    assert found.refused is not None
    assert "413" in found.refused
    assert len(failures) == 1


def test_a_server_that_never_answers_is_given_up(waits: list[float]) -> None:
    outcome = upload("http://127.0.0.1:9")
    assert outcome.refused is not None
    assert len(waits) == 2


def test_level_1_gets_a_whole_form() -> None:
    with MoodyServer(level=1, chunk_size=None) as server:
        outcome = upload(server.url)
        assert outcome.refused is None
        assert [len(content) for content in server.contents.values()] == [4 * CHUNK]


class Application(BaseHTTPRequestHandler):
    """Hands out a ticket; and a service beside it, which takes nothing without."""

    seen: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self._answer(200, {"chunkSize": {"default": 1}, "links": {"upload": "/upload", "ticket": "/tickets"}})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/tickets":
            self._answer(201, {"ticket": "let-me-in"})
        elif self.path.endswith("/complete"):
            self._answer(200, {"state": "completed"})
        else:
            self.seen.append(self.headers.get("Authorization"))
            self._answer(201, {"sessionId": "one", "chunkSize": CHUNK, "uploadedBytes": 0})

    def do_PUT(self) -> None:
        size = len(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(200, {"uploadedBytes": int(self.headers["x-upload-offset"]) + size})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


def test_where_a_ticket_is_needed_it_is_fetched_and_shown() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Application) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        outcome = upload(f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert outcome.completed is not None
    assert Application.seen == ["Bearer let-me-in"]


def test_over_a_line_that_breaks_every_byte_arrives(serve: Serve) -> None:
    server = serve()
    address = f"http://127.0.0.1:{server.port}"
    lines = ProxiedLines()
    url = lines.lay(address, Conditions(cuts_per_byte=1 / MIB, bandwidth=32 * MIB, seed=3), 0)
    try:
        outcome = PatientUpload(Order(url, 6 * MIB, 256 * 1024), PAYLOAD).run()
    finally:
        lines.close()
    assert outcome.completed is not None
    assert outcome.confirmed == 6 * MIB
    assert outcome.retries >= 2
    with urlopen(f"{address}/files?limit=1") as listed:
        assert json.load(listed)["files"][0]["fileSize"] == 6 * MIB
    # What is given up is cancelled, so that a load test leaves nothing behind.
    unfinished = PatientUpload(Order(address, MIB, MIB, deadline=1e-9), PAYLOAD)
    assert unfinished.run().completed is None
    unfinished.abandon()
    assert not [path for path in (server.level_folder / "incoming").iterdir() if path.suffix != ".fence"]


def test_a_slow_client_can_be_stopped(moody: MoodyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # this one waits
    outgoing = PatientUpload(Order(moody.url, CHUNK, CHUNK, manner=Manner(drip=400)), PAYLOAD)
    thread = threading.Thread(target=outgoing.run)
    began = time.monotonic()
    thread.start()
    time.sleep(0.6)
    outgoing.stop()
    thread.join(5)
    assert time.monotonic() - began < 2
    assert 0 < outgoing.outcome.sent < CHUNK
    assert outgoing.outcome.refused is None
