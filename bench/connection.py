"""One keep-alive HTTP connection. The standard library speaks; only the body takes a shorter way."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection, RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

from bench.payload import PATIENCE, Payload


class Unexpected(Exception):
    """A server answered something that ends the measurement."""


@dataclass(frozen=True)
class Answer:
    """A complete answer. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def expect(self, *statuses: int) -> Answer:
        """This answer.

        Raises:
            Unexpected: its status is none of these.
        """
        if self.status not in statuses:
            raise Unexpected(f"answered {self.status}, not {statuses}: {self.body[:200]!r}")
        return self


class Connection:
    """A connection to one server.

    Args:
        url: of the server; only scheme, host and port count.
        send_buffer: bytes that the kernel takes ahead of the line; None leaves it to the kernel, which takes
            megabytes. Whoever counts the bytes that were sent before a line broke wants it small.

    Raises:
        OSError: the server cannot be reached.
    """

    def __init__(self, url: str, send_buffer: int | None = None) -> None:
        where = urlsplit(url)
        kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
        self._http = kind(where.hostname or "", where.port)
        try:
            self._http.connect()
            self.socket: socket.socket = self._http.sock
            self._set_up(send_buffer)
        except OSError:
            self._http.close()  # a server that hung up at once: there may be a socket already
            raise

    def _set_up(self, send_buffer: int | None) -> None:
        if send_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        if os.get_blocking(self.socket.fileno()):
            # The kernel's own time limits: Python's would make the socket non-blocking, and sendfile fail.
            limit = struct.pack("ll", PATIENCE, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        else:  # gevent's: they never block, and know only their own time limit
            self.socket.settimeout(PATIENCE)

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send a small request and wait for its answer."""
        self.begin(method, path, headers, len(body))
        self.socket.sendall(body)
        return self.answer()

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        payload: Payload,
        length: int,
        *,
        unique: bool = False,
    ) -> Answer:
        """Send ``length`` bytes of ``payload`` as a request's body and wait for the answer."""
        self.begin(method, path, headers, length)
        payload.send(self.socket, length, unique=unique)
        return self.answer()

    def begin(self, method: str, path: str, headers: Mapping[str, str], length: int) -> None:
        """Send the head of a request whose body of ``length`` bytes follows, or does not."""
        self._http.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            self._http.putheader(name, value)
        self._http.putheader("Content-Length", str(length))
        self._http.endheaders()

    def answer(self) -> Answer:
        """Wait for the answer to what was sent.

        Raises:
            Unexpected: there is none.
        """
        try:
            response = self._http.getresponse()
        except RemoteDisconnected:
            # The kernel's time limit looks the same to the library.
            raise Unexpected(f"hung up, or was silent for {PATIENCE} s") from None
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())

    @property
    def over(self) -> bool:
        """Whether the server has ended it with its last answer."""
        return self._http.sock is None

    def close(self) -> None:
        """Hang up."""
        self._http.close()
