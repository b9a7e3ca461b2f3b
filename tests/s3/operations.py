"""Which S3 operation an HTTP request is, and the requests and answers as the proxy passes them on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

Headers = Mapping[str, str]


class Operation(StrEnum):
    """As S3's own documentation names them."""

    CREATE = "CreateMultipartUpload"
    UPLOAD_PART = "UploadPart"
    LIST_PARTS = "ListParts"
    COMPLETE = "CompleteMultipartUpload"
    ABORT = "AbortMultipartUpload"
    LIST_UPLOADS = "ListMultipartUploads"
    HEAD = "HeadObject"
    GET = "GetObject"
    PUT = "PutObject"
    DELETE = "DeleteObject"
    LIST_OBJECTS = "ListObjectsV2"
    OTHER = "something else"


_WITH_UPLOAD_ID: Final = {
    "PUT": Operation.UPLOAD_PART,
    "GET": Operation.LIST_PARTS,
    "POST": Operation.COMPLETE,
    "DELETE": Operation.ABORT,
}
_ON_AN_OBJECT: Final = {
    "HEAD": Operation.HEAD,
    "GET": Operation.GET,
    "PUT": Operation.PUT,
    "DELETE": Operation.DELETE,
}


@dataclass(frozen=True)
class Request:
    """One request, read to its end.

    Attributes:
        target: path and query as they were sent: the signature covers them.
        headers: names in lower case.
    """

    method: str
    target: str
    headers: Headers
    body: bytes = b""

    @property
    def path(self) -> str:
        """Bucket and key (path style)."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, str]:
        """Parameters, the first of each name."""
        found = parse_qs(self.target.partition("?")[2], keep_blank_values=True)
        return {name: values[0] for name, values in found.items()}

    @property
    def framed(self) -> bool:
        """Whether the body is in chunks of S3's own making, with a checksum behind them (aws-chunked)."""
        return "aws-chunked" in self.headers.get("content-encoding", "")

    def unframed(self) -> tuple[bytes, dict[str, str]]:
        """The bytes that are meant, and the headers behind them.

        Raises:
            ValueError: the frames are not well formed.
        """
        if not self.framed:
            return self.body, {}
        payload, rest = b"", self.body
        while True:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size.partition(b";")[0], 16)
            if length == 0:
                break
            payload += rest[:length]
            if rest[length : length + 2] != b"\r\n":
                raise ValueError("a frame is not as long as it says")
            rest = rest[length + 2 :]
        lines = (line.partition(":") for line in rest.decode("latin-1").split("\r\n") if line)
        return payload, {name.strip().lower(): value.strip() for name, _, value in lines}

    @property
    def operation(self) -> Operation:
        """What is asked for."""
        query = self.query
        on_bucket = "/" not in self.path.strip("/")
        if "uploadId" in query:
            return _WITH_UPLOAD_ID.get(self.method, Operation.OTHER)
        if "uploads" in query:
            return Operation.CREATE if self.method == "POST" else Operation.LIST_UPLOADS
        if on_bucket:
            return Operation.LIST_OBJECTS if "list-type" in query else Operation.OTHER
        return _ON_AN_OBJECT.get(self.method, Operation.OTHER)


@dataclass(frozen=True)
class Response:
    """One answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


def s3_error(status: int, code: str, message: str = "") -> Response:
    """An error as S3 words it: an XML document."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message or code)}</Message></Error>"
    ).encode()
    return Response(status, (("Content-Type", "application/xml"), ("Content-Length", str(len(body)))), body)
