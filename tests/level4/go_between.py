"""A process between service and application that breaks callbacks on purpose, and keeps what it has heard.

It forwards each delivery to the application, unless a mishap is planned for it: an answer of its own, none,
a late one, or the application's answer thrown away after the effect.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


@dataclass(frozen=True)
class Heard:
    """One delivery."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer; status 0 hangs up without one."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


HANG_UP = Reply(0)
Forward = Callable[[], Reply]
Mishap = Callable[[Forward], Reply]


def answer(status: int, **headers: str) -> Mishap:
    """The application is not asked."""
    return lambda _: Reply(status, b"{}", headers)


def refuse(_: Forward) -> Reply:
    """Hang up before anything happened."""
    return HANG_UP


def lose_answer(forward: Forward) -> Reply:
    """The application has done its work, and nobody hears of it."""
    forward()
    return HANG_UP


def late(seconds: float) -> Mishap:
    """The application's answer, when the service has stopped waiting."""

    def wait(forward: Forward) -> Reply:
        reply = forward()
        time.sleep(seconds)
        return reply

    return wait


class GoBetween(ThreadingHTTPServer):
    """Attributes:
    target: port of the application.
    plan: mishaps for the deliveries to come, in order.
    always: asked for every delivery beyond the plan.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.plan: list[Mishap] = []
        self.always: Mishap = lambda forward: forward()
        self.heard: list[Heard] = []
        self.answers: list[int] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where the service calls."""
        return f"http://127.0.0.1:{self.server_address[1]}/internal/finalize"

    def next_mishap(self, heard: Heard) -> Mishap:
        """What happens to this delivery."""
        with self._lock:
            self.heard.append(heard)
            return self.plan.pop(0) if self.plan else self.always

    def forward(self, heard: Heard) -> Reply:
        """Deliver, and fetch the answer; an application that is away is a 502."""
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            connection.request("POST", "/internal/finalize", heard.body, heard.headers)
            got = connection.getresponse()
            return Reply(got.status, got.read(), {"Content-Type": got.headers.get("Content-Type", "")})
        except (OSError, http.client.HTTPException):
            return Reply(502)
        finally:
            connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A service that stopped waiting is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        between = cast(GoBetween, self.server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        passed = {k: v for k, v in self.headers.items() if k.lower().startswith(("webhook-", "content-type"))}
        heard = Heard(passed, body)
        reply = between.next_mishap(heard)(lambda: between.forward(heard))
        between.answers.append(reply.status)
        self.close_connection = True
        if reply.status:
            self.send_response(reply.status)
            for name, value in (reply.headers | {"Content-Length": str(len(reply.body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def between(target: int) -> Iterator[GoBetween]:
    """One that runs within the block."""
    server = GoBetween(target)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
