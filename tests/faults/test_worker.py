"""What the worker adds to gunicorn's: silent connections cost no thread, stalled ones do not stay, and
running out of file descriptors ends nothing."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus

import psutil
import pytest

from shared.limits import MIB
from tests.conftest import Serve
from tests.faults.faulty import until
from tests.faults.hostile import assert_refused
from tests.oracle import begin_upload, files, finished, oracle, some_bytes
from tests.raw_http import Connection, exchange, head

PROMPT = 10.0
"""Seconds within which a healthy upload of four small chunks passes, on a busy machine. Alone it takes a
tenth of one; behind stalled clients it would take their read timeout, or for ever."""

pytestmark = pytest.mark.xdist_group("many connections")


@pytest.fixture(autouse=True)
def _many_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_thousand_idle_connections_cost_no_thread(serve: Serve) -> None:
    server = serve()
    with ExitStack() as idle:
        for _ in range(1000):
            idle.enter_context(Connection(server.port))
        begin = time.monotonic()
        upload = begin_upload(server)
        upload.send_rest()
        assert time.monotonic() - begin < PROMPT
        assert server.worker.num_threads() < 50
        assert server.worker.memory_info().rss < 150 * MIB
        oracle(upload)


def test_stalled_clients_neither_stop_a_healthy_one_nor_stay(serve: Serve) -> None:
    server = serve("--read-timeout", "8")
    waiting = [begin_upload(server, seed=number) for number in range(20)]
    with ExitStack() as stack:
        stalled = [stack.enter_context(waiting[n % 20].begin(0.1)) for n in range(500)]
        until(lambda: server.worker.num_threads() > 500, "500 requests inside their bodies")
        begin = time.monotonic()
        healthy = begin_upload(server, name="healthy.bin", seed=99)
        healthy.send_rest()
        assert healthy.complete().status == HTTPStatus.OK
        assert time.monotonic() - begin < 5, "it waited for the stalled ones"
        assert server.worker.memory_info().rss < 200 * MIB
        for connection in stalled:
            answer = connection.answer()
            assert answer.code in ("incomplete-body", "offset-mismatch")
            assert connection.rest() == b""
    for upload in waiting:
        assert upload.resume() == 0
    oracle(healthy)


def test_clients_that_do_not_hang_up_delay_nobody(serve: Serve) -> None:
    """Each is given two seconds to read its answer; the others must not wait for that, one after another."""
    server = serve()
    begin = time.monotonic()
    with ExitStack() as stack:
        for _ in range(10):
            lingering = stack.enter_context(Connection(server.port))
            assert_refused(
                lingering.send(b"no HTTP\r\n\r\n").answer(), HTTPStatus.BAD_REQUEST, "invalid-request"
            )
        oracle(begin_upload(server))
        assert time.monotonic() - begin < PROMPT


def test_a_download_read_slowly_is_cut_off(serve: Serve) -> None:
    server = serve("--read-timeout", "1")
    upload = begin_upload(server, source=some_bytes(32 * MIB), chunk_size=8 * MIB)
    upload.send_rest()
    file_id = finished(upload)["fileId"]
    with Connection(server.port) as connection:
        connection.send(head("GET", f"/files/{file_id}/content"))
        until(lambda: connections(server.worker) == 1, "the request")
        until(lambda: connections(server.worker) == 0, "the end of the server's patience")
        assert len(connection.rest()) < 32 * MIB
    oracle(upload)


def test_out_of_descriptors_the_server_waits_and_heals(serve: Serve) -> None:
    server = serve()
    upload = begin_upload(server)
    upload.put()
    worker = server.worker
    limit = worker.rlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        kept = stack.enter_context(Connection(server.port))
        assert kept.send(head("GET", "/upload")).answer().status == HTTPStatus.OK
        worker.rlimit(resource.RLIMIT_NOFILE, (worker.num_fds(), limit[1]))
        # Already connected: the chunk's file is what cannot be opened.
        answer = kept.send(upload.head() + upload.chunk()).answer()
        assert_refused(answer, HTTPStatus.SERVICE_UNAVAILABLE, "storage-unavailable")
        assert answer.header("retry-after")
        outside = [stack.enter_context(Connection(server.port)) for _ in range(20)]
        for connection in outside:
            connection.send(head("GET", "/upload"))
        until(lambda: b"out of file descriptors" in server.log.read_bytes(), "the worker's complaint")
        worker.rlimit(resource.RLIMIT_NOFILE, limit)
        assert [connection.answer().status for connection in outside] == [HTTPStatus.OK] * 20
    assert worker.is_running(), "another worker answers now"
    oracle(upload)


def test_a_killed_worker_is_replaced(serve: Serve) -> None:
    server = serve()
    upload = begin_upload(server)
    upload.put()
    server.worker.kill()
    until(lambda: answers(server.port), "the next worker")
    oracle(upload)
    assert len(files(server)) == 1


def answers(port: int) -> bool:
    try:
        return exchange(port, "GET", "/upload").status == HTTPStatus.OK
    except OSError:
        return False


def connections(process: psutil.Process) -> int:
    return sum(c.status == psutil.CONN_ESTABLISHED for c in process.net_connections("tcp4"))
