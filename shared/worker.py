"""gunicorn's threaded worker with a few manners added. This and :mod:`shared.body` are all that knows
gunicorn from the inside; `tests/faults/test_worker.py` fails when an upgrade changes what they rely on.

- A connection costs a thread only once a request has begun to arrive. The stock worker gives every new
  connection a thread for up to five seconds, so a thousand silent ones would keep everybody else out.
- A client that is slow to hang up costs a thread a moment; the stock worker would make everybody wait.
- Leaving, it refuses new connections at once and does not wait for silent ones. The stock worker keeps its
  socket open until the grace period is over: clients connect, and hear nothing.
- Out of file descriptors it waits a moment; the stock worker dies, and every upload in flight with it.
- What the parser refuses is answered with a problem document, like everything else here, and only once.
"""

from __future__ import annotations

import errno
import json
import time
from concurrent.futures import Future
from typing import Any

from gunicorn import util
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers import gthread


class UploadWorker(gthread.ThreadWorker):
    """One process, many threads; a thread a request."""

    def enqueue_req(self, conn: Any) -> None:
        """Give the connection a thread, or let the poller watch it until its first byte is there."""
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        silent: Future[Any] = Future()
        silent.set_result(gthread._DEFER)  # type: ignore[attr-defined] # newer than the stubs
        self.finish_request(conn, silent)

    def handle(self, conn: Any) -> Any:
        """Serve a request; where the connection ends with it, see the client off in this thread.

        A close has to wait until the client has read its answer (RFC 9112, section 9.6). The stock worker
        waits in its event loop, up to two seconds, in which nobody else is accepted or served.
        """
        kept = super().handle(conn)
        if not kept:
            util.close_graceful(conn.sock)
        return kept

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        """Take note of the end of a request, in the event loop, without waiting for anybody."""
        if not fs.cancelled() and fs.exception() is None and not fs.result():
            self.nr_conns -= 1
            conn.close()
            return
        super().finish_request(conn, fs)

    def set_accept_enabled(self, enabled: bool | None) -> None:
        """Begin or cease to accept; for good, when the worker is leaving."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()
            for conn in self.pending_conns:
                conn.timeout = 0.0  # those whose request has just come are served first

    def accept(self, listener: Any) -> None:
        """Accept one connection; without a free descriptor, leave it in the backlog for now."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self.log.warning("out of file descriptors; new connections wait")
            time.sleep(0.05)

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        """Whether the connection can go on. An unread body that is broken ends it; the answer has been given,
        and a second one would be taken for the answer to the next request."""
        try:
            return bool(super()._keepalive_after(conn, keepalive))  # type: ignore[misc] # newer than the stubs
        except ParseException:
            return False

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what is no HTTP with a problem document; leave the rest to gunicorn."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        status = (
            431 if isinstance(exc, LimitRequestHeaders) else 414 if isinstance(exc, LimitRequestLine) else 400
        )
        body = json.dumps(
            {
                "type": "about:blank",
                "title": "The request is not well-formed HTTP",
                "status": status,
                "detail": f"{type(exc).__name__}: {exc}"[:200],
                "code": "invalid-request",
            }
        ).encode()
        head = (
            f"HTTP/1.1 {status} Bad Request\r\nConnection: close\r\n"
            f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            client.sendall(head.encode("ascii") + body)
        except OSError:
            self.log.debug("the client left before its error could be told")
