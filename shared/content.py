"""What the bytes say a file is, and whether that is what it claims to be. Pure.

The article: validate by magic bytes, never by name or the browser's ``Content-Type`` alone. The library is
``filetype``: one matcher a type. ``puremagic`` knows MP4 by a list of brands and takes a file of any other
(``iso5``, say) for nothing at all; ``python-magic`` needs a C library installed. What ``filetype`` sees too
narrowly itself (MP4 brands, MP3 without a tag, PDF behind other bytes) is in :mod:`shared.signatures`.

This finds mistakes and disguises, no malice: a file can be a valid GIF and a valid JAR at once. So nothing
that was uploaded is ever shown or run by the server that hands it out.
"""

from __future__ import annotations

from typing import Final

import filetype

from shared.errors import ContentRejected
from shared.signatures import FAMILIES

HEAD_SIZE: Final = 8192
"""Bytes from a file's beginning that are enough here; ``filetype`` reads no more."""

UNKNOWN: Final = "application/octet-stream"

REGISTERED: Final = {
    "aiff": "audio/aiff",
    "flac": "audio/flac",
    "otf": "font/otf",
    "rar": "application/vnd.rar",
    "ttf": "font/ttf",
    "wav": "audio/wav",
    "woff": "font/woff",
    "woff2": "font/woff2",
}
"""By the library's extension: the names in use today, where it has older ones or one name for two types."""

BRANDS: Final = {
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"M4V ": "video/x-m4v",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
}
"""The major brand of an ISO media file, where it is no film (mp4ra.org lists over a hundred that are)."""


def detect_type(head: bytes) -> str:
    """The MIME type that the first bytes say, at most ``HEAD_SIZE`` of them; UNKNOWN if they say nothing."""
    if head[4:8] == b"ftyp":
        return _iso_type(head)
    kind = filetype.guess(head[:HEAD_SIZE])
    if kind is not None:
        return REGISTERED.get(kind.extension, str(kind.mime))
    return next((family.says for family in FAMILIES if family.says and family.carried(head)), UNKNOWN)


def check_content(head: bytes, file_name: str, claimed_mime: str, allowed: frozenset[str]) -> str:
    """The MIME type of a file, if it is what it claims to be and of a type that is taken.

    Args:
        head: the first ``HEAD_SIZE`` bytes, or all there are.
        file_name: its ending is a claim.
        claimed_mime: the browser's word, another claim; parameters are ignored, ``""`` claims nothing.
        allowed: MIME types taken; empty: all.

    Raises:
        ContentRejected: a claimed type has a signature that the bytes do not carry, or their type is not
            on the list.
    """
    detected = detect_type(head)
    extension = file_name.rpartition(".")[2].lower() if "." in file_name else ""
    mime_type = claimed_mime.partition(";")[0].strip().lower()
    for family in FAMILIES:
        if family.claimed_by(extension, mime_type) and not family.carried(head):
            found = "it is empty" if not head else f"its bytes say {detected}"
            raise ContentRejected(f"The name or type claims a {family.name}, but {found}.")
    if allowed and detected not in allowed:
        raise ContentRejected(f"The bytes say {detected}; taken are only {', '.join(sorted(allowed))}.")
    return detected


def _iso_type(head: bytes) -> str:
    major, length = head[8:12], int.from_bytes(head[:4], "big")
    compatible = head[16 : min(length, HEAD_SIZE)]
    if major in (b"mif1", b"msf1"):
        # The common image brand: which codec, only the compatible brands say.
        major = next((brand for brand in (b"avif", b"heic") if brand in compatible), major)
    if major.startswith(b"3g"):
        return "video/3gpp2" if major.startswith(b"3g2") else "video/3gpp"
    return BRANDS.get(major, "video/mp4")
