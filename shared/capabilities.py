"""What a server says of itself at `GET /upload`, so that one client serves all levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask import url_for

from shared.limits import Limits

PROTOCOL_VERSION: Final = 1

CHUNKED_CLAIMS: Final = (
    "chunked",
    "resume",
    "integrity",
    "finalize",
    "dedup",
    "cancel",
    "expiry",
    "shutdown",
    "files",
)


@dataclass(frozen=True)
class Links:
    """Addresses relative to the server's own, or absolute where another server answers."""

    upload: str
    files: str
    preflight: str | None = None
    ticket: str | None = None


@dataclass(frozen=True)
class Capabilities:
    """One server's claims. The conformance suite holds it to each of them.

    Attributes:
        max_file_size: bytes.
        limits: the chunk sizes, or None where nothing is cut into chunks.
        session_ttl: seconds, or None where there are no sessions.
    """

    level: int
    claims: tuple[str, ...]
    max_file_size: int
    links: Links
    limits: Limits | None = None
    session_ttl: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The document."""
        sizes = self.limits and {
            "default": self.limits.default_chunk_size,
            "minimum": self.limits.minimum_chunk_size,
            "maximum": self.limits.maximum_chunk_size,
        }
        return {
            "protocol": PROTOCOL_VERSION,
            "level": self.level,
            "claims": list(self.claims),
            "maxFileSize": self.max_file_size,
            "chunkSize": sizes,
            "sessionTtl": self.session_ttl,
            "links": {
                "upload": self.links.upload,
                "files": self.links.files,
                "preflight": self.links.preflight,
                "ticket": self.links.ticket,
            },
        }


def chunked_capabilities(
    level: int, limits: Limits, session_ttl: float, *, durable: bool, shared: bool = False
) -> Callable[[], Capabilities]:
    """What levels 2 and 3 say of themselves; called inside a request, where addresses can be built.

    Args:
        session_ttl: seconds.
        durable: whether sessions survive a restart, which is a claim of its own.
        shared: whether several servers stand behind one address, or could: nothing they need lies in one of
            them alone.
    """

    def capabilities() -> Capabilities:
        links = Links(
            upload=url_for("upload.show_capabilities"),
            files=url_for("files.list_files"),
            preflight=url_for("preflight.preflight"),
        )
        further = {"durable-sessions": durable, "several-servers": shared}
        claims = (*CHUNKED_CLAIMS, *(claim for claim, holds in further.items() if holds))
        return Capabilities(level, claims, limits.max_file_size, links, limits, session_ttl)

    return capabilities


def service_capabilities(
    level: int, limits: Limits, session_ttl: float, *, durable: bool, shared: bool, application: str
) -> Callable[[], Capabilities]:
    """What level 4's service says of itself: whatever is about files and owners, the application answers.

    Args:
        session_ttl: seconds.
        durable, shared: as for :func:`chunked_capabilities`.
        application: its address, without a path.
    """

    def capabilities() -> Capabilities:
        links = Links(
            upload=url_for("upload.show_capabilities"),
            files=f"{application}/files",
            preflight=f"{application}/upload/preflight",
            ticket=f"{application}/tickets",
        )
        further = {"durable-sessions": durable, "several-servers": shared}
        claims = (
            *CHUNKED_CLAIMS,
            "tickets",
            "callback",
            *(claim for claim, holds in further.items() if holds),
        )
        return Capabilities(level, claims, limits.max_file_size, links, limits, session_ttl)

    return capabilities
