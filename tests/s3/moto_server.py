"""moto, in this process, made as strict as S3.

moto takes what S3 refuses: wrong checksums, parts of uploads that have ended, a second Complete. And every
multipart upload of its began in 2010. So it never stands alone: the proxy with its rules is before it, and
tells the truth about when an upload began.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import moto.s3.models
from moto.server import ThreadedMotoServer

from tests.s3.operations import Operation, Request, Response
from tests.s3.proxy import S3Proxy

# Tests send small parts; the proxy enforces S3's minimum where a test is about it.
moto.s3.models.S3_UPLOAD_PART_MIN_SIZE = 1  # type: ignore[attr-defined]

_UPLOAD: Final = re.compile(rb"(<UploadId>([^<]+)</UploadId>.*?<Initiated>)[^<]*(</Initiated>)", re.DOTALL)
_ID: Final = re.compile(rb"<UploadId>([^<]+)</UploadId>")


@contextmanager
def moto_server() -> Iterator[str]:
    """Its URL, for as long as the context lasts."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with _StrictMoto(f"http://{host}:{port}") as proxy:
            yield proxy.url
    finally:
        server.stop()


class _StrictMoto(S3Proxy):
    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self._began: dict[bytes, bytes] = {}

    def forward(self, request: Request) -> Response:
        response = super().forward(request)
        if request.operation is Operation.CREATE and (made := _ID.search(response.body)):
            now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
            self._began[made[1]] = now.encode()
        if request.operation is Operation.LIST_UPLOADS:
            body = _UPLOAD.sub(lambda found: found[1] + self._began[found[2]] + found[3], response.body)
            kept = tuple((k, v) for k, v in response.headers if k.lower() != "content-length")
            return replace(response, headers=(*kept, ("Content-Length", str(len(body)))), body=body)
        return response
