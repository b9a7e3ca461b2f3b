"""A bad line between a client and a server, on this machine: forwards TCP, and breaks it where it is told to.

For the tour and for tests. Positions are bytes on their way from the client to the server, HTTP headers
included.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final, Self

BLOCK: Final = 64 * 1024
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds


class Cut(Enum):
    """How a connection ends."""

    RESET = "RST: both sides hear at once that something broke"
    FINISH = "FIN: both sides hear an ordinary end, in the middle of the request"


@dataclass(frozen=True)
class _Trigger:
    at: int
    act: Callable[[], Cut | None]


class Relay:
    """Listens on 127.0.0.1 and forwards to ``upstream_port`` there; a context manager.

    Args:
        port: where to listen; 0 takes a free one.

    Attributes:
        port, url: where clients connect.
        upstream_bytes: bytes forwarded to the server so far, over all connections.
        connections: how many were accepted so far.
    """

    def __init__(self, upstream_port: int, *, port: int = 0) -> None:
        self._upstream = ("127.0.0.1", upstream_port)
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.upstream_bytes = 0
        self.connections = 0
        self._lock = threading.Lock()
        self._triggers: list[_Trigger] = []
        self._links: list[_Link] = []
        self._threads = [threading.Thread(target=self._accept, name="relay", daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # wakes accept(); the listener's thread closes it
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            links = list(self._links)
        for link in links:
            link.shut()
        for thread in self._threads:
            thread.join(60)  # a function called at some byte may still be at work
        self._listener.close()

    def cut_at(self, position: int, how: Cut = Cut.RESET) -> None:
        """Cut the connection that carries byte ``position`` of all bytes, once, after exactly that many."""
        self._plan(position, lambda: how)

    def cut_after(self, count: int, how: Cut = Cut.RESET) -> None:
        """The same, ``count`` bytes from now: between two requests, that is a position in the next one."""
        self._plan(self.upstream_bytes + count, lambda: how)

    def call_after(self, count: int, function: Callable[[], object]) -> None:
        """Call ``function`` when ``count`` more bytes were forwarded; the line stands still meanwhile, and is
        cut afterwards if the function returns a :class:`Cut`."""

        def act() -> Cut | None:
            how = function()
            return how if isinstance(how, Cut) else None

        self._plan(self.upstream_bytes + count, act)

    def _plan(self, position: int, act: Callable[[], Cut | None]) -> None:
        with self._lock:
            if position < self.upstream_bytes:
                raise ValueError(f"byte {position} has gone by; {self.upstream_bytes} were forwarded")
            self._triggers = sorted([*self._triggers, _Trigger(position, act)], key=lambda t: t.at)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._upstream, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            link = _Link(self, client, server)
            thread = threading.Thread(target=link.run, name="relay link", daemon=True)
            with self._lock:
                self.connections += 1
                self._links.append(link)
                self._threads.append(thread)
            thread.start()

    def take(self, length: int) -> tuple[int, Callable[[], Cut | None] | None]:
        """How many of ``length`` waiting bytes may pass now, and what to do after them."""
        with self._lock:
            if self._triggers and self._triggers[0].at <= self.upstream_bytes + length:
                trigger = self._triggers.pop(0)
                passing = max(0, trigger.at - self.upstream_bytes)
                self.upstream_bytes += passing
                return passing, trigger.act
            self.upstream_bytes += length
            return length, None


class _Link:
    """One connection. Both directions in one thread: closing a socket that another thread waits on would not
    close it, and a reset must be sent at the very byte."""

    def __init__(self, relay: Relay, client: socket.socket, server: socket.socket) -> None:
        self._relay = relay
        self._client = client
        self._server = server
        self._deaf = False

    def run(self) -> None:
        with self._client, self._server, selectors.DefaultSelector() as waiting:
            waiting.register(self._client, selectors.EVENT_READ, self._server)
            waiting.register(self._server, selectors.EVENT_READ, self._client)
            with contextlib.suppress(OSError):
                while waiting.get_map():
                    for key, _ in waiting.select():
                        if not self._forward(key.fileobj, key.data):  # type: ignore[arg-type]
                            waiting.unregister(key.fileobj)

    def shut(self) -> None:
        """End from outside."""
        for side in (self._client, self._server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def _forward(self, source: socket.socket, target: socket.socket) -> bool:
        data = source.recv(BLOCK)
        if not data:
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)
            return False
        if self._deaf:
            return True
        if source is self._server:
            target.sendall(data)
            return True
        while data and not self._deaf:
            passing, act = self._relay.take(len(data))
            target.sendall(data[:passing])
            data = data[passing:]
            how = act() if act else None
            if how is not None:
                self._cut(how)
        return True

    def _cut(self, how: Cut) -> None:
        sides = (self._client, self._server)
        if how is Cut.RESET:
            for side in sides:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            raise ConnectionResetError  # ends run(), which closes both
        # Closing with bytes unread would be a reset. So: say goodbye, then listen without forwarding until
        # both sides have gone.
        self._deaf = True
        for side in sides:
            side.shutdown(socket.SHUT_WR)
