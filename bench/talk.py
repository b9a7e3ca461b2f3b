"""What one uploading client says to one server: the requests of the protocol, and what their answers mean.

The sockets are plain. Under locust they are gevent's, and nothing changes here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote, urlsplit

from bench.connection import Answer, Connection, Unexpected
from bench.payload import Payload

BOUNDARY: Final = "upload-levels-bench"
TRANSIENT: Final = (408, 429)
GONE: Final = (404, 410)
CHUNK: Final = {"Content-Type": "application/octet-stream"}
JSON: Final = {"Content-Type": "application/json"}
DROP: Final = 0.25
"""Seconds between two drops of a client on a slow line."""


class Interrupted(Exception):
    """A failure after which the client comes again: a broken line, a 5xx, 408 or 429.

    Attributes:
        retry_after: seconds that the server asked for, or None.
    """

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Refused(Exception):
    """The server will not have this; trying again would not help."""


class SessionGone(Refused):
    """The server does not know the session (404, 410): the upload begins anew, once."""


class Conflict(Exception):
    """409.

    Attributes:
        uploaded_bytes: the offset that the server has, if it told.
    """

    def __init__(self, uploaded_bytes: int | None) -> None:
        super().__init__(f"the server has {uploaded_bytes} bytes")
        self.uploaded_bytes = uploaded_bytes


@dataclass(frozen=True)
class Manner:
    """How a client sends.

    Attributes:
        send_buffer: see :class:`bench.connection.Connection`.
        drip: bytes per second at most, for a client on a slow line; None: as fast as it can.
    """

    send_buffer: int | None = None
    drip: float | None = None


FAST: Final = Manner()


class Talk:
    """The requests, over one connection that is opened again when it broke.

    Args:
        on_sent: told how many bytes of a chunk the kernel has just taken.

    Every request raises :class:`Interrupted`, or :class:`Refused` where the answer is final.
    """

    def __init__(self, url: str, payload: Payload, manner: Manner, on_sent: Callable[[int], None]) -> None:
        self._url, self._payload, self._manner, self._on_sent = url, payload, manner, on_sent
        self._base = urlsplit(url).path.rstrip("/")
        self._connection: Connection | None = None
        self.stopped = False

    def capabilities(self) -> dict[str, Any]:
        """What the server says of itself."""
        return _object(self._ask("GET", "/upload", {}).expect(200))

    def init(self, file_size: int, chunk_size: int, ticket: str | None) -> dict[str, Any]:
        """Open a session."""
        headers = JSON if ticket is None else {**JSON, "Authorization": f"Bearer {ticket}"}
        wish = {"fileName": "bench.bin", "fileSize": file_size, "chunkSize": chunk_size}
        return _object(self._ask("POST", "/upload/init", headers, wish).expect(201))

    def offset(self, session: str) -> int:
        """How many bytes the server has."""
        return int(_member(self._status(session), "uploadedBytes"))

    def state(self, session: str) -> str:
        """What has become of the session."""
        return str(_member(self._status(session), "state"))

    def _status(self, session: str) -> Answer:
        return self._ask("GET", _session(session), {}).expect(200)

    def chunk(self, session: str, offset: int, length: int) -> int:
        """Send one chunk.

        Returns:
            the offset that is confirmed now.

        Raises:
            Conflict: the server has another offset.
        """
        headers = {**CHUNK, "x-upload-offset": str(offset)}
        answer = self._send("PUT", _session(session), headers, length, unique=offset == 0)
        return int(_member(answer.expect(200), "uploadedBytes"))

    def complete(self, session: str) -> str:
        """Say that all bytes are there; the state that the session has then."""
        answer = self._ask("POST", f"{_session(session)}/complete", JSON)
        return str(_member(answer.expect(200, 202), "state"))

    def cancel(self, session: str) -> None:
        """Give the session up."""
        self._ask("DELETE", _session(session), {}).expect(204)

    def post_whole(self, size: int) -> None:
        """Level 1: everything in one form, nothing to resume."""
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="bench.bin"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        around = (head.encode(), f"\r\n--{BOUNDARY}--\r\n".encode())
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        self._send("POST", "/upload", headers, size, unique=True, around=around).expect(201)

    def hang_up(self) -> None:
        """Close the connection; the next request opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, method: str, path: str, headers: dict[str, str], body: object = None) -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        try:
            return self._judged(self._connected().ask(method, self._base + path, headers, data))
        except (OSError, HTTPException, Unexpected) as error:
            raise self._broken(error) from error

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        length: int,
        *,
        unique: bool,
        around: tuple[bytes, bytes] = (b"", b""),
    ) -> Answer:
        try:
            connection = self._connected()
            connection.begin(method, self._base + path, headers, length + sum(map(len, around)))
            connection.socket.sendall(around[0])
            self._pour(connection, length, unique)
            connection.socket.sendall(around[1])
            return self._judged(connection.answer())
        except (OSError, HTTPException, Unexpected) as error:
            raise self._broken(error) from error

    def _pour(self, connection: Connection, length: int, unique: bool) -> None:
        drip = self._manner.drip
        if drip is None:
            for piece in self._payload.pieces(connection.socket, length, unique=unique):
                self._on_sent(piece)
            return
        drop = max(int(drip * DROP), 1)
        for start in range(0, length, drop):
            if self.stopped:
                raise ConnectionError("stopped")
            size = min(drop, length - start)
            self._on_sent(self._payload.send(connection.socket, size, unique=unique and start == 0))
            time.sleep(DROP)

    def _judged(self, answer: Answer) -> Answer:
        if answer.status >= 500 or answer.status in TRANSIENT:
            asked = answer.headers.get("retry-after", "")
            raise Interrupted(f"answered {answer.status}", float(asked) if asked.isdecimal() else None)
        if answer.status == 409:
            found = _object(answer).get("uploadedBytes")
            raise Conflict(found if isinstance(found, int) else None)
        if answer.status >= 400:
            kind = SessionGone if answer.status in GONE else Refused
            raise kind(f"answered {answer.status}: {answer.body[:200].decode(errors='replace')}")
        return answer

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.over:
            self._connection = Connection(self._url, self._manner.send_buffer)
        return self._connection

    def _broken(self, error: Exception) -> Interrupted:
        self.hang_up()
        return Interrupted(f"{type(error).__name__}: {error}")


def ticket(link: str) -> str:
    """A permission to upload, from whoever hands them out (level 4: the application).

    Raises:
        Interrupted, Refused: it hands out none.
    """
    try:
        connection = Connection(link)
        answer = connection.ask("POST", urlsplit(link).path, JSON, b"{}")
        connection.close()
    except (OSError, HTTPException, Unexpected) as error:
        raise Interrupted(f"no ticket: {error}") from error
    if answer.status not in (200, 201):
        raise Refused(f"no ticket: answered {answer.status}")
    return str(_member(answer, "ticket"))


def _session(session: str) -> str:
    return f"/upload/{quote(session, safe='')}"


def _member(answer: Answer, name: str) -> Any:
    """A member of a JSON object.

    Raises:
        Interrupted: it is not there; something between here and the server answered, perhaps.
    """
    found = _object(answer)
    if name not in found:
        raise Interrupted(f"answered {answer.status} without {name}")
    return found[name]


def _object(answer: Answer) -> dict[str, Any]:
    """A JSON object; an answer that is none says nothing."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
