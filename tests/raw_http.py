"""An HTTP client that can do what a decent one never would: stop inside a body, lie about its length, say
two things at once. It shares no code with the product."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

PATIENCE: Final = 60.0
"""Seconds until a test gives up on an answer. Never a measure of anything."""

Headers = Iterable[tuple[str, str]]


class NoAnswer(Exception):
    """The connection ended before an answer was complete."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer.

    Attributes:
        headers: in order, names in lower case.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def code(self) -> str | None:
        """The ``code`` of a problem document; None for any other answer."""
        if self.header("content-type") != "application/problem+json":
            return None
        return str(self.json["code"])


class Connection:
    """One TCP connection, sending exactly the bytes it is told to."""

    def __init__(self, port: int, timeout: float = PATIENCE) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._buffer = b""

    def send(self, data: bytes) -> Self:
        """Send all of ``data``."""
        self.socket.sendall(data)
        return self

    def answer(self, method: str = "GET") -> Answer:
        """Read one answer.

        Raises:
            NoAnswer: the connection ended, or was reset, first.
            TimeoutError: nothing came.
        """
        head = self._until(b"\r\n\r\n").decode("latin-1")
        status_line, *lines = head.split("\r\n")
        headers = tuple(
            (name.strip().lower(), value.strip())
            for name, _, value in (line.partition(":") for line in lines)
        )
        answer = Answer(int(status_line.split(" ")[1]), headers, b"")
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        length = answer.header("content-length")
        body = self._exactly(int(length)) if length is not None else self.rest()
        return Answer(answer.status, headers, body)

    def rest(self) -> bytes:
        """Everything until the server closes."""
        data, self._buffer = self._buffer, b""
        with suppress(ConnectionResetError):
            while more := self.socket.recv(65536):
                data += more
        return data

    def half_close(self) -> Self:
        """Say that nothing more will be sent; still listen."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self) -> None:
        """End with RST instead of FIN, as a crashed peer's kernel does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """End as usual."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def until_blank_line(self) -> str:
        """The head of an interim answer."""
        return self._until(b"\r\n\r\n").decode("latin-1")

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._buffer += self._receive()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, count: int) -> bytes:
        parts, missing = [self._buffer[:count]], count - len(self._buffer)
        self._buffer = self._buffer[count:]
        while missing > 0:
            parts.append(self._receive(min(missing, 1 << 20)))
            missing -= len(parts[-1])
        return b"".join(parts)

    def _receive(self, most: int = 65536) -> bytes:
        try:
            data = self.socket.recv(most)
        except ConnectionResetError:
            raise NoAnswer("reset") from None
        if not data:
            raise NoAnswer(f"closed after {self._buffer[:200]!r}")
        return data


def head(method: str, path: str, headers: Headers = ()) -> bytes:
    """A request line and headers, as given and nothing more, except ``Host``."""
    given = tuple(headers)
    if not any(name.lower() == "host" for name, _ in given):
        given = (("Host", "127.0.0.1"), *given)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def exchange(port: int, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
    """One request on a connection of its own. ``Content-Length`` is added where there is a body and none is
    given."""
    given = list(headers)
    if body is not None and not any(
        name.lower() in ("content-length", "transfer-encoding") for name, _ in given
    ):
        given.append(("Content-Length", str(len(body))))
    with Connection(port) as connection:
        # Refused while still sending: the answer may be there all the same.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.send(head(method, path, [*given, ("Connection", "close")]) + (body or b""))
        return connection.answer(method)


def exchange_json(port: int, method: str, path: str, value: object) -> Answer:
    """A request with a JSON body."""
    return exchange(port, method, path, [("Content-Type", "application/json")], json.dumps(value).encode())
