"""Level 1's upload: one form, one request, everything or nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from urllib3.fields import RequestField

from shared.uploader.errors import Interrupted, ServerAway
from shared.uploader.http import Http
from shared.uploader.source import SourceFile
from shared.uploader.wire import RemoteFile, file_from


def send_form(http: Http, address: str, source: SourceFile) -> RemoteFile:
    """POST ``source`` as the part ``file`` of a ``multipart/form-data`` body (RFC 7578), streamed from disk.

    Not tried again by itself: nobody can know whether a request whose answer was lost has left a file
    behind, and each try sends everything from the first byte. That is what level 1 is there to show.

    Raises:
        ServerRefused: among others 413, which arrives while most of the file is still unsent.
        ServerAway: the request failed; it is not resumable.
        FileChanged, FileUnreadable: the local file let us down.
    """
    boundary = secrets.token_hex(16)
    part = RequestField(name="file", data=b"", filename=source.name)
    part.make_multipart(content_type="application/octet-stream")
    before = f"--{boundary}\r\n{part.render_headers()}".encode()
    after = f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(before) + source.size + len(after)),
    }

    def body() -> Iterator[bytes]:
        yield before
        yield from source.blocks(0, source.size)
        yield after

    try:
        return file_from(http.ask("POST", address, body=body(), headers=headers).body)
    except Interrupted as failure:
        raise ServerAway(
            f"The upload failed ({failure.detail}); one single request cannot be resumed."
        ) from failure
