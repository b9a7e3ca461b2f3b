"""The process: stopped politely under load, killed at any moment, started again."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.faults.faulty import GONE, Held, until
from tests.oracle import CHUNK, Upload, begin_upload, files, finished, no_orphans, oracle
from tests.raw_http import Connection, exchange, head
from tests.servers import COMMAND, Server

BOUND = 10.0
"""Seconds after SIGTERM in which the process must be gone (`shutdown/bounded`)."""


class Load:
    """Uploads that keep sending, a thread each, until told to stop or until the server is gone."""

    def __init__(self, uploads: Sequence[Upload]) -> None:
        self._threads = [threading.Thread(target=self._send, args=[upload]) for upload in uploads]
        self._stop = threading.Event()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, upload: Upload) -> None:
        with suppress(*GONE):
            while upload.acknowledged < len(upload.source) and not self._stop.is_set():
                upload.put()


def large(server: Server, number: int, chunks: int = 400) -> Upload:
    """An upload that does not end by itself within a test."""
    return begin_upload(server, f"{number}.bin", size=chunks * CHUNK, seed=number)


@pytest.mark.parametrize(("sessions", "grace"), [("sqlite", "8"), ("memory://", "1")])
def test_stopped_under_load_it_is_gone_soon_and_keeps_its_word(
    serve: Serve, sessions: str, grace: str
) -> None:
    server = serve("--sessions", sessions, "--grace", grace)
    uploads = [large(server, n) for n in range(3)]
    with Load(uploads), ExitStack() as stalled:
        until(lambda: all(upload.acknowledged for upload in uploads), "a chunk of each")
        silent = [large(server, n) for n in range(3, 9)]
        for upload in silent:
            stalled.enter_context(upload.begin(0.5))
        until(lambda: all(upload.had_writer for upload in silent), "their turns")
        begin = time.monotonic()
        server.terminate()
        assert server.wait_gone() == 0
        assert time.monotonic() - begin < BOUND
    with pytest.raises(ConnectionRefusedError):
        Connection(server.port)
    incoming = list((server.level_folder / "incoming").iterdir())
    server.start()
    if sessions == "memory://":
        assert incoming == [], "nobody can resume these"
        assert uploads[0].status().status == HTTPStatus.NOT_FOUND
    else:
        for upload in (*uploads, *silent):
            upload.resume()
            assert upload.stored == upload.source[: upload.acknowledged]
    no_orphans(server)


@pytest.mark.parametrize(("wish", "sessions"), [("keep", "memory://"), ("abort", "sqlite")])
def test_what_happens_at_sigterm_can_be_chosen(serve: Serve, wish: str, sessions: str) -> None:
    server = serve("--sessions", sessions, "--on-shutdown", wish)
    upload = begin_upload(server)
    upload.put()
    server.terminate()
    server.wait_gone()
    left = (server.level_folder / "incoming" / upload.session_id).exists()
    assert left == (wish == "keep")


def test_silent_connections_do_not_hold_the_process_back(serve: Serve) -> None:
    server = serve("--grace", "30")
    with ExitStack() as silent:
        for _ in range(3):
            silent.enter_context(Connection(server.port))
        kept = silent.enter_context(Connection(server.port))
        kept.send(head("GET", "/upload")).answer()
        begin = time.monotonic()
        server.terminate()
        server.wait_gone()
    assert time.monotonic() - begin < BOUND


def test_a_chunk_in_flight_gets_its_grace(serve: Serve) -> None:
    server = serve()
    upload = begin_upload(server)
    with upload.begin(0.5) as connection:
        until(lambda: upload.had_writer, "its turn")
        server.terminate()
        until(lambda: refuses(server.port), "the end of accepting", patience=3)
        connection.send(upload.chunk()[CHUNK // 2 :])
        answer = upload.learn(connection.answer())
        assert answer.status == HTTPStatus.OK
        assert connection.rest() == b"", "the connection ends with the server"
    server.wait_gone()
    server.start()
    assert upload.resume() == CHUNK
    oracle(upload)


def test_a_finalization_that_was_cut_off_is_carried_on_without_being_asked(
    serve: Serve, tmp_path: Path
) -> None:
    held = Held(tmp_path, "before shared.catalogue:Catalogue.record 1")
    server = serve("--complete-wait", "0", **held.fault)
    upload = begin_upload(server)
    upload.send_rest()
    assert exchange(server.port, "POST", f"{upload.path}/complete").status == HTTPStatus.ACCEPTED
    held.wait()
    server.restart(command=COMMAND)
    until(lambda: upload.status().json["state"] == "completed", "the end of finalization")
    assert len(files(server)) == 1
    oracle(upload)


def test_sigterm_in_the_middle_of_finalization(serve: Serve, tmp_path: Path) -> None:
    held = Held(tmp_path, "before shared.catalogue:Catalogue.record 1")
    server = serve("--complete-wait", "0", **held.fault)
    upload = begin_upload(server)
    upload.send_rest()
    exchange(server.port, "POST", f"{upload.path}/complete")
    held.wait()
    begin = time.monotonic()
    server.terminate()
    server.wait_gone()
    assert time.monotonic() - begin < BOUND
    server.restart(command=COMMAND)
    oracle(upload)


def test_killed_at_any_moment_under_load(serve: Serve) -> None:
    """Not at chosen steps but at random ones, with the same seed at every run; the moments still differ."""
    server = serve()
    moments = random.Random(2024)
    uploads = [large(server, n, chunks=150) for n in range(3)]
    for _ in range(5):
        before = [upload.acknowledged for upload in uploads]
        with Load(uploads):
            until(lambda: [u.acknowledged for u in uploads] != before or all_sent(uploads), "some progress")  # noqa: B023
            time.sleep(moments.uniform(0, 0.15))
            server.signal_all(signal.SIGKILL)
        server.restart()
        for upload in uploads:
            upload.resume()
            assert upload.stored == upload.source[: upload.acknowledged]
    for upload in uploads:
        upload.send_rest()
        finished(upload)
    no_orphans(server)


def test_the_worker_does_not_outlive_the_arbiter(serve: Serve) -> None:
    """It would keep the port for the sake of a request in flight, and answer on it beside its successor."""
    server = serve()
    upload = begin_upload(server)
    upload.put()
    with upload.begin(0.5):
        os.kill(server.process.pid, signal.SIGKILL)
        until(lambda: refuses(server.port), "the end of the worker", patience=4)
    server.restart()
    oracle(upload)


def all_sent(uploads: Sequence[Upload]) -> bool:
    return all(upload.acknowledged == len(upload.source) for upload in uploads)


def refuses(port: int) -> bool:
    try:
        Connection(port).close()
    except ConnectionRefusedError:
        return True
    return False
