"""What must hold after every fault at level 3: tests/oracle.py, with S3 where the disk was.

The prefix cannot be read back from S3 before Complete; that the parts are there and of the right sizes can be
asked, and the finished file's SHA-256 says the rest. Whatever is asked here is asked past the proxy.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest import mock

from level3_s3_multipart.app import create_app
from shared.background import BACKGROUND
from shared.expiry import sweep
from shared.settings import settings_from
from shared.uploads import Uploads
from tests.oracle import Upload, files, recorded
from tests.s3.endpoint import Bucket
from tests.servers import Server

PREFIX = "files/"


@dataclass(frozen=True)
class Level3:
    """A level-3 server, and the bucket it works on."""

    server: Server
    bucket: Bucket

    def oracle(self, upload: Upload) -> None:
        """Hold the server to all it has promised about ``upload``, and finish it."""
        if upload.status().json["state"] == "uploading":
            upload.resume()
            self.prefix_is_there(upload)
            upload.send_rest()
        self.finished(upload)
        self.no_orphans()

    def prefix_is_there(self, upload: Upload) -> None:
        """Every confirmed chunk is a part."""
        confirmed = -(-upload.acknowledged // upload.chunk_size)
        there = [
            parts
            for key, upload_id in self.bucket.uploads()
            if key == PREFIX + upload.session_id
            and (parts := dict(self.bucket.parts(key, upload_id))) is not None
        ]
        assert there, "there is no multipart upload"
        sizes = [
            len(upload.source[i * upload.chunk_size : (i + 1) * upload.chunk_size]) for i in range(confirmed)
        ]
        wanted = dict(enumerate(sizes, start=1))
        assert any(wanted.items() <= parts.items() for parts in there), (
            f"{confirmed} parts confirmed, there are {there}"
        )

    def finished(self, upload: Upload) -> None:
        """Complete ``upload``; one record, the source's bytes, and the object is where it was staged."""
        recorded(upload)
        assert upload.session_id not in [key.removeprefix(PREFIX) for key, _ in self.bucket.uploads()]

    def no_orphans(self) -> None:
        """After the lifetime and a sweep: no multipart upload, and no object but the recorded files."""
        with self.tomorrow() as uploads:
            sweep(uploads)
        self.only_files_are_left()

    def only_files_are_left(self) -> None:
        """Nothing of ours in the bucket but the recorded files."""
        assert [found for found in self.bucket.uploads() if found[0].startswith(PREFIX)] == []
        objects = [key for key in self.bucket.objects() if key.startswith(PREFIX)]
        assert len(objects) == len(files(self.server)), (
            "objects without a record, or records without an object"
        )

    @contextmanager
    def opened(self) -> Iterator[Uploads]:
        """The server's uploads, opened from here: this process is another server on the same stores."""
        given: dict[str, str | None] = {"data": str(self.server.data_folder)}
        options = iter(self.server.options)
        for name in options:
            given[name.removeprefix("--").replace("-", "_")] = next(options)
        with mock.patch.dict("os.environ", self.bucket.endpoint.environment):
            uploads: Uploads = create_app(settings_from({}, given)).extensions[BACKGROUND].uploads
        try:
            yield uploads
        finally:
            uploads.sessions.close()

    @contextmanager
    def tomorrow(self) -> Iterator[Uploads]:
        """The same, after every lifetime has passed."""
        with self.opened() as uploads:
            lifetime = uploads.lifetimes.session_ttl + 3600
            yield replace(uploads, clock=lambda: time.time() + lifetime)
