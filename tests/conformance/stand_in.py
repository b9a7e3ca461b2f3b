"""The application of level 4, played by the suite: it hears callbacks and answers as a case wants.

A service that is to be judged so is started with this address for its callbacks, and with a secret that the
suite knows. Signatures are checked here in a few lines of our own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast

PATH: Final = "/internal/finalize"
TOLERANCE: Final = 300.0
LARGEST: Final = 1 << 20


@dataclass(frozen=True)
class Delivery:
    """One callback: headers with names in lower case, and the body as it came."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        """The JSON object in the body; empty without one."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def data(self) -> dict[str, Any]:
        """What it is about."""
        data = self.message.get("data")
        return data if isinstance(data, dict) else {}


@dataclass(frozen=True)
class Reply:
    """An answer to a callback; status 0 hangs up without one."""

    status: int
    document: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


def signature(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    """What Standard Webhooks wants in ``webhook-signature``."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def a_file(delivery: Delivery) -> dict[str, Any]:
    """The FILE that an obliging application answers with."""
    told = delivery.data
    return {
        "fileId": hashlib.sha256(delivery.body).hexdigest()[:32],
        "fileName": told.get("fileName"),
        "fileSize": told.get("fileSize"),
        "mimeType": "application/octet-stream",
        "fingerprint": "0" * 64,
        "createdAt": "2020-02-02T20:20:20.020Z",
    }


class StandIn(ThreadingHTTPServer):
    """Listens for callbacks. Without a plan for a session it says yes.

    Attributes:
        secret: signs the callbacks.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, secret: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.secret = secret
        self._plans: dict[str, list[Reply]] = {}
        self._heard: list[Delivery] = []
        self._news = threading.Condition()

    def plan(self, session_id: str, *replies: Reply) -> None:
        """How the deliveries about one session are answered, in order; the last for all that follow."""
        with self._news:
            self._plans[session_id] = list(replies)

    def heard(self, session_id: str) -> list[Delivery]:
        """The deliveries about one session."""
        with self._news:
            return [each for each in self._heard if each.data.get("sessionId") == session_id]

    def wait_for(self, session_id: str, count: int, patience: float) -> list[Delivery]:
        """The same, once there are ``count``, or when patience ends."""
        deadline = time.monotonic() + patience
        while len(found := self.heard(session_id)) < count and time.monotonic() < deadline:
            with self._news:
                self._news.wait(0.1)
        return found

    def take(self, delivery: Delivery) -> Reply:
        """Note a delivery; returns how it is answered."""
        with self._news:
            self._heard.append(delivery)
            self._news.notify_all()
            plan = self._plans.get(str(delivery.data.get("sessionId")), [])
            planned = plan.pop(0) if len(plan) > 1 else next(iter(plan), None)
        return planned or Reply(200, a_file(delivery))

    def is_signed(self, delivery: Delivery) -> bool:
        """Whether the headers carry a signature of ours, of about now."""
        stamp = delivery.headers.get("webhook-timestamp", "")
        wanted = signature(self.secret, delivery.headers.get("webhook-id", ""), stamp, delivery.body)
        given = delivery.headers.get("webhook-signature", "").split(" ")
        return stamp.isdecimal() and abs(int(stamp) - time.time()) <= TOLERANCE and wanted in given

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A service that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(min(LARGEST, int(self.headers.get("Content-Length") or 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        headers["x-path"] = self.path  # so that a case sees where a redirect has led
        reply = cast(StandIn, self.server).take(Delivery(headers, body))
        self.close_connection = True
        if reply.status:
            answer = json.dumps(reply.document).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening(port: int, secret: str) -> Iterator[StandIn]:
    """A stand-in on this port of 127.0.0.1, within the block.

    Raises:
        OSError: the port is taken.
    """
    server = StandIn(port, secret)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
