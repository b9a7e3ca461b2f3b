"""A PUT whose body passes through block by block: never whole in memory, and never read if S3 says no.

h11 knows HTTP, this file moves the bytes. ``Expect: 100-continue`` (RFC 9110, section 10.1.1) makes S3 judge
the headers before the body is touched, which decides two things. "Slow down" or "no such upload" reaches the
client before it has sent its chunk for nothing. And a kept connection that S3 has closed meanwhile is noticed
while the request can still be made again: afterwards the body is gone.
"""

from __future__ import annotations

import socket
import ssl
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import h11

CONNECT_WITHIN: Final = 5.0
"""Seconds."""

CONTINUE_WITHIN: Final = 1.0
"""Seconds to wait for "100 Continue" before sending all the same, as RFC 9110 asks of a client."""

KEPT: Final = 64
MOST_ANSWER: Final = 64 * 1024


StopsBy = Callable[[Callable[[], None]], None]
"""Takes a function that breaks a request off from another thread."""


class NoAnswer(Exception):
    """S3 was not reached, or fell silent: whether the request had an effect is unknown."""


@dataclass(frozen=True)
class Answer:
    """What S3 said. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamedPut:
    """Sends bodies to one S3 endpoint over connections that are used again.

    Args:
        patience: seconds without a byte from or to S3.
    """

    def __init__(self, tls: ssl.SSLContext, patience: float) -> None:
        self._tls = tls
        self._patience = patience
        self._idle: dict[tuple[str, str, int], deque[_Connection]] = {}
        weakref.finalize(self, _close_all, self._idle.values())
        self._asks_first = True
        self._knows_expect = False

    def put(
        self,
        url: str,
        headers: Mapping[str, str],
        length: int,
        blocks: Iterable[bytes | memoryview],
        stops_by: StopsBy,
    ) -> Answer:
        """Send ``length`` bytes and return the answer. ``blocks`` is not touched before S3 agreed to read.

        Whatever ``blocks`` raises passes through, and the request ends unfinished: S3 stores nothing of it.
        ``stops_by`` is told how to break this request off from another thread.

        Raises:
            NoAnswer: no connection, or none any more.
        """
        parts = urlsplit(url)
        address = (parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        request = h11.Request(
            method="PUT",
            target=f"{parts.path}?{parts.query}",
            headers=[
                ("Host", parts.netloc),
                ("Content-Length", str(length)),
                *([("Expect", "100-continue")] if self._asks_first else []),
                *headers.items(),
            ],
        )
        idle = self._idle.setdefault(address, deque())
        try:
            connection = self._agreed(address, idle, request, stops_by)
            answer = connection.exchange(blocks)
        except (OSError, h11.RemoteProtocolError) as error:
            raise NoAnswer(str(error)) from error
        if len(idle) < KEPT and connection.reusable():
            idle.append(connection)
        else:
            connection.close()
        return answer

    def _agreed(
        self,
        address: tuple[str, str, int],
        idle: deque[_Connection],
        request: h11.Request,
        stops_by: StopsBy,
    ) -> _Connection:
        """A connection on which the request stands and S3 has said go on, or has answered for good."""
        while True:
            connection = None
            with suppress(IndexError):
                connection = idle.pop()
            kept = connection is not None
            if connection is None:
                connection = _Connection(self._connect(address))
            stops_by(connection.break_off)
            try:
                self._learn(connection.ask(request))
            except (OSError, h11.RemoteProtocolError):
                connection.close()
                if not kept:
                    raise
            else:
                return connection

    def _learn(self, answered: bool | None) -> None:
        """A store that has never known the question is asked it once; waiting each time would cost."""
        if answered:
            self._knows_expect = True
        elif answered is False and not self._knows_expect:
            self._asks_first = False

    def _connect(self, address: tuple[str, str, int]) -> socket.socket:
        scheme, host, port = address
        sock = socket.create_connection((host, port), timeout=CONNECT_WITHIN)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if scheme == "https":
            sock = self._tls.wrap_socket(sock, server_hostname=host)
        sock.settimeout(self._patience)
        return sock


def _close_all(idle: Iterable[Iterable[_Connection]]) -> None:
    for connections in idle:
        for connection in connections:
            connection.close()


class _Connection:
    """One connection, one request at a time: ask, then exchange."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._patience = sock.gettimeout()
        self._http = h11.Connection(h11.CLIENT)
        self._early: h11.Response | None = None

    def ask(self, request: h11.Request) -> bool | None:
        """Send the headers, and wait for leave to send the body.

        Returns:
            True: go on, or an answer for good is here; False: S3 says nothing; None: it was not asked.
        """
        self._early = None
        self._send(request)
        if not self._http.client_is_waiting_for_100_continue:
            return None
        self._sock.settimeout(CONTINUE_WITHIN)
        try:
            event = self._next()
        except TimeoutError:
            return False
        finally:
            self._sock.settimeout(self._patience)
        if isinstance(event, h11.Response):
            self._early = event
        return True

    def exchange(self, blocks: Iterable[bytes | memoryview]) -> Answer:
        """Send the body, unless S3 has answered already, and read the answer."""
        try:
            if self._early is None:
                self._send_body(blocks)
            return self._answer()
        except BaseException:
            self.close()
            raise

    def reusable(self) -> bool:
        """Whether it is ready for another request."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False

    def close(self) -> None:
        self._sock.close()

    def break_off(self) -> None:
        """From another thread: the peer sees the request end early, and the sender gets an error."""
        with suppress(OSError):
            # Past any TLS object: that belongs to the thread that is using it.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def _send_body(self, blocks: Iterable[bytes | memoryview]) -> None:
        try:
            for block in blocks:
                self._send(h11.Data(data=block))  # type: ignore[arg-type] # passed through, never copied
            self._send(h11.EndOfMessage())
        except TimeoutError:
            raise
        except OSError:
            # A store that has heard enough answers and closes: the answer may be here to be read.
            self._sock.settimeout(CONTINUE_WITHIN)

    def _send(self, event: h11.Event) -> None:
        for data in self._http.send_with_data_passthrough(event) or ():
            self._sock.sendall(data)

    def _answer(self) -> Answer:
        response = self._early
        while response is None:
            event = self._next()
            if isinstance(event, h11.Response):
                response = event
        body = b""
        while not isinstance(event := self._next(), h11.EndOfMessage):
            if isinstance(event, h11.Data) and len(body) < MOST_ANSWER:
                body += event.data
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
        return Answer(response.status_code, headers, body)

    def _next(self) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(self._sock.recv(MOST_ANSWER))
        assert isinstance(event, h11.Event), event  # noqa: S101 - PAUSED is a server's event
        return event
