"""The way back: fetch a file so that it is whole or not there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import quote

from shared.uploader.api import ask_capabilities, upload_address
from shared.uploader.errors import (
    FingerprintDiffers,
    Interrupted,
    ServerRefused,
    TargetExists,
    TargetUnwritable,
)
from shared.uploader.http import Http
from shared.uploader.names import safe_file_name
from shared.uploader.observer import Observer
from shared.uploader.retry import Patience, RetryRules, Timing
from shared.uploader.source import BLOCK
from shared.uploader.wire import RemoteFile, file_from


@dataclass(frozen=True)
class Download:
    """A file that arrived.

    Attributes:
        path: where it is now.
        bytes_received: bytes that came over the network in this run.
        resumed_at: offset in bytes of the first byte asked for; 0 for a fresh start.
    """

    file: RemoteFile
    path: Path
    bytes_received: int
    resumed_at: int


class Downloader:
    """Reads from one server; arguments as :class:`shared.uploader.upload.Uploader`."""

    def __init__(
        self,
        server: str,
        *,
        observer: Observer | None = None,
        rules: RetryRules | None = None,
        timing: Timing | None = None,
        http: Http | None = None,
    ) -> None:
        self._address = upload_address(server)
        self._observer = observer or Observer()
        self._rules = rules or RetryRules()
        self._timing = timing or Timing()
        self._http = http or Http()

    def fetch(self, file_id: str, target: Path, *, force: bool = False) -> Download:
        """Fetch a file to ``target``, or under the server's name into ``target`` when that is a folder.

        The bytes gather in a hidden ``.part`` file beside the target, which a later call goes on with as
        long as the server's ``ETag`` is the same (RFC 9110, 13.1.5). The target appears at once, after the
        SHA-256 was found right.

        Raises:
            ServerRefused, ServerAway: as always; the ``.part`` file stays.
            TargetExists: and ``force`` was not given.
            TargetUnwritable: the disk does not take it.
            FingerprintDiffers: what arrived is not what the server recorded; the ``.part`` file is removed.
        """
        patience = self._patience()
        found = patience.until_done(lambda: ask_capabilities(self._http, self._address))
        address = f"{found.files}/{quote(file_id, safe='')}"
        file = patience.until_done(lambda: file_from(self._http.ask("GET", address).body))
        path = target / safe_file_name(file.file_name, file_id) if target.is_dir() else target
        if path.exists() and not force:
            raise TargetExists(f"{path} exists already; --force overwrites it.")
        etag = patience.until_done(lambda: self._etag(f"{address}/content"))
        content = _Content(file, f"{address}/content", etag)
        part = path.with_name(f".{path.name[:40]}.{content.mark}.part")
        with _disk_errors(path), part.open("ab+") as partial:
            transfer = _Fetch(self._http, content, partial, observer=self._observer, patience=patience)
            transfer.run()
            os.fsync(partial.fileno())
            if transfer.digest != file.fingerprint:
                part.unlink()
                raise FingerprintDiffers(
                    f"{file_id} arrived with SHA-256 {transfer.digest}, recorded is {file.fingerprint}."
                )
            _publish(part, path, force=force)
        return Download(file, path, transfer.received, transfer.resumed_at)

    def _etag(self, address: str) -> str:
        """The strong ETag, or ``""``: a weak one does not promise equal bytes."""
        try:
            with self._http.open("HEAD", address) as response:
                etag = response.headers.get("ETag", "")
        except ServerRefused as refusal:
            if refusal.status in (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_FOUND):
                return ""
            raise
        return etag if etag.startswith('"') else ""

    def _patience(self) -> Patience:
        return Patience(self._rules, self._timing, self._observer.on_retry)


@dataclass(frozen=True)
class _Content:
    """What is to be fetched, from where, and the tag that says whether it is still the same."""

    file: RemoteFile
    address: str
    etag: str

    @property
    def mark(self) -> str:
        """Tells apart the ``.part`` files of different contents."""
        return hashlib.sha256(f"{self.address} {self.etag} {self.file.fingerprint}".encode()).hexdigest()[:16]


class _Fetch:
    """One file's bytes into ``partial``, over as many requests as it takes."""

    def __init__(
        self,
        http: Http,
        content: _Content,
        partial: IO[bytes],
        *,
        observer: Observer,
        patience: Patience,
    ) -> None:
        self._http, self._partial, self._observer, self._patience = http, partial, observer, patience
        self._address, self._etag, self._file = content.address, content.etag, content.file
        self._hash = hashlib.sha256()
        self._have = 0
        self.received = self.resumed_at = 0

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def run(self) -> None:
        self._take_up()
        while self._have < self._file.file_size:
            try:
                self._request()
            except Interrupted as failure:
                self._patience.bear(failure)
                if not self._etag:
                    self._start_over()

    def _take_up(self) -> None:
        """Count and hash what an earlier run left; without an ETag nobody knows what that is worth."""
        self._partial.seek(0)
        while self._etag and (block := self._partial.read(BLOCK)):
            self._hash.update(block)
            self._have += len(block)
        if not self._etag or self._have > self._file.file_size:
            self._start_over()
        self.resumed_at = self._have
        if self._have:
            self._observer.on_resume(self._have)
        self._observer.on_progress(self._have, self._file.file_size)

    def _start_over(self) -> None:
        self._partial.truncate(0)
        self._hash = hashlib.sha256()
        self._have = 0

    def _request(self) -> None:
        headers = {"Accept-Encoding": "identity"}
        if self._have:
            headers |= {"Range": f"bytes={self._have}-", "If-Range": self._etag}
        # The server may send us to its object store. There `If-Range` names an unknown tag, and the answer is
        # the whole file again; some stores give a part of it and call it 200, so the header decides.
        with self._http.open("GET", self._address, headers=headers, follow=True) as response:
            if self._have and "Content-Range" not in response.headers:
                self._start_over()  # the file there is another one now, or the server knows no ranges
            for block in response.stream(BLOCK, decode_content=False):
                self._keep(block)
        if self._have < self._file.file_size:
            raise Interrupted("the answer ended before the file did")

    def _keep(self, block: bytes) -> None:
        self._partial.write(block)
        self._hash.update(block)
        self._have += len(block)
        self.received += len(block)
        self._patience.progress()
        self._observer.on_progress(self._have, self._file.file_size)


def _publish(part: Path, path: Path, *, force: bool) -> None:
    """Make ``path`` appear. A link, unlike a rename, cannot overwrite what appeared meanwhile."""
    if force:
        part.replace(path)
        return
    try:
        path.hardlink_to(part)
    except FileExistsError as error:
        raise TargetExists(f"{path} exists already; --force overwrites it.") from error
    except OSError:  # a file system without links
        if path.exists():
            raise TargetExists(f"{path} exists already; --force overwrites it.") from None
        part.replace(path)
    else:
        part.unlink()


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetUnwritable(f"{path} cannot be written: {error.strerror}.", resumable=True) from error
