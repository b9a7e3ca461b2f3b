"""The forms that the protocol gives to things on the wire: FILE, moments, identifiers."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from tests.conformance.case import Violation
from tests.conformance.expect import require, same, shown
from tests.conformance.messages import Answer

FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", re.ASCII)
URL_SAFE: Final = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
"""What RFC 3986 calls unreserved: the same in a path, encoded or not."""

FILE_MEMBERS: Final = {
    "fileId": str,
    "fileName": str,
    "fileSize": int,
    "mimeType": str,
    "fingerprint": str,
    "createdAt": str,
}


def fingerprint(data: bytes) -> str:
    """The SHA-256 of all bytes, in 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def moment(value: object, what: str) -> datetime:
    """A time on the wire.

    Raises:
        Violation: not RFC 3339, or not in UTC.
    """
    if not isinstance(value, str) or not MOMENT.fullmatch(value):
        raise Violation(f"{what} as RFC 3339 in UTC, such as 2026-01-31T12:00:00Z", shown(value))
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))
    except ValueError:
        raise Violation(f"{what} to be a time that exists", shown(value)) from None


def server_time(answer: Answer) -> datetime:
    """The server's clock, where it says; otherwise ours, which may be another."""
    try:
        told = parsedate_to_datetime(answer.header("Date") or "")
    except ValueError:
        return datetime.now(UTC)
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def number(value: object, what: str, least: int = 0) -> int:
    """A JSON number that is a count; ``true`` is none.

    Raises:
        Violation
    """
    if type(value) is not int or value < least:
        raise Violation(f"{what} to be a whole number from {least} on", shown(value))
    return value


def text(value: object, what: str) -> str:
    """A string with something in it.

    Raises:
        Violation
    """
    if not isinstance(value, str) or not value:
        raise Violation(f"{what} to be a string", shown(value))
    return value


def members(value: object, what: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Violation
    """
    if not isinstance(value, dict):
        raise Violation(f"{what} to be an object", shown(value))
    return value


def elements(value: object, what: str) -> list[Any]:
    """A JSON list.

    Raises:
        Violation
    """
    if not isinstance(value, list):
        raise Violation(f"{what} to be a list", shown(value))
    return value


def expect_file(file: Mapping[str, Any], data: bytes, what: str) -> None:
    """Hold FILE to its form, and to the bytes it is about.

    Raises:
        Violation
    """
    for member, kind in FILE_MEMBERS.items():
        value = file.get(member)
        require(type(value) is kind, f"{member} in {what} to be of type {kind.__name__}", shown(value))
    require(URL_SAFE.fullmatch(file["fileId"]), f"a URL-safe fileId in {what}", shown(file["fileId"]))
    moment(file["createdAt"], f"createdAt in {what}")
    same(file["fileSize"], len(data), f"fileSize in {what}")
    same(file["fingerprint"], fingerprint(data), f"fingerprint in {what} (the SHA-256 of its bytes)")


def altered(identifier: str) -> str:
    """An identifier as long and of the same letters as a real one, that nobody was ever given.

    The first character changes: the last may carry bits that a decoder ignores.
    """
    return ("b" if identifier[:1] == "a" else "a") + identifier[1:]


def most_random_bits(ids: list[str]) -> float:
    """How many random bits ids of this look can carry at most: positions that vary × bits of the alphabet.

    Letters that stay the same in forty ids (a prefix, a version number, a clock) are not random.
    """
    shortest = min(map(len, ids))
    varying = [{each[i] for each in ids} for i in range(shortest)]
    random_places = [letters for letters in varying if len(letters) > 1]
    seen = frozenset[str]().union(*random_places)
    alphabets = (("0123456789", 10), ("0123456789abcdef", 16), ("0123456789ABCDEF", 16))
    size = next(
        (count for letters, count in alphabets if seen <= set(letters)), 32 if _one_case(seen) else 64
    )
    return len(random_places) * math.log2(size)


def _one_case(letters: frozenset[str]) -> bool:
    text = "".join(letters)
    return text in (text.lower(), text.upper())
