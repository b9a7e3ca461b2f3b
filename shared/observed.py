"""Every request leaves one trace: a line in the log and a count in the metrics, when it is over.

Over means that the last byte of the answer has been handed to the server: a download that breaks off is
logged with what was sent of it. The path is never written down, only the route's template: a path has a
session id in it, and whoever knows that can go on with the upload.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, request

from shared.body import arrived
from shared.metrics import Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

TRACE: Final = "upload-levels.trace"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
"""Anything else is "other": clients may send any word, and each would be a time series for ever."""
CONVERTER: Final = re.compile(r"<\w+:")
"""What Flask's templates say of a part's form."""
SHOWN: Final = re.compile(r"([\w-]{6})[\w-]+", re.ASCII)
"""The six characters of a session id that may be shown. 156 of its 192 bits stay secret."""


@dataclass
class Trace:
    """One request, as far as it may be told. Seconds and bytes."""

    method: str
    started: float = field(default_factory=time.perf_counter)
    route: str = "none"
    endpoint: str = ""
    status: int = 500
    code: str = ""
    session: str = ""
    sent: int = 0


def observe_requests(app: Flask, metrics: Metrics) -> None:
    """Trace every request of ``app``."""

    @app.after_request
    def note(response: Response) -> Response:
        trace: Trace = request.environ[TRACE]
        trace.status = response.status_code
        if request.url_rule is not None:
            trace.route = CONVERTER.sub("<", request.url_rule.rule)
            trace.endpoint = request.url_rule.endpoint
        if response.mimetype == "application/problem+json":
            trace.code = str((response.get_json(silent=True) or {}).get("code", ""))
        session_id = (request.view_args or {}).get("session_id")
        if trace.endpoint == "upload.init":  # its answer is where the id is told for the first time
            session_id = response.headers.get("Location", "").rpartition("/")[2]
        trace.session = shown(session_id)
        return response

    app.wsgi_app = _Traced(app.wsgi_app, metrics)  # type: ignore[method-assign] # as Flask's own manual does


def shown(session_id: str | None) -> str:
    """As much of a session id as a log may have; nothing of what is none."""
    found = SHOWN.fullmatch(session_id or "")
    return f"{found[1]}…" if found else ""


@dataclass(frozen=True)
class _Traced:
    app: WSGIApplication
    metrics: Metrics

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        trace = environ[TRACE] = Trace(method if method in METHODS else "other")
        return _Answer(self.app(environ, start_response), trace, environ, self.metrics)


@dataclass
class _Answer:
    """The answer's bytes, counted as the server takes them."""

    answer: Iterable[bytes]
    trace: Trace
    environ: WSGIEnvironment
    metrics: Metrics

    def __iter__(self) -> Iterator[bytes]:
        for block in self.answer:
            self.trace.sent += len(block)
            yield block

    def close(self) -> None:
        close = getattr(self.answer, "close", None)
        if close is not None:
            close()
        finished(self.trace, arrived(self.environ), self.metrics)


def finished(trace: Trace, received: int | None, metrics: Metrics) -> None:
    """Write one finished request down.

    Args:
        received: bytes of its body that were read; None where nobody counted.
    """
    seconds = time.perf_counter() - trace.started
    metrics.requests.labels(trace.method, trace.route, str(trace.status), trace.code).inc()
    if trace.endpoint == "upload.append" and trace.status == 200:  # noqa: PLR2004 - a confirmed chunk
        metrics.chunk_seconds.observe(seconds)
    if not log.isEnabledFor(logging.INFO):
        return
    told: dict[str, Any] = {
        "method": trace.method,
        "path": trace.route,
        "status": trace.status,
        "code": trace.code,
        "seconds": round(seconds, 6),
        "received": received,
        "sent": trace.sent,
        "session": trace.session,
    }
    log.info("request", extra={"fields": {k: v for k, v in told.items() if v not in ("", None)}})
