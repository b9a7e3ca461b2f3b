"""What the server says, as values: capabilities, session, file. Parsed strictly, because a proxy's login page
or a broken server must not be mistaken for a confirmed byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin

from shared.uploader.errors import Interrupted

STATES: Final = frozenset({"uploading", "finalizing", "completed", "rejected"})


@dataclass(frozen=True)
class Capabilities:
    """``GET /upload``: what this server can do.

    Attributes:
        level: which of the four levels answers.
        chunk_size: default chunk size in bytes; ``None`` when the server takes a file in one request only.
        max_file_size: bytes.
        upload, files, preflight, ticket: absolute addresses; the last two are ``None`` where there is none.
    """

    level: int
    chunk_size: int | None
    max_file_size: int
    upload: str
    files: str
    preflight: str | None
    ticket: str | None = None


@dataclass(frozen=True)
class RemoteFile:
    """A finished file, as the server recorded it.

    Attributes:
        file_size: bytes.
        fingerprint: SHA-256, lower-case hex, computed by the server.
        created_at: as the server writes it.
    """

    file_id: str
    file_name: str
    file_size: int
    mime_type: str
    fingerprint: str
    created_at: str

    def as_json(self) -> dict[str, object]:
        """The record under its wire names."""
        return {
            "fileId": self.file_id,
            "fileName": self.file_name,
            "fileSize": self.file_size,
            "mimeType": self.mime_type,
            "fingerprint": self.fingerprint,
            "createdAt": self.created_at,
        }


@dataclass(frozen=True)
class RemoteSession:
    """A session, as ``init`` and ``GET`` describe it; sizes and offsets in bytes."""

    session_id: str
    state: str
    uploaded_bytes: int
    file_size: int
    chunk_size: int
    file: RemoteFile | None = None
    problem_code: str = ""
    problem_detail: str = ""


def capabilities_from(body: Mapping[str, object], address: str) -> Capabilities:
    """Read ``GET /upload``; ``address`` is where it was asked, which its links are relative to (RFC 3986, 5).

    Raises:
        Interrupted: this is no capabilities document.
    """
    links = _member(body, "links", dict)
    chunk_size = body.get("chunkSize")
    preflight, ticket = links.get("preflight"), links.get("ticket")
    return Capabilities(
        level=_member(body, "level", int),
        chunk_size=None if chunk_size is None else _count(_member(body, "chunkSize", dict), "default", 1),
        max_file_size=_count(body, "maxFileSize"),
        upload=urljoin(address, _member(links, "upload", str)),
        files=urljoin(address, _member(links, "files", str)),
        preflight=urljoin(address, preflight) if isinstance(preflight, str) else None,
        ticket=urljoin(address, ticket) if isinstance(ticket, str) else None,
    )


def file_from(body: Mapping[str, object]) -> RemoteFile:
    """Read a FILE.

    Raises:
        Interrupted: a member is missing or of the wrong type.
    """
    return RemoteFile(
        file_id=_member(body, "fileId", str),
        file_name=_member(body, "fileName", str),
        file_size=_count(body, "fileSize"),
        mime_type=str(body.get("mimeType") or ""),
        fingerprint=_member(body, "fingerprint", str),
        created_at=str(body.get("createdAt", "")),
    )


def session_from(body: Mapping[str, object]) -> RemoteSession:
    """Read a session; ``init`` answers without ``state``, which then is ``uploading``.

    Raises:
        Interrupted: a member is missing, of the wrong type or out of range.
    """
    state = body.get("state", "uploading")
    if not isinstance(state, str) or state not in STATES:
        raise Interrupted(f"the server calls the session {state!r}, which is no state")
    file, problem = body.get("file"), body.get("problem")
    problem = problem if isinstance(problem, dict) else {}
    session = RemoteSession(
        session_id=_member(body, "sessionId", str),
        state=state,
        uploaded_bytes=_count(body, "uploadedBytes"),
        file_size=_count(body, "fileSize"),
        chunk_size=_count(body, "chunkSize", 1),
        file=file_from(file) if isinstance(file, dict) else None,
        problem_code=str(problem.get("code", "")),
        problem_detail=str(problem.get("detail") or problem.get("title") or "The server refused the file."),
    )
    if session.uploaded_bytes > session.file_size:
        raise Interrupted("the server confirms more bytes than the file has")
    if session.state == "completed" and session.file is None:
        raise Interrupted("the server calls the upload completed and names no file")
    return session


def confirmed_from(body: Mapping[str, object]) -> int:
    """The confirmed offset, in bytes, of a chunk's answer.

    Raises:
        Interrupted: there is none.
    """
    return _count(body, "uploadedBytes")


def _count(body: Mapping[str, object], name: str, least: int = 0) -> int:
    value: int = _member(body, name, int)
    if value < least:
        raise Interrupted(f"the server's answer has {name} {value}")
    return value


def _member(body: Mapping[str, object], name: str, kind: type) -> Any:
    value = body.get(name)
    # type(), not isinstance(): true is an int to Python and none to the protocol.
    if type(value) is not kind:
        raise Interrupted(f"the server's answer lacks {name}; is this an upload server?")
    return value
