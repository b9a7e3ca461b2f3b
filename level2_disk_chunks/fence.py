"""The fence: only the latest writer of an upload may touch its bytes, whatever the others believe.

Two requests can hold the same file open: one on a dead connection, one that took over. A lock held during
the whole request would make the newcomer wait for the dead one, and a check in the session store alone comes
too late, since a late `pwrite` would already have changed committed bytes. So the writer epoch stands in a
small file beside the data, and every block is written under a short `flock` that checks it first. It works
the same between threads, processes and after a crash: the kernel drops a dead process's locks.

Why not OFD locks: `flock` belongs to the open file as well, and every writer opens its own. Why not NFS:
`flock` there is emulated at best; level 2 keeps to a local disk, and level 3 is the way out.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from shared.errors import StorageUnavailable, UploadLost
from shared.ports import Superseded

REVOKED: Final = 2**63 - 1
"""No writer has this epoch: nobody may write any more."""

PATIENCE: Final = 1.0
"""Seconds to wait for the lock. It is held for one block's `pwrite`, so only a stopped process exceeds it."""


class Fence:
    """One writer's view of the fence of one upload."""

    def __init__(self, path: Path, epoch: int) -> None:
        """Open the fence that :func:`raise_fence` made.

        It is never made again here: a writer that slept through the end of its upload must find no fence,
        and not a fresh one that lets it pass.

        Raises:
            UploadLost: there is none (any more).
        """
        self.epoch = epoch
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise UploadLost from None

    def take_over(self) -> None:
        """Become the one who may write.

        Raises:
            Superseded: a later writer has done so already.
        """
        with self._locked():
            if self._latest() > self.epoch:
                raise Superseded
            os.pwrite(self._fd, b"%019d" % self.epoch, 0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within: nobody can take over. Keep it short.

        Raises:
            Superseded: somebody has.
            StorageUnavailable: a stopped process holds the lock; safety comes before progress.
        """
        with self._locked():
            if self._latest() != self.epoch:
                raise Superseded
            yield

    def __enter__(self) -> Fence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def _latest(self) -> int:
        return int(os.pread(self._fd, 19, 0) or b"0")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # Polling, because a blocking flock cannot be given a time limit in a thread; uncontended it costs
        # one system call.
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StorageUnavailable(
                        "A stopped process is in the middle of a write to this upload.", retry_after=1
                    ) from None
                time.sleep(0.002)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)


def raise_fence(path: Path) -> None:
    """Make the fence of a new upload."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def revoke(path: Path) -> None:
    """Let nobody write any more, and remove the fence. Nothing there is fine.

    Raises:
        StorageUnavailable: a stopped process is in the middle of a write.
    """
    with suppress(Superseded, UploadLost), Fence(path, REVOKED) as fence:
        fence.take_over()
    path.unlink(missing_ok=True)
