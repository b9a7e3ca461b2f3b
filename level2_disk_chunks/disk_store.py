"""Chunks on a local disk: one growing file an upload, published by rename.

    incoming/<session>          the bytes so far; beyond the committed offset they mean nothing
    incoming/<session>.fence    who may write them (fence.py)
    objects/<session>           complete; appears all at once

Why one file and not one a chunk: joining chunk files at the end would write every byte twice. Why is space
set aside chunk by chunk, not for the whole file at init: a client could reserve the disk by declaring sizes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from level2_disk_chunks.fence import Fence, raise_fence, revoke
from level2_disk_chunks.prefix_hash import PrefixHashes
from shared.blocks import Blocks
from shared.durable import disk_errors, read_range, start_writing, sync_folder
from shared.errors import StorageUnavailable, UploadLost
from shared.limits import MIB
from shared.ports import ChunkBody, StagedObject, Stray, Superseded
from shared.session import Session

FENCE_SUFFIX: Final = ".fence"

RESERVED: Final = 8 * MIB
"""Bytes of disk set aside ahead of a writer: the default chunk in one step. Space that is allocated at once
is looked for once, not anew for every page, and a full disk shows before the bytes are sent. No more than
this, and nothing before the first byte has come: clients that promise and do not send reserve little."""


AHEAD: Final = 2 * MIB
"""Bytes after which the disk is told to begin. It then writes while the chunk still arrives, and the sync at
the chunk's end finds little left: a single upload is a third faster for it."""


class DiskStore:
    """:class:`shared.ports.ByteStore` over two folders of one local file system.

    Args:
        folder: made when missing.
        sync: makes written data durable; handed in only so that tests can watch it.
    """

    fences = True

    def __init__(self, folder: Path, sync: Callable[[int], None] = os.fdatasync) -> None:
        self.incoming = folder / "incoming"
        self.objects = folder / "objects"
        self._folders = (self.incoming, self.objects)
        for made in self._folders:
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(folder)
        self._sync = sync
        self._hashes = PrefixHashes()
        self._blocks = Blocks()

    def create(self, session_id: str) -> str:
        """See :meth:`ByteStore.create`. The reference is the session id: everything is named after it."""
        with self._disk():
            raise_fence(self._fence(session_id))
            os.close(os.open(self.incoming / session_id, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            sync_folder(self.incoming)
        return session_id

    def append(self, session: Session, body: ChunkBody) -> str:
        """See :meth:`ByteStore.append`. Data are synced before the session learns of them."""
        path = self.incoming / session.storage
        start = session.committed_offset
        with self._disk(), Fence(self._fence(session.session_id), session.writer_epoch) as fence:
            fence.take_over()
            with _opened(path) as fd, self._hashes.giving_way():
                if os.fstat(fd).st_size < start:
                    raise UploadLost
                self._hashes.advance(session.session_id, path, start)
                self._write(fd, fence, body, start)
                self._sync(fd)
        return ""

    def recover(self, session: Session, _receipts: Sequence[str]) -> Sequence[str]:
        """See :meth:`ByteStore.recover`. A whole chunk is a right one, though perhaps not synced yet."""
        with disk_errors(), _opened(self.incoming / session.storage) as fd:
            size = os.fstat(fd).st_size
            if size < session.committed_offset:
                raise UploadLost
            self._sync(fd)
        last = size == session.declared_size and size % session.chunk_size > 0  # the one that may be shorter
        return [""] * (size // session.chunk_size + last)

    def complete(self, session: Session, _receipts: Sequence[str]) -> StagedObject:
        """See :meth:`ByteStore.complete`. Repeatable: a crash may fall on either side of the rename."""
        path, target = self.incoming / session.storage, self.objects / session.session_id
        with self._disk():
            revoke(self._fence(session.session_id))
            with suppress(FileNotFoundError):
                path.rename(target)
            # Also when the rename had happened before: the crash may have fallen before the sync.
            sync_folder(self.objects)
            sync_folder(self.incoming)
            if not target.exists() or target.stat().st_size != session.declared_size:
                raise UploadLost
        sha256 = self._hashes.finish(session.session_id, target, session.declared_size)
        self._hashes.forget(session.session_id)
        return StagedObject(location=session.session_id, size=session.declared_size, sha256=sha256)

    def abort(self, session_id: str, storage: str) -> None:
        """See :meth:`ByteStore.abort`."""
        self._hashes.forget(session_id)
        with disk_errors():
            # An unlinked file is invisible to whoever opens it next and still open for whoever writes it;
            # the fence stops that one at its next block. A stopped process that holds the fence changes
            # nothing that anybody can see.
            with suppress(StorageUnavailable):
                revoke(self._fence(session_id))
            (self.incoming / storage).unlink(missing_ok=True)
            self._fence(session_id).unlink(missing_ok=True)

    def discard(self, location: str) -> None:
        """See :meth:`ByteStore.discard`."""
        with disk_errors():
            (self.objects / location).unlink(missing_ok=True)

    def read(self, location: str, start: int, stop: int) -> Iterator[bytes]:
        """See :meth:`ByteStore.read`."""
        with self._disk():
            return read_range(self.objects / location, start, stop)

    def strays(self, before: float) -> Iterator[Stray]:
        """See :meth:`ByteStore.strays`. A fence belongs to its upload and goes with it."""
        for folder, is_object in ((self.incoming, False), (self.objects, True)):
            for path in folder.iterdir():
                with suppress(FileNotFoundError):
                    if path.is_file() and path.stat().st_mtime < before:
                        name = path.name.removesuffix(FENCE_SUFFIX)
                        yield Stray(name, storage=name, location=name if is_object else "")

    def check(self) -> None:
        """See :meth:`ByteStore.check`."""
        with disk_errors():
            if not all(os.access(folder, os.R_OK | os.W_OK | os.X_OK) for folder in self._folders):
                raise StorageUnavailable("The disk is away, or cannot be written to.", retry_after=5)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Within: the disk's errors in our words; and what is not there is lost only if its folder is there.

        A disk that is not mounted looks like one on which nothing is left. Uploads given up for that would
        be lost for good, although all their bytes come back with the disk.
        """
        try:
            with disk_errors():
                yield
        except (FileNotFoundError, UploadLost):
            self.check()
            raise

    def _fence(self, session_id: str) -> Path:
        return self.incoming / f"{session_id}{FENCE_SUFFIX}"

    def _write(self, fd: int, fence: Fence, body: ChunkBody, start: int) -> None:
        with fence.held():
            if os.fstat(fd).st_size > start:
                os.ftruncate(fd, start)  # what a cut-off writer left behind
        position = reserved = begun = start
        try:
            with self._blocks.one() as block:
                while count := body.readinto(block):
                    if position + count == start + body.length:
                        body.readinto(memoryview(bytearray(1)))  # its verdict on itself falls where it ends
                    with fence.held():
                        if position + count > reserved:
                            reserved = _reserve(fd, position, start + body.length)
                        position += _write_all(fd, block[:count], position)
                    if position - begun >= AHEAD:
                        start_writing(fd, begun, position)
                        begun = position
        except Superseded:
            raise
        except BaseException:
            # Give the space back at once: on a full disk this chunk may be what others are waiting for.
            with suppress(OSError, Superseded, StorageUnavailable), fence.held():
                os.ftruncate(fd, start)
            raise


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UploadLost from None
    try:
        yield fd
    finally:
        os.close(fd)


def _reserve(fd: int, position: int, end: int) -> int:
    """Set aside the disk space of what comes next; return how far.

    The file grows with it, but never to the chunk's last byte, which is written once the chunk was verified:
    so a chunk that is whole is a right one (see `recover`). What is less than whole means nothing.
    """
    stop = min(position + RESERVED, end - 1)
    if stop <= position:
        return end
    try:
        os.posix_fallocate(fd, position, stop - position)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        # A file system that cannot reserve is written to all the same.
    return stop


def _write_all(fd: int, data: memoryview, position: int) -> int:
    """`pwrite` until everything is written: a disk that is nearly full takes less than asked, and says so
    only the next time."""
    written = 0
    while written < len(data):
        written += os.pwrite(fd, data[written:], position + written)
    return written
