"""What is said and heard over a connection: addresses, answers, and the log of both for the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class NoAnswer(Exception):
    """The server closed, reset, hung or sent something that is no HTTP; the message says which."""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        asked: the request line, for messages.
        headers: names in lower case, in order, repeats kept.
        seconds: from the last byte sent to the whole answer.
    """

    asked: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return (self.header("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object in the body; empty without one, which then fails where a member is missed."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def in_words(self) -> str:
        """Status and code, or the beginning of the body."""
        told = self.json.get("code") or self.json.get("detail") or self.body[:80].decode("utf-8", "replace")
        return " ".join(f"{self.status} {told}".split())


@dataclass
class Exchange:
    """One request and what came of it, for the report."""

    sent: str
    received: str = "no answer was waited for"


@dataclass
class Log:
    """Everything a case said and heard."""

    exchanges: list[Exchange] = field(default_factory=list)


@dataclass(frozen=True)
class Address:
    """Where the server is: scheme, host, port, and the path its resources hang below."""

    scheme: str
    host: str
    port: int
    prefix: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Parse a base URL.

        Raises:
            ValueError: no http or https URL.
        """
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no http or https address")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))

    @property
    def host_header(self) -> str:
        """The value of ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = self.port == (443 if self.scheme == "https" else 80)
        return host if default else f"{host}:{self.port}"


def shown(status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> str:
    """An answer as the report has it."""
    head = "\n".join([f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)])
    if not body:
        return head
    text = body[:2000].decode("utf-8", "replace")
    if "\ufffd" in text or len(body) > 2000:
        text = f"[{len(body):,} bytes]"
    return f"{head}\n\n{text}"
