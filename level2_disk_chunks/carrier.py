"""How the bytes of a chunk get from the connection to the disk.

Two ways, behind one pair of steps, so that the fence can stand between them: *fetch* may wait for the network
as long as it likes, *store* is short and happens under the fence.

`Spliced` (Linux): the kernel moves pages from the socket through a pipe into the file, and no byte ever
enters this process. It costs less (ARCHITECTURE.md has the figures) and needs no block of memory.
`Copied`: into a block and out again. Right everywhere, and needed where the bytes must be looked at, as for a
`Content-Digest`.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol, runtime_checkable

from shared.ports import ChunkBody

BLOCK: Final = 256 * 1024
"""Bytes on their way at once, in memory or in a pipe. More is hardly faster; and an unprivileged user's pipes
may hold 64 MiB in all before the kernel makes them tiny, which at this size is 256 uploads in flight."""


class Carrier(Protocol):
    """Carries one chunk, a block at a time."""

    def fetch(self, body: ChunkBody) -> int:
        """Wait for the next bytes; how many they are, and 0 when the chunk is all there."""

    def store(self, fd: int, position: int) -> None:
        """Write what was fetched last to ``fd`` at ``position``."""

    def close(self) -> None:
        """Let go of the block."""


@runtime_checkable
class SpliceableBody(Protocol):
    """A body whose bytes can go into a pipe without being seen."""

    @property
    def spliceable(self) -> bool:
        """Whether this one can."""

    def splice(self, pipe: int, most: int, /) -> int:
        """Move up to ``most`` bytes into ``pipe``; like ``readinto`` otherwise."""


class Copied:
    """Through a block of memory."""

    def __init__(self, length: int) -> None:
        self._block = memoryview(bytearray(min(BLOCK, length)))
        self._count = 0

    def fetch(self, body: ChunkBody) -> int:
        self._count = body.readinto(self._block)
        return self._count

    def store(self, fd: int, position: int) -> None:
        write_all(fd, self._block[: self._count], position)

    def close(self) -> None:
        self._block.release()


class Spliced:
    """Through a pipe, past this process."""

    def __init__(self) -> None:
        self._out, self._into = os.pipe()
        with suppress(OSError):  # a pipe of the usual 64 KiB does as well, in more steps
            fcntl.fcntl(self._into, fcntl.F_SETPIPE_SZ, BLOCK)
        self._count = 0

    def fetch(self, body: ChunkBody) -> int:
        assert isinstance(body, SpliceableBody)  # noqa: S101 - `carrier_for` has looked
        self._count = body.splice(self._into, BLOCK)
        return self._count

    def store(self, fd: int, position: int) -> None:
        left = self._count
        while left:
            try:
                moved = os.splice(self._out, fd, left, offset_dst=position)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS):
                    raise
                # Not every file system takes a splice. The bytes are in the pipe and can still be read.
                data = os.read(self._out, left)
                moved = len(data)
                write_all(fd, memoryview(data), position)
            left -= moved
            position += moved

    def close(self) -> None:
        os.close(self._out)
        os.close(self._into)


def can_splice(body: ChunkBody) -> bool:
    """Whether this system and this body can."""
    return hasattr(os, "splice") and isinstance(body, SpliceableBody) and body.spliceable


@contextmanager
def carrying(body: ChunkBody) -> Iterator[Carrier]:
    """The best carrier for this body."""
    carrier: Carrier = Spliced() if can_splice(body) else Copied(body.length)
    try:
        yield carrier
    finally:
        carrier.close()


def write_all(fd: int, data: memoryview, position: int) -> None:
    """`pwrite` until everything is written: a disk that is nearly full takes less than asked, and says so
    only the next time."""
    while data:
        written = os.pwrite(fd, data, position)
        data, position = data[written:], position + written
