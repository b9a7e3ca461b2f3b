"""The local file: read in blocks, never held whole, and watched for changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from shared.uploader.errors import FileChanged, FileUnreadable

BLOCK: Final = 128 * 1024
"""Bytes read and sent at a time. A chunk of any size costs this much memory."""


class SourceFile:
    """A file opened for one upload; a context manager.

    Not memory-mapped: a mapped file that somebody truncates kills the reader with SIGBUS instead of failing
    with an error that can be explained.

    Attributes:
        name: the file name for the wire, always valid UTF-8.
        size: bytes.
        modified_ns: time of last change, nanoseconds since the epoch.

    Raises:
        FileUnreadable: missing, a folder, a pipe, or without permission.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.name = path.name.encode("utf-8", "replace").decode("utf-8")
        try:
            if not self.path.is_file():
                raise FileUnreadable(f"{path} is no regular file.")
            self._file = self.path.open("rb", buffering=0)
        except OSError as error:
            raise FileUnreadable(f"{path} cannot be read: {error.strerror}.") from error
        found = os.fstat(self._file.fileno())
        self.size, self.modified_ns = found.st_size, found.st_mtime_ns

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def blocks(self, offset: int, length: int) -> Iterator[bytes]:
        """``length`` bytes from ``offset`` on, a block at a time.

        Raises:
            FileChanged: the file was changed since it was opened (said at once), or has become shorter
                (said while reading).
            FileUnreadable: the disk failed.
        """
        self.check_unchanged()
        return self._read(offset, offset + length)

    def _read(self, offset: int, end: int) -> Iterator[bytes]:
        while offset < end:
            try:
                block = os.pread(self._file.fileno(), min(BLOCK, end - offset), offset)
            except OSError as error:
                raise FileUnreadable(f"{self.path} cannot be read: {error.strerror}.") from error
            if not block:
                raise FileChanged(f"{self.path} became shorter while it was read; start again.")
            offset += len(block)
            yield block

    def fingerprint(self, on_progress: Callable[[int], None]) -> str:
        """SHA-256 of the whole file, lower-case hex; ``on_progress`` hears the bytes hashed so far.

        Raises:
            FileChanged, FileUnreadable: as :meth:`blocks`.
        """
        digest, done = hashlib.sha256(), 0
        for block in self.blocks(0, self.size):
            digest.update(block)
            done += len(block)
            on_progress(done)
        self.check_unchanged()
        return digest.hexdigest()

    def check_unchanged(self) -> None:
        """Raises:
        FileChanged: size or time differ from when the file was opened.
        """
        now = os.fstat(self._file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified_ns):
            raise FileChanged(f"{self.path} was changed while it was uploaded; start again.")
