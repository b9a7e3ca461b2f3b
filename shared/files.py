"""A finished file, as the catalogue records it and the wire shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileRecord:
    """One finished file.

    Attributes:
        file_id: opaque, URL-safe.
        file_name: metadata from the client; never a path.
        file_size: bytes.
        mime_type: what the bytes say, not what the browser said.
        fingerprint: SHA-256 of the bytes, lower-case hex, computed by the server.
        created_at: seconds since the epoch.
    """

    file_id: str
    file_name: str
    file_size: int
    mime_type: str
    fingerprint: str
    created_at: float
