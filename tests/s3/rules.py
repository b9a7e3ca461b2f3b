"""What S3 refuses and some of the servers that speak its language let through.

The proxy holds every request to these rules before it reaches the server behind: an upload that has ended
does not come back, the bytes are those of the checksum, the parts are those that were sent and large enough.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from xml.etree import ElementTree

import crc32c

from tests.s3.operations import Operation, Request, Response, s3_error

S3_MINIMUM: Final = 5 * 1024 * 1024
"""Bytes of the smallest part that may be followed by another (S3, "Multipart upload limits")."""

LAST_PART_NUMBER: Final = 10_000


def _int4(checksum: Callable[[bytes], int]) -> Callable[[bytes], bytes]:
    return lambda data: checksum(data).to_bytes(4, "big")


CHECKSUMS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "content-md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "x-amz-checksum-crc32": _int4(zlib.crc32),
    "x-amz-checksum-crc32c": _int4(crc32c.crc32c),
    "x-amz-checksum-sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "x-amz-checksum-sha256": lambda data: hashlib.sha256(data).digest(),
}
"""By header: what its base64 must decode to."""


@dataclass
class _Upload:
    parts: dict[int, tuple[str, int]] = field(default_factory=dict)
    ended: bool = False


class Rules:
    """What the proxy knows of the uploads that went through it.

    Args:
        minimum_part: bytes; 0 lets tests use small chunks.

    Attributes:
        violations: what no client should do, though no server would say so.
    """

    def __init__(self, minimum_part: int = 0) -> None:
        self.minimum_part = minimum_part
        self.violations: list[str] = []
        self._uploads: dict[str, _Upload] = {}
        self._lock = threading.Lock()

    def refusal(self, request: Request) -> Response | None:
        """What S3 would answer instead of doing it, if anything."""
        with self._lock:
            upload = self._uploads.get(request.query.get("uploadId", ""))
            if upload is not None and upload.ended:
                return s3_error(404, "NoSuchUpload", "The upload has been completed or aborted.")
            if (wrong := _wrong_checksum(request)) is not None:
                return wrong
            match request.operation:
                case Operation.UPLOAD_PART:
                    return self._check_part(request, upload)
                case Operation.LIST_UPLOADS | Operation.LIST_OBJECTS if not request.query.get("prefix"):
                    # The least-privilege policy of the README allows listing below a prefix and no other.
                    self.violations.append(f"{request.operation} of the whole bucket")
                    return None
                case Operation.COMPLETE if upload is not None:
                    return self._check_complete(request, upload)
            return None

    def learn(self, request: Request, response: Response) -> None:
        """The server behind has answered."""
        if response.status >= 300:
            return
        with self._lock:
            match request.operation:
                case Operation.CREATE:
                    found = re.search(rb"<UploadId>(.+?)</UploadId>", response.body)
                    assert found is not None, response.body
                    self._uploads[found[1].decode()] = _Upload()
                case Operation.UPLOAD_PART:
                    part = (response.header("etag") or "").strip('"'), len(request.unframed()[0])
                    self._of(request).parts[int(request.query["partNumber"])] = part
                case Operation.ABORT:
                    self._of(request).ended = True
                case Operation.COMPLETE if b"<Error>" not in response.body:
                    self._of(request).ended = True

    def _of(self, request: Request) -> _Upload:
        return self._uploads.setdefault(request.query["uploadId"], _Upload())

    def _check_part(self, request: Request, upload: _Upload | None) -> Response | None:
        number = int(request.query["partNumber"])
        if not 1 <= number <= LAST_PART_NUMBER:
            self.violations.append(f"part number {number}")
            return s3_error(400, "InvalidArgument", "Part number must be between 1 and 10000")
        if "content-length" not in request.headers:
            self.violations.append("a part without Content-Length")
            return s3_error(411, "MissingContentLength")
        if upload is not None:
            size = len(request.unframed()[0])
            larger = [n for n, (_, before) in upload.parts.items() if n < number and before < size]
            if larger:
                self.violations.append(f"part {number} is larger than part {larger[0]} before it")
        return None

    def _check_complete(self, request: Request, upload: _Upload) -> Response | None:
        named = _named_parts(request.body)
        if not named:
            return s3_error(400, "MalformedXML", "A part must be named")
        numbers = [number for number, _ in named]
        if numbers != sorted(set(numbers)):
            return s3_error(400, "InvalidPartOrder")
        for number, etag in named:
            if upload.parts.get(number, ("", 0))[0] != etag:
                return s3_error(400, "InvalidPart", f"part {number}")
        if any(upload.parts[number][1] < self.minimum_part for number in numbers[:-1]):
            return s3_error(400, "EntityTooSmall")
        return None


def _named_parts(body: bytes) -> list[tuple[int, str]]:
    root = ElementTree.fromstring(body)
    return [
        (int(part.findtext("{*}PartNumber", "0")), part.findtext("{*}ETag", "").strip('"'))
        for part in root.findall("{*}Part")
    ]


def _wrong_checksum(request: Request) -> Response | None:
    try:
        payload, behind = request.unframed()
    except ValueError as error:
        return s3_error(400, "IncompleteBody", str(error))
    if len(payload) != int(request.headers.get("x-amz-decoded-content-length", len(payload))):
        return s3_error(400, "IncompleteBody", "not as many bytes as x-amz-decoded-content-length says")
    promised = request.headers.get("x-amz-trailer")
    if request.framed and promised is not None and promised.lower() not in behind:
        return s3_error(400, "MalformedTrailerError", f"{promised} was promised")
    for name, checksum in CHECKSUMS.items():
        told = behind.get(name) or request.headers.get(name)
        if told is not None and base64.b64decode(told) != checksum(payload):
            return s3_error(400, "BadDigest", f"{name} is that of other bytes")
    told = request.headers.get("x-amz-content-sha256", "")
    if re.fullmatch("[0-9a-f]{64}", told) and told != hashlib.sha256(request.body).hexdigest():
        return s3_error(400, "XAmzContentSHA256Mismatch")
    return None
