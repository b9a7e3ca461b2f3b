"""PostgreSQL or Redis is stopped, killed, restarted or busy while uploads go on: 503, and nothing lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import pytest

from level3_s3_multipart.cluster.postgresql import PostgreSqlServer
from level3_s3_multipart.cluster.redis import RedisServer
from level3_s3_multipart.cluster.service import Service
from tests.conftest import Serve
from tests.faults.faulty import until
from tests.oracle import begin_upload, finished, no_orphans, oracle
from tests.raw_http import Answer, Connection, exchange, exchange_json
from tests.servers import Server

AT_ONCE: Final = 5.0
"""Seconds. Nothing listens any more, so the answer takes no waiting."""

PATIENCE: Final = 15.0
"""Seconds in which a store that says nothing must have been given up: a connection and a query, 5 s each."""

KINDS: Final[dict[str, Callable[[], Service]]] = {"postgresql": PostgreSqlServer, "redis": RedisServer}


@pytest.fixture(params=KINDS)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with KINDS[request.param]() as running:
        yield running


def options(service: Service) -> tuple[str, ...]:
    """Everything that can be kept in it is."""
    assert isinstance(service, PostgreSqlServer | RedisServer)
    if isinstance(service, PostgreSqlServer):
        return ("--sessions", service.url, "--catalogue", service.url)
    return ("--sessions", service.url)


def assert_away(answer: Answer) -> None:
    assert (answer.status, answer.code) == (503, "storage-unavailable"), answer
    assert int(answer.header("retry-after") or 0) >= 1
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_away_every_request_is_told_to_come_again_and_goes_on_later(
    serve: Serve, service: Service, end: str
) -> None:
    server = serve(*options(service))
    upload = begin_upload(server)
    upload.put()
    idle = begin_upload(server, "idle.bin", seed=2)
    getattr(service, end)()

    started = time.monotonic()
    with Connection(server.port) as connection:
        connection.send(upload.head())  # and not one byte of the body
        assert_away(connection.answer())
    assert_away(upload.status())
    assert_away(exchange(server.port, "DELETE", idle.path))
    assert_away(exchange_json(server.port, "POST", "/upload/init", {"fileName": "a", "fileSize": 1}))
    assert_away(exchange(server.port, "POST", f"{upload.path}/complete"))
    assert time.monotonic() - started < 5 * AT_ONCE
    assert exchange(server.port, "GET", "/upload").status == 200

    service.start()
    for left in (idle, upload):
        left.resume()
        left.send_rest()
        finished(left)
    no_orphans(server)


def test_a_restart_between_two_requests_is_not_noticed(serve: Serve, service: Service) -> None:
    """Connections in the pool are dead afterwards; that costs no request."""
    server = serve(*options(service))
    upload = begin_upload(server)
    assert upload.put().status == 200
    service.stop()
    service.start()
    for _ in range(3):
        assert upload.put().status == 200
    oracle(upload)


def test_restarted_inside_a_chunk_the_answer_is_plain_and_nothing_is_lost(
    serve: Serve, service: Service
) -> None:
    server = serve(*options(service))
    upload = begin_upload(server)
    upload.put()
    with upload.begin() as connection:
        service.kill()
        service.start()
        body = upload.chunk()
        connection.send(body[len(body) // 2 :])
        answer = upload.learn(connection.answer())
    assert answer.status in (200, 409, 503), answer
    oracle(upload)


@contextmanager
def busy(service: Service) -> Iterator[None]:
    """It is there, connections stand, and it does not answer."""
    if isinstance(service, PostgreSqlServer):
        with service.connect() as connection:
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE sessions")
            yield
        return
    service.pause()
    try:
        yield
    finally:
        service.resume()


def test_busy_is_503_after_a_while_and_not_for_ever(serve: Serve, service: Service) -> None:
    server = serve(*options(service))
    upload = begin_upload(server)
    upload.put()
    holding: AbstractContextManager[None] = busy(service)
    with holding:
        started = time.monotonic()
        assert_away(upload.status())
        assert time.monotonic() - started < PATIENCE
    oracle(upload)


def test_a_load_of_uploads_lives_through_restarts(serve: Serve, service: Service) -> None:
    server = serve(*options(service))
    uploads = [begin_upload(server, f"{n}.bin", size=60 * 64 * 1024, seed=n) for n in range(3)]
    stop = threading.Event()

    def send(number: int) -> None:
        upload = uploads[number]
        while upload.acknowledged < len(upload.source) and not stop.is_set():
            answer = upload.put()
            if answer.status == 409:
                upload.resume()
            elif answer.status != 200:
                assert_away(answer)
                time.sleep(0.1)

    sending = [threading.Thread(target=send, args=[number]) for number in range(3)]
    for thread in sending:
        thread.start()
    for end in ("stop", "kill"):
        time.sleep(0.15)
        getattr(service, end)()
        time.sleep(0.1)
        service.start()
    for thread in sending:
        thread.join(60)
    stop.set()
    for upload in uploads:
        assert upload.acknowledged == len(upload.source)
        finished(upload)
    no_orphans(server)


def test_a_server_that_starts_before_its_store_waits_for_it(service: Service, tmp_path: Path) -> None:
    service.kill()
    server = Server(tmp_path, options=options(service))
    starting = threading.Thread(target=server.start)
    starting.start()
    try:
        until(lambda: server.log.exists() and "Not ready" in server.log.read_text(), "a word that it waits")
        service.start()
        starting.join(80)
        assert begin_upload(server).put().status == 200
    finally:
        starting.join(80)
        server.close()
    assert "Traceback" not in server.log.read_text()
