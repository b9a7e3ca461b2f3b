"""The PUT that passes a body through: what it does before the body, inside it, and instead of it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import pytest

from level3_s3_multipart.streamed_put import CONTINUE_WITHIN, Answer, NoAnswer, StreamedPut

LENGTH = 3 * 65536
OK = b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\n\r\n'
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


class Peer:
    """An S3 server that follows a script: a function for each connection, in order."""

    def __init__(self, *scripts: Callable[[Peer, socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._scripts = scripts
        self.heads: list[bytes] = []
        self.bodies: list[int] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/bucket/key?partNumber=1"

    def _run(self) -> None:
        for script in self._scripts:
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(10)
                script(self, connection)

    def head(self, connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return
            head += byte
        self.heads.append(head)

    def body(self, connection: socket.socket, length: int = LENGTH) -> None:
        arrived = 0
        with suppress(OSError):
            while arrived < length and (data := connection.recv(65536)):
                arrived += len(data)
        self.bodies.append(arrived)

    def close(self) -> None:
        self._listener.close()
        self._thread.join(10)


@contextmanager
def peer(*scripts: Callable[[Peer, socket.socket], None]) -> Iterator[Peer]:
    made = Peer(*scripts)
    try:
        yield made
    finally:
        made.close()


def takes(server: Peer, connection: socket.socket) -> None:
    """A part, as a store should take it."""
    server.head(connection)
    connection.sendall(GO_ON)
    server.body(connection)
    connection.sendall(OK)


def sender(patience: float = 10.0) -> StreamedPut:
    return StreamedPut(ssl.create_default_context(), patience)


def blocks(touched: list[int] | None = None) -> Iterator[memoryview]:
    for number in range(3):
        if touched is not None:
            touched.append(number)
        yield memoryview(bytes(65536))


def put(http: StreamedPut, server: Peer, body: Iterable[memoryview]) -> Answer:
    return http.put(server.url, {}, LENGTH, body, lambda _: None)


def test_a_body_passes_through() -> None:
    with peer(takes) as server:
        answer = put(sender(), server, blocks())
    assert (answer.status, answer.headers["etag"], server.bodies) == (200, '"x"', [LENGTH])
    assert b"expect: 100-continue" in server.heads[0].lower()


def test_a_refusal_comes_before_the_body_is_touched() -> None:
    def refuses(server: Peer, connection: socket.socket) -> None:
        server.head(connection)
        connection.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 4\r\n\r\nslow")

    touched: list[int] = []
    with peer(refuses) as server:
        answer = put(sender(), server, blocks(touched))
    assert (answer.status, answer.body, touched) == (503, b"slow", [])


def test_a_connection_is_used_again() -> None:
    def takes_two(server: Peer, connection: socket.socket) -> None:
        takes(server, connection)
        takes(server, connection)

    http = sender()
    with peer(takes_two) as server:
        assert [put(http, server, blocks()).status for _ in range(2)] == [200, 200]


def test_a_kept_connection_that_was_closed_costs_no_body() -> None:
    http = sender()
    with peer(takes, takes) as server:
        assert put(http, server, blocks()).status == 200
        time.sleep(0.1)
        touched: list[int] = []
        assert put(http, server, blocks(touched)).status == 200
    assert (touched, server.bodies) == ([0, 1, 2], [LENGTH, LENGTH])


def test_a_store_that_never_says_continue_is_waited_for_once() -> None:
    def silent(server: Peer, connection: socket.socket) -> None:
        for _ in range(2):
            server.head(connection)
            server.body(connection)
            connection.sendall(OK)

    http, took = sender(), []
    with peer(silent) as server:
        for _ in range(2):
            started = time.monotonic()
            assert put(http, server, blocks()).status == 200
            took.append(time.monotonic() - started)
    assert took[0] >= CONTINUE_WITHIN > took[1]
    assert b"expect" not in server.heads[1].lower()


def test_a_store_that_is_slow_to_say_it_is_asked_again() -> None:
    def slow_once(server: Peer, connection: socket.socket) -> None:
        takes(server, connection)
        server.head(connection)
        time.sleep(CONTINUE_WITHIN * 1.2)
        connection.sendall(GO_ON)
        server.body(connection)
        connection.sendall(OK)
        takes(server, connection)

    http = sender()
    with peer(slow_once) as server:
        assert [put(http, server, blocks()).status for _ in range(3)] == [200, 200, 200]
    assert all(b"expect" in head.lower() for head in server.heads)


def test_a_body_that_breaks_leaves_an_unfinished_request() -> None:
    class Broke(Exception):
        pass

    def breaking() -> Iterator[memoryview]:
        yield memoryview(bytes(65536))
        raise Broke

    with peer(takes) as server, pytest.raises(Broke):
        put(sender(), server, breaking())
    assert server.bodies == [65536]


def test_an_answer_inside_the_body_is_heard() -> None:
    def has_enough(server: Peer, connection: socket.socket) -> None:
        server.head(connection)
        connection.sendall(GO_ON)
        server.body(connection, 65536)
        connection.sendall(b"HTTP/1.1 507 Full\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        server.body(connection, 10 * LENGTH)

    with peer(has_enough) as server:
        assert put(sender(), server, blocks()).status == 507


@pytest.mark.parametrize("said", [b"", GO_ON], ids=["nothing", "continue"])
def test_a_store_that_goes_away_is_no_answer(said: bytes) -> None:
    def goes(server: Peer, connection: socket.socket) -> None:
        server.head(connection)
        connection.sendall(said)
        if said:
            server.body(connection)

    with peer(goes) as server, pytest.raises(NoAnswer):
        put(sender(), server, blocks())


def test_a_store_that_falls_silent_is_no_answer() -> None:
    over = threading.Event()

    def silent(server: Peer, connection: socket.socket) -> None:
        server.head(connection)
        connection.sendall(GO_ON)
        server.body(connection)
        assert over.wait(10)

    with peer(silent) as server:
        with pytest.raises(NoAnswer):
            put(sender(patience=0.3), server, blocks())
        over.set()


def test_nobody_there_is_known_before_the_body() -> None:
    with peer() as server:
        url = server.url
    touched: list[int] = []
    with pytest.raises(NoAnswer):
        sender().put(url, {}, LENGTH, blocks(touched), lambda _: None)
    assert touched == []


def test_another_thread_can_break_it_off() -> None:
    stops: list[Callable[[], None]] = []

    def interrupted() -> Iterator[memoryview]:
        yield memoryview(bytes(65536))
        stops[0]()
        yield memoryview(bytes(65536))
        yield memoryview(bytes(65536))

    with peer(takes) as server, pytest.raises(NoAnswer):
        sender().put(server.url, {}, LENGTH, interrupted(), stops.append)
    assert server.bodies[0] < LENGTH
