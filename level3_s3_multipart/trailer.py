"""A checksum that follows the bytes: computed while they pass, checked by S3 before there is a part.

S3 takes a body "aws-chunked" (S3 User Guide, "Checking object integrity", trailing checksums):

    40000\\r\\n  262,144 bytes  \\r\\n  …  0\\r\\n  x-amz-checksum-crc32:jKUMGw==\\r\\n  \\r\\n

A presigned address cannot say so, because what it says of the body is part of what is signed; so the headers
are signed here, with the SDK's own signer.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError

from level3_s3_multipart.bucket import Bucket
from shared.blocks import BLOCK

TRAILER: Final = "x-amz-checksum-crc32"
_CRC_CHARACTERS: Final = 8
_END: Final = len(f"0\r\n{TRAILER}:\r\n\r\n") + _CRC_CHARACTERS


class Crc32:
    """The CRC-32 of what went by. ``str()`` gives it as S3 writes it: big-endian, base64."""

    def __init__(self) -> None:
        self._value = 0

    def passing(self, blocks: Iterable[memoryview]) -> Iterator[bytes | memoryview]:
        """``blocks`` in frames, and behind them the checksum."""
        for block in blocks:
            self._value = zlib.crc32(block, self._value)
            yield b"%x\r\n" % len(block)
            yield block
            yield b"\r\n"
        yield f"0\r\n{TRAILER}:{self}\r\n\r\n".encode()

    def __str__(self) -> str:
        return base64.b64encode(self._value.to_bytes(4, "big")).decode()


def framed_length(length: int) -> int:
    """Bytes of the body for ``length`` bytes that come in full blocks, and a last one."""
    full, last = divmod(length, BLOCK)
    frames = full * len(b"%x\r\n\r\n" % BLOCK) + (len(b"%x\r\n\r\n" % last) if last else 0)
    return length + frames + _END


def signed_headers(url: str, length: int, bucket: Bucket) -> Mapping[str, str]:
    """What a PUT of ``length`` bytes to ``url`` must say (Signature Version 4)."""
    request = AWSRequest(
        "PUT",
        url,
        headers={
            "Host": urlsplit(url).netloc,
            "Content-Encoding": "aws-chunked",
            "X-Amz-Decoded-Content-Length": str(length),
            "X-Amz-Trailer": TRAILER,
        },
    )
    # What the signer asks for, in the SDK's own words for "an unsigned body with a trailer".
    request.context["checksum"] = {"request_algorithm": {"in": "trailer", "algorithm": "crc32"}}
    if bucket.credentials is None:
        raise NoCredentialsError
    S3SigV4Auth(bucket.credentials, "s3", bucket.client.meta.region_name).add_auth(request)
    return {name: value for name, value in request.headers.items() if name.lower() != "host"}
