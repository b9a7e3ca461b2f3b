"""Servers that are no servers: they hang, reset, babble, and never come to an end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tests.conformance.messages import Address

Behaviour = Callable[[socket.socket, threading.Event], None]
"""What a server does with a connection, until the event is set."""

TURNS: Final = 0.05
"""Seconds between two looks at whether the test is over."""


def hang(connection: socket.socket, over: threading.Event) -> None:
    """Take the request and say nothing."""
    over.wait()


def reset(connection: socket.socket, over: threading.Event) -> None:
    """Be gone as a crashed machine is."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def close(connection: socket.socket, over: threading.Event) -> None:
    """Read the request and hang up without an answer."""
    connection.recv(65536)


def garbage(connection: socket.socket, over: threading.Event) -> None:
    """Answer in no protocol."""
    connection.recv(65536)
    connection.sendall(bytes(range(256)) * 16 + b"\r\n\r\n")


def no_number(connection: socket.socket, over: threading.Event) -> None:
    """A status that is no number, a length that is none either."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}")


def endless_head(connection: socket.socket, over: threading.Event) -> None:
    """A head that never ends."""
    _for_ever(connection, over, b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 500)


def endless_body(connection: socket.socket, over: threading.Event) -> None:
    """A body without a length that never ends."""
    _for_ever(connection, over, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b"[" * 65536)


def endless_chunks(connection: socket.socket, over: threading.Event) -> None:
    """Chunked transfer without a last chunk."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    _for_ever(connection, over, head, b"1000\r\n" + b" " * 4096 + b"\r\n")


def endless_interim(connection: socket.socket, over: threading.Event) -> None:
    """Go on, go on, go on."""
    _for_ever(connection, over, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def huge_length(connection: socket.socket, over: threading.Event) -> None:
    """Announce more than any disk holds."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\n{")
    over.wait()


def drip(connection: socket.socket, over: threading.Event) -> None:
    """An answer that is right and takes a byte a moment."""
    _for_ever(connection, over, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" ", pause=TURNS)


def half_answer(connection: socket.socket, over: threading.Event) -> None:
    """Die in the middle of an answer."""
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"uploadedBytes": 1')


def always(status: str, content_type: str, body: bytes, more: str = "") -> Behaviour:
    """The same complete answer to everything."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}"

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)

    return answer


SILENT: Final[dict[str, Behaviour]] = {
    "hangs": hang,
    "resets": reset,
    "hangs up": close,
    "answers garbage": garbage,
    "counts in words": no_number,
    "never ends its head": endless_head,
    "never ends its body": endless_body,
    "never ends its chunks": endless_chunks,
    "says 100 for ever": endless_interim,
    "announces petabytes": huge_length,
    "drips": drip,
    "dies in its answer": half_answer,
}
"""From these nothing comes that is an answer."""

TALKING: Final[dict[str, Behaviour]] = {
    "serves a page": always("200 OK", "text/html", b"<h1>It works!</h1>"),
    "answers 201 and a page": always("201 Created", "text/html", b"<h1>Thank you!</h1>"),
    "redirects in circles": always("302 Found", "text/html", b"", "Location: /upload\r\n"),
    "fails": always("500 Internal Server Error", "text/plain", b"Traceback (most recent call last):"),
    "says null": always("200 OK", "application/json", b"null"),
    "says a list": always("201 Created", "application/json", b"[[], {}, null]"),
    "nests deep": always("200 OK", "application/json", b"[" * 50_000),
    "says no UTF-8": always("201 Created", "application/json", b'{"sessionId": "\xff\xfe"}'),
    "has the wrong types": always(
        "201 Created",
        "application/json",
        b'{"sessionId": 5, "chunkSize": "big", "uploadedBytes": null, "file": 7, "files": {"a": 1},'
        b' "state": [], "expiresAt": {}, "fileSize": true, "code": ["x"], "next": 5, "errors": 3}',
    ),
    "has half the right types": always(
        "200 OK",
        "application/problem+json",
        b'{"sessionId": "s", "chunkSize": 1024, "uploadedBytes": -1, "file": {"fileId": null}, "next": "a",'
        b' "files": [null, 5, {"fileId": []}], "state": "completed", "expiresAt": "soon", "errors": [7]}',
    ),
    "opens sessions and nothing more": always(
        "201 Created",
        "application/json",
        b'{"sessionId": "s", "chunkSize": 1, "uploadedBytes": 0, "expiresAt": "2026-99-99T00:00:00Z"}',
    ),
}
"""These answer, and what they say is no protocol."""


@contextmanager
def serve(behaviour: Behaviour) -> Iterator[Address]:
    """A server of this kind on loopback; gone afterwards."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    listener.settimeout(TURNS)
    thread = threading.Thread(target=_accept, args=(listener, behaviour, over))
    thread.start()
    try:
        yield Address.of(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        over.set()
        thread.join()
        listener.close()


def _accept(listener: socket.socket, behaviour: Behaviour, over: threading.Event) -> None:
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            connection, _ = listener.accept()
            threading.Thread(target=_serve_one, args=(connection, behaviour, over), daemon=True).start()


def _serve_one(connection: socket.socket, behaviour: Behaviour, over: threading.Event) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(5)
        behaviour(connection, over)


def _for_ever(
    connection: socket.socket, over: threading.Event, first: bytes, then: bytes, pause: float = 0.0
) -> None:
    connection.recv(65536)
    connection.sendall(first)
    while not over.is_set():
        connection.sendall(then)
        time.sleep(pause)
