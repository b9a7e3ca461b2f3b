"""What must hold after every fault, in one place.

An :class:`Upload` is a client that remembers what it was promised. :func:`oracle` holds the server to it:
the offset is at least the last one acknowledged; the stored prefix is the source's; the upload goes on from
there and ends in a file with the source's SHA-256; there is one record of it; and after the lifetime and a
sweep nothing is left that belongs to nobody.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from level2_disk_chunks.app import create_app
from shared.background import BACKGROUND
from shared.expiry import sweep
from shared.finalizer import CatalogueFinalizer
from shared.measured import MeasuredFinalizer
from shared.settings import settings_from
from shared.uploads import Uploads
from tests.raw_http import Answer, Connection, exchange, exchange_json, head
from tests.servers import Server

CHUNK = 64 * 1024
CHUNKS = 4


def some_bytes(size: int, seed: int = 1) -> bytes:
    """Bytes that are the same at every run, without a signature that says what they are."""
    return b"\0" * min(8, size) + random.Random(seed).randbytes(max(0, size - 8))


@dataclass
class Upload:
    """One upload as its client sees it.

    Attributes:
        acknowledged: bytes, from the last 200 or 409.
    """

    server: Server
    session_id: str
    source: bytes
    name: str
    chunk_size: int
    acknowledged: int = 0

    @property
    def path(self) -> str:
        """The session's address."""
        return f"/upload/{self.session_id}"

    @property
    def stored(self) -> bytes:
        """The first ``acknowledged`` bytes as they lie on the disk."""
        with (self.server.level_folder / "incoming" / self.session_id).open("rb") as file:
            return file.read(self.acknowledged)

    @property
    def had_writer(self) -> bool:
        """Whether a request has ever made itself the writer: the fence of a new upload is empty."""
        return self.fence.stat().st_size > 0

    @property
    def fence(self) -> Path:
        """The file that says who may write."""
        return self.server.level_folder / "incoming" / f"{self.session_id}.fence"

    def chunk(self, offset: int | None = None) -> bytes:
        """The bytes of the chunk at ``offset``; without one, of the next."""
        start = self.acknowledged if offset is None else offset
        return self.source[start : start + self.chunk_size]

    def head(self, offset: int | None = None, length: int | None = None) -> bytes:
        """The head of a PUT."""
        start = self.acknowledged if offset is None else offset
        return head(
            "PUT",
            self.path,
            [
                ("x-upload-offset", str(start)),
                ("Content-Type", "application/octet-stream"),
                ("Content-Length", str(len(self.chunk(start)) if length is None else length)),
            ],
        )

    def put(self, offset: int | None = None, data: bytes | None = None) -> Answer:
        """Send one chunk on a connection of its own; without arguments, the next one."""
        body = self.chunk(offset) if data is None else data
        with Connection(self.server.port) as connection:
            connection.send(self.head(offset, len(body)) + body)
            return self.learn(connection.answer())

    def begin(self, share: float = 0.5) -> Connection:
        """Send the head and ``share`` of the next chunk's bytes; the connection is left open."""
        body = self.chunk()
        connection = Connection(self.server.port)
        return connection.send(self.head() + body[: int(len(body) * share)])

    def learn(self, answer: Answer) -> Answer:
        """Remember what a 200 promised."""
        if answer.status == 200:
            told = answer.json["uploadedBytes"]
            assert told >= self.acknowledged, "the offset fell"
            self.acknowledged = told
        return answer

    def status(self) -> Answer:
        """Where are we?"""
        return exchange(self.server.port, "GET", self.path)

    def resume(self) -> int:
        """Ask for the offset, as a client does after a fault; return it."""
        answer = self.status()
        assert answer.status == 200, answer
        told = answer.json["uploadedBytes"]
        assert isinstance(told, int)
        assert told >= self.acknowledged, f"{self.acknowledged} bytes were acknowledged, {told} are left"
        assert answer.header("x-upload-offset") == str(told)
        self.acknowledged = told
        return told

    def send_rest(self) -> None:
        """Every chunk that is missing."""
        while self.acknowledged < len(self.source):
            answer = self.put()
            assert answer.status == 200, answer

    def complete(self, patience: float = 60.0) -> Answer:
        """Complete, and poll while that is running."""
        answer = exchange(self.server.port, "POST", f"{self.path}/complete")
        deadline = time.monotonic() + patience
        while answer.status == 202 and time.monotonic() < deadline:
            time.sleep(0.05)
            if self.status().json["state"] != "finalizing":
                answer = exchange(self.server.port, "POST", f"{self.path}/complete")
        return answer


def begin_upload(
    server: Server,
    name: str = "film.bin",
    *,
    size: int = CHUNKS * CHUNK,
    chunk_size: int = CHUNK,
    seed: int = 1,
    source: bytes | None = None,
) -> Upload:
    """Init, for ``source``, or else for ``size`` bytes that depend on ``seed``."""
    data = some_bytes(size, seed) if source is None else source
    wish = {"fileName": name, "fileSize": len(data), "chunkSize": chunk_size}
    answer = exchange_json(server.port, "POST", "/upload/init", wish)
    assert answer.status == 201, answer
    assert answer.json["chunkSize"] == chunk_size
    return Upload(server, answer.json["sessionId"], data, name, chunk_size)


def oracle(upload: Upload) -> None:
    """Hold the server to all it has promised about ``upload``, and finish it."""
    if upload.status().json["state"] == "uploading":
        upload.resume()
        assert upload.stored == upload.source[: upload.acknowledged], "the stored prefix is not the source's"
        upload.send_rest()
    finished(upload)
    no_orphans(upload.server)


def finished(upload: Upload) -> dict[str, Any]:
    """Complete ``upload``; its file must be the source, recorded once, and nothing else. Returns FILE."""
    file = recorded(upload)
    left = (upload.server.level_folder / "incoming").glob(f"{upload.session_id}*")
    assert list(left) == [], "a finished upload has left something behind"
    return file


def recorded(upload: Upload) -> dict[str, Any]:
    """Complete ``upload``; its file must be the source, recorded once. Returns FILE. Knows no disk."""
    answer = upload.complete()
    assert answer.status == 200, answer
    file: dict[str, Any] = answer.json["file"]
    assert file["fingerprint"] == hashlib.sha256(upload.source).hexdigest()
    again = upload.complete()
    assert (again.status, again.json) == (200, answer.json), "complete is not idempotent"
    content = exchange(upload.server.port, "GET", f"/files/{file['fileId']}/content")
    assert content.body == upload.source
    assert len([f for f in files(upload.server) if f["fingerprint"] == file["fingerprint"]]) == 1
    return file


def files(server: Server) -> list[dict[str, Any]]:
    """All records, newest first."""
    found: list[dict[str, Any]] = exchange(server.port, "GET", "/files?limit=500").json["files"]
    return found


def no_orphans(server: Server) -> None:
    """After the lifetime and a sweep: no session, and no stored byte but those of recorded files.

    The sweep runs here, in another process than the server's, with a clock that is a day ahead: what a
    second server on the same data would do.
    """
    with tomorrow(server) as uploads:
        sweep(uploads)
    left = [path.name for path in (server.level_folder / "incoming").iterdir()]
    assert left == [], "bytes or fences that belong to nobody"
    objects = list((server.level_folder / "objects").iterdir())
    assert len(objects) == len(files(server)), "objects without a record, or records without an object"


@contextmanager
def opened(server: Server) -> Iterator[Uploads]:
    """The server's uploads, opened from here: this process is another server on the same data."""
    given: dict[str, str | None] = {"data": str(server.data_folder)}
    options = iter(server.options)
    for name in options:
        given[name.removeprefix("--").replace("-", "_")] = next(options)
    uploads: Uploads = create_app(settings_from({}, given)).extensions[BACKGROUND].uploads
    try:
        yield uploads
    finally:
        uploads.sessions.close()
        # PostgreSQL's driver complains of connections that nobody closed.
        assert isinstance(uploads.finalizer, MeasuredFinalizer)
        assert isinstance(uploads.finalizer.finalizer, CatalogueFinalizer)
        uploads.finalizer.finalizer.catalogue.close()


@contextmanager
def tomorrow(server: Server) -> Iterator[Uploads]:
    """The same, after every lifetime has passed."""
    with opened(server) as uploads:
        lifetime = uploads.lifetimes.session_ttl + 3600
        yield replace(uploads, clock=lambda: time.time() + lifetime)
