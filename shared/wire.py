"""What goes over the wire, in the article's words. The mapping between the two vocabularies stands here.

Inside: ``committed_offset``, ``declared_size``. On the wire: ``uploadedBytes``, ``fileSize``.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from shared.errors import FinalizationStalled, InvalidOffset, InvalidRequest, LengthRequired, MemberError
from shared.files import FileRecord
from shared.session import Session, State
from shared.uploads import NewUpload

OFFSET_HEADER: Final = "x-upload-offset"
LARGEST_JSON: Final = 64 * 1024
LONGEST_NAME: Final = 255
LONGEST_MIME_TYPE: Final = 255
LARGEST_NUMBER: Final = 2**63 - 1

# Python's int() takes "+5", "5_0" and Arabic digits. The wire takes none of them: match first, then convert.
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})", re.ASCII)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256=([^,]*)", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def timestamp(seconds: float) -> str:
    """Seconds since the epoch → RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def file_json(file: FileRecord) -> dict[str, Any]:
    """FILE, as every level shows it."""
    return {
        "fileId": file.file_id,
        "fileName": file.file_name,
        "fileSize": file.file_size,
        "mimeType": file.mime_type,
        "fingerprint": file.fingerprint,
        "createdAt": timestamp(file.created_at),
    }


def init_json(session: Session) -> dict[str, Any]:
    """The answer to init."""
    return {
        "sessionId": session.session_id,
        "uploadedBytes": session.committed_offset,
        "fileSize": session.declared_size,
        "chunkSize": session.chunk_size,
        "expiresAt": timestamp(session.expires_at),
    }


def session_json(session: Session) -> dict[str, Any]:
    """The answer to "where are we?"."""
    answer = {
        **init_json(session),
        "state": session.state,
        "fileName": session.file_name,
        "mimeType": session.mime_type,
    }
    if session.file is not None:
        answer["file"] = file_json(session.file)
    if session.state is State.REJECTED:
        answer["problem"] = {"code": session.problem_code, "detail": session.problem_detail}
    if session.is_stalled:
        # What exactly failed is the operator's business (`last_error`), and might be a host's name.
        answer["problem"] = {"code": FinalizationStalled.code, "detail": FinalizationStalled.title}
    return answer


def completion_json(session: Session) -> dict[str, Any]:
    """The answer to complete, while it runs and when it is done."""
    answer: dict[str, Any] = {"state": session.state}
    if session.file is not None:
        answer |= {"file": file_json(session.file), "duplicate": session.duplicate}
    return answer


def parse_json(raw: bytes) -> dict[str, Any]:
    """The JSON object in ``raw`` (UTF-8).

    Raises:
        InvalidRequest: too large, not UTF-8, not JSON, nested too deep, or not an object.
    """
    if len(raw) > LARGEST_JSON:
        raise InvalidRequest(f"The JSON body is larger than {LARGEST_JSON:,} bytes.")
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The body is no JSON: {str(error)[:200]}.") from None
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return value


@dataclass(frozen=True)
class Preflight:
    """Does a file with these bytes exist?"""

    fingerprint: str
    file_size: int


def parse_init(body: Mapping[str, Any], owner: str = "") -> NewUpload:
    """The members of init.

    Raises:
        InvalidRequest: naming every member that is missing or of the wrong type.
    """
    problems: list[MemberError] = []
    new = NewUpload(
        file_name=_file_name(body, problems),
        declared_size=_number(body, "fileSize", problems, required=True) or 0,
        mime_type=_mime_type(body, problems),
        fingerprint=_fingerprint(body, problems),
        chunk_size=_number(body, "chunkSize", problems, least=1),
        owner=owner,
    )
    _raise(problems)
    return new


def parse_complete(body: Mapping[str, Any]) -> str:
    """The fingerprint claimed at complete, or ``""``."""
    problems: list[MemberError] = []
    fingerprint = _fingerprint(body, problems)
    _raise(problems)
    return fingerprint


def parse_preflight(body: Mapping[str, Any]) -> Preflight:
    """The members of preflight."""
    problems: list[MemberError] = []
    fingerprint = _fingerprint(body, problems, required=True)
    size = _number(body, "fileSize", problems, required=True)
    _raise(problems)
    return Preflight(fingerprint, size or 0)


def parse_offset(header: str | None) -> int:
    """``x-upload-offset`` → bytes. A header sent twice arrives joined by a comma and is refused too.

    Raises:
        InvalidOffset
    """
    if header is None or not _NUMBER.fullmatch(header):
        raise InvalidOffset
    return int(header)


def parse_length(header: str | None) -> int:
    """``Content-Length`` → bytes.

    Raises:
        LengthRequired: absent, as in chunked transfer: the server must know what it is promised.
        InvalidRequest: no number.
    """
    if not header:
        raise LengthRequired
    if not header.isascii() or not header.isdecimal():
        raise InvalidRequest("Content-Length is no number.")
    return int(header[:20])


def parse_digest(header: str | None) -> bytes | None:
    """The SHA-256 in ``Content-Digest`` (RFC 9530), or None where it names none.

    Raises:
        InvalidRequest: a sha-256 member that is none.
    """
    found = _DIGEST.search(header or "")
    if found is None:
        return None
    quoted = re.fullmatch(r"\s*:(.*):\s*", found[1])
    try:
        digest = base64.b64decode(quoted[1], validate=True) if quoted else b""
    except ValueError:
        digest = b""
    if len(digest) != 32:  # noqa: PLR2004 - the length of a SHA-256
        raise InvalidRequest("Content-Digest: sha-256 must be 32 bytes of base64 between colons.")
    return digest


def parse_limit(text: str | None, default: int = 50, most: int = 500) -> int:
    """``?limit=`` of a listing.

    Raises:
        InvalidRequest: no number from 1 on; more than ``most`` is taken for ``most``.
    """
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or int(text) < 1:
        raise InvalidRequest(errors=[MemberError("limit", "must be a number from 1 on")])
    return min(int(text), most)


def clean_file_name(name: str) -> str | None:
    """The last component of ``name``, or None if that is no name: 1–255 bytes, no control characters.

    A name is metadata and never a path; browsers that upload folders send one all the same.
    """
    base = re.split(r"[/\\]", name)[-1]
    try:
        size = len(base.encode("utf-8"))
    except UnicodeEncodeError:  # a lone surrogate, possible in JSON and in no file system
        return None
    if not 1 <= size <= LONGEST_NAME or _CONTROL.search(base) or base in (".", ".."):
        return None
    return base


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def _raise(problems: list[MemberError]) -> None:
    if problems:
        raise InvalidRequest(errors=problems)


def _file_name(body: Mapping[str, Any], problems: list[MemberError]) -> str:
    value = body.get("fileName")
    name = clean_file_name(value) if isinstance(value, str) else None
    if name is None:
        problems.append(
            MemberError("fileName", f"must be a name of 1 to {LONGEST_NAME} bytes without control characters")
        )
    return name or ""


def _number(
    body: Mapping[str, Any],
    member: str,
    problems: list[MemberError],
    *,
    required: bool = False,
    least: int = 0,
) -> int | None:
    value = body.get(member)
    if value is None and not required and member not in body:
        return None
    # A bool is an int in Python, and true is no number of bytes.
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST_NUMBER:
        problems.append(MemberError(member, f"must be a whole number of bytes, at least {least}"))
        return None
    return value


def _mime_type(body: Mapping[str, Any], problems: list[MemberError]) -> str:
    value = body.get("mimeType", "")
    if (
        not isinstance(value, str)
        or len(value) > LONGEST_MIME_TYPE
        or not value.isascii()
        or _CONTROL.search(value)
    ):
        problems.append(MemberError("mimeType", f"must be at most {LONGEST_MIME_TYPE} ASCII characters"))
        return ""
    return value


def _fingerprint(body: Mapping[str, Any], problems: list[MemberError], *, required: bool = False) -> str:
    value = body.get("fingerprint")
    if value is None and not required and "fingerprint" not in body:
        return ""
    if not isinstance(value, str) or not _FINGERPRINT.fullmatch(value):
        problems.append(MemberError("fingerprint", "must be a SHA-256 in 64 lower-case hex digits"))
        return ""
    return value
