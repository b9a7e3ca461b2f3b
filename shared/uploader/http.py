"""One HTTP request, one answer: what urllib3 does, in the words of the protocol.

Every 2xx with a JSON object is an :class:`Answer`; everything else is one of two errors, because the client
knows two reactions: stop (:class:`ServerRefused`) or try again (:class:`Interrupted`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
)
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from shared.uploader.errors import Interrupted, ServerRefused

LARGEST_ANSWER: Final = 8 * 1024 * 1024
"""Bytes of JSON read at most; a server that sends more is not speaking this protocol."""

REDIRECTS: Final = 3

TRANSIENT: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True)
class Answer:
    """A 2xx answer.

    Attributes:
        body: the JSON object; empty when the answer had no body.
        retry_after: seconds, when the server named them.
    """

    status: int
    body: Mapping[str, object]
    retry_after: float | None = None


class Http:
    """A connection pool that does not retry by itself, and follows a redirect only when it is told to.

    Args:
        timeout: seconds without a sign of life after which a request counts as failed. It also bounds the
            sending of each block of a body, so it must leave a slow line its time.
    """

    def __init__(self, *, timeout: float = 60.0) -> None:
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=timeout, read=timeout),
            headers={"User-Agent": "upload-levels"},
        )

    def ask(
        self,
        method: str,
        url: str,
        *,
        document: Mapping[str, object] | None = None,
        body: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and read its JSON answer.

        Args:
            document: sent as JSON.
            body: sent as it comes, block by block; ``headers`` must then hold ``Content-Length``.

        Raises:
            ServerRefused: 3xx, or 4xx other than 408 and 429.
            Interrupted: no answer, 408, 429, 5xx, or an answer that is no JSON object.
        """
        sent = dict(headers or {})
        if document is not None:
            body = [json.dumps(document).encode()]
            sent |= {"Content-Type": "application/json", "Content-Length": str(len(body[0]))}
        with self.open(method, url, headers=sent, body=body) as response:
            data = _read_all(response)
            return Answer(response.status, _json_object(data), _retry_after(response))

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] | None = None,
        follow: bool = False,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """The same, with the 2xx answer's body still to be read by the caller.

        Args:
            follow: go where the server sends us. For bytes only: a redirected upload would be sent twice.

        Raises:
            ServerRefused, Interrupted: as :meth:`ask`; ``Interrupted`` also when the body breaks off inside
                the ``with`` block.
        """
        try:
            response = self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                retries=urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=REDIRECTS)
                if follow
                else False,
                redirect=follow,
                preload_content=False,
            )
            try:
                _raise_for(response)
                yield response
            finally:
                # An answer that was read to its end has given its connection back already. Any other is of
                # no further use: its socket is closed now, not whenever the garbage collector comes by.
                response.close()
        except HTTPError as error:
            raise Interrupted(_reason(error)) from error


def _raise_for(response: urllib3.BaseHTTPResponse) -> None:
    status = response.status
    if 200 <= status < 300:  # noqa: PLR2004 - "2xx"
        return
    problem: Mapping[str, object] = {}
    with suppress(Interrupted, HTTPError):  # without a readable body the status line has said enough
        problem = _json_object(_read_all(response))
    detail = problem.get("detail") or problem.get("title")
    if not isinstance(detail, str):
        detail = f"The server answered {status} {response.reason or ''}".rstrip() + "."
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in TRANSIENT:
        raise Interrupted(f"{status}: {detail.rstrip('.')}", retry_after=_retry_after(response))
    if status < HTTPStatus.BAD_REQUEST:
        detail = f"The server redirects to {response.headers.get('Location', 'nowhere')}; use that address."
    code, uploaded = problem.get("code"), problem.get("uploadedBytes")
    raise ServerRefused(
        detail,
        status=status,
        problem_code=code if isinstance(code, str) else "",
        uploaded_bytes=uploaded if type(uploaded) is int else None,
    )


def _read_all(response: urllib3.BaseHTTPResponse) -> bytes:
    data = response.read(LARGEST_ANSWER + 1)
    if len(data) > LARGEST_ANSWER:
        raise Interrupted("the answer is longer than any answer of this protocol")
    return data


def _json_object(data: bytes) -> Mapping[str, object]:
    if not data:
        return {}
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Interrupted("the answer is no JSON; is this an upload server?") from error
    if not isinstance(parsed, dict):
        raise Interrupted("the answer is JSON, but no object; is this an upload server?")
    return parsed


def _retry_after(response: urllib3.BaseHTTPResponse) -> float | None:
    """``Retry-After`` (RFC 9110, 10.2.3) in seconds, given as seconds or as a date; ``None`` without one."""
    text = response.headers.get("Retry-After")
    if text is None:
        return None
    try:
        return max(0.0, float(urllib3.Retry(0).parse_retry_after(text)))
    except InvalidHeader:
        return None


def _reason(error: HTTPError) -> str:
    match error:
        case NameResolutionError():
            return "the server's name cannot be resolved"
        case ConnectTimeoutError() | NewConnectionError():
            return "the server cannot be reached"
        case Urllib3Timeout():
            return "the server was silent for too long"
        case ProtocolError():
            return "the connection broke off"
        case _:
            return f"the connection broke ({type(error).__name__})"
