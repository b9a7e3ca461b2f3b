"""Files that survive a power cut, and the operating system's errors in our words."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import InsufficientStorage, StorageFailure, StorageUnavailable, UploadError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BUSY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.ESTALE}


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what the disk says into what the protocol says: full, busy, or broken.

    ``FileNotFoundError`` passes: whether it is an error, only the caller knows.

    Raises:
        InsufficientStorage, StorageUnavailable, StorageFailure.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _in_our_words(error) from error


def _in_our_words(error: OSError) -> UploadError:
    if error.errno in _FULL:
        return InsufficientStorage(retry_after=30)
    if error.errno in _BUSY:
        return StorageUnavailable(retry_after=1)
    # A failed fsync ends here. It is not tried again: the kernel may have marked the lost pages clean, and a
    # second fsync would succeed without having written them. The client sends the chunk anew.
    return StorageFailure()


_SYNC_FILE_RANGE_WRITE = 2
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)  # Linux alone has it


def start_writing(fd: int, start: int, stop: int) -> None:
    """Let the disk begin with the bytes ``start`` ≤ i < ``stop``, and wait for nothing (sync_file_range(2)).

    It makes nothing durable, and an error of the disk is left for the sync that follows, which then has less
    to wait for. Where the system has no such call, the sync waits as long as ever.
    """
    if _sync_file_range is not None:
        _sync_file_range(fd, ctypes.c_int64(start), ctypes.c_int64(stop - start), _SYNC_FILE_RANGE_WRITE)


def sync_folder(folder: Path) -> None:
    """Make names created, renamed or removed in ``folder`` durable; the data of a file says nothing of its
    name."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_range(path: Path, start: int, stop: int, block: int = 1024 * 1024) -> Iterator[bytes]:
    """The bytes ``start`` ≤ i < ``stop`` of a file, in blocks.

    Raises:
        FileNotFoundError: at once, not at the first block: an answer's status depends on it.
    """
    file = path.open("rb", buffering=0)

    def blocks() -> Iterator[bytes]:
        with file:
            file.seek(start)
            left = stop - start
            while left > 0 and (data := file.read(min(block, left))):
                left -= len(data)
                yield data

    return blocks()
