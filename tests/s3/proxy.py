"""A proxy before a real S3 server: it checks what S3 would check (rules.py), and breaks what a test plans.

It reads a request to its end, asks the rules, forwards the very bytes that were signed, and answers. A fault
before the effect means that the server behind never saw the request; after, that the client never saw the
answer.
"""

from __future__ import annotations

import http.client
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Final, Self
from urllib.parse import urlsplit

from tests.s3.faults import PATIENCE, Fault, Gate, Kind, When
from tests.s3.operations import Operation, Request, Response, s3_error
from tests.s3.rules import Rules

HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "expect"}
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds


class S3Proxy:
    """Listens on 127.0.0.1; a context manager.

    Args:
        upstream: URL of the server behind.
        rules: what is checked.

    Attributes:
        seen: every operation, in the order of arrival.
    """

    def __init__(self, upstream: str, rules: Rules | None = None) -> None:
        self.upstream = urlsplit(upstream)
        self.rules = rules or Rules()
        self.seen: list[Operation] = []
        self.stopped = threading.Event()
        self._faults: list[Fault] = []
        self._gates: list[Gate] = []
        self._lock = threading.Lock()
        self._server = _Listener(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=[0.02], name="s3 proxy", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        for gate in self._gates:
            gate.open()
        self._server.shutdown()
        self._server.server_close()

    def plan(self, *faults: Fault) -> None:
        """From now on."""
        with self._lock:
            self._faults += faults

    def heal(self) -> None:
        """No faults any more."""
        with self._lock:
            self._faults.clear()

    def hold(self, operation: Operation, when: When = When.BEFORE) -> Gate:
        """Make the next ``operation`` wait at a gate."""
        gate = Gate(operation, when)
        with self._lock:
            self._gates.append(gate)
        return gate

    def fault_for(self, operation: Operation) -> Fault | None:
        """The fault whose turn it is."""
        with self._lock:
            self.seen.append(operation)
            return next((fault for fault in self._faults if fault.hits(operation)), None)

    def wait_at_gate(self, operation: Operation, when: When) -> None:
        """Wait, if a test has put a gate there."""
        with self._lock:
            waiting = [g for g in self._gates if (g.operation, g.when) == (operation, when)]
        for gate in waiting:
            gate.pass_through()

    def forward(self, request: Request) -> Response:
        """Have the server behind do it."""
        connection = http.client.HTTPConnection(
            self.upstream.hostname or "", self.upstream.port, timeout=PATIENCE
        )
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("connection", "close")
            connection.endheaders(request.body)
            answer = connection.getresponse()
            body = answer.read()
            kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in HOP_BY_HOP]
            if answer.getheader("content-length") is None:
                kept.append(("Content-Length", str(len(body))))
            return Response(answer.status, tuple(kept), body)
        finally:
            connection.close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def shutdown_request(self, request: Any) -> None:
        """Close at once: a FIN before it would turn a reset into an ordinary end."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to print: many tests want just that."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    disable_nagle_algorithm = True
    wbufsize = -1
    proxy: ClassVar[S3Proxy]

    def handle_one_request(self) -> None:
        """Read one request and see it through."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        try:
            self._serve()
        except (_Gone, OSError, http.client.HTTPException):
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        """S3 wants the body; it says so at once."""
        self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
        operation = request.operation
        fault = self.proxy.fault_for(operation)
        if fault is not None and (fault.kind, fault.when) == (Kind.RESET, When.BEFORE):
            self._reset()
        request = replace(request, body=self._body())
        if fault is not None and fault.kind is Kind.CORRUPT:
            request = replace(request, body=corrupted(request.body))
            fault = None
        self.proxy.wait_at_gate(operation, When.BEFORE)
        if fault is not None and fault.when is When.BEFORE:
            self._act(fault)
            return
        response = self.proxy.rules.refusal(request)
        if response is None:
            response = self.proxy.forward(request)
            self.proxy.rules.learn(request, response)
        self.proxy.wait_at_gate(operation, When.AFTER)
        if fault is None:
            self._answer(response)
        elif fault.kind is Kind.CUT:
            self._answer(replace(response, body=response.body[: len(response.body) // 2]))
            self._reset()
        else:
            self._act(fault)

    def _body(self) -> bytes:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise _Gone  # the client left inside its request: S3 would keep nothing of it
        return body

    def _act(self, fault: Fault) -> None:
        acts: dict[Kind, Callable[[], None]] = {
            Kind.ERROR: lambda: self._answer(s3_error(500, "InternalError")),
            Kind.SLOW_DOWN: lambda: self._answer(s3_error(503, "SlowDown", "Reduce your request rate.")),
            Kind.ERROR_IN_200: lambda: self._answer(replace(s3_error(500, "InternalError"), status=200)),
            Kind.PRETEND: lambda: self._answer(Response(204, ())),
            Kind.HANG: self._hang,
            Kind.RESET: self._reset,
        }
        acts[fault.kind]()

    def _answer(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def _hang(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not self.proxy.stopped.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable:  # nothing is to come but the end
                break
        raise _Gone

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        raise _Gone


class _Gone(Exception):
    """This connection is over."""


def corrupted(body: bytes) -> bytes:
    """``body`` with one bit of its middle turned."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
