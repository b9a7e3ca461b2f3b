"""Whose turn it is: a part that a replaced writer finishes late must not take the place of a confirmed one.

S3 has no fence. UploadPart with a number that is there already replaces that part, whoever sends it and
however late. What S3 does have is that a request whose body ends early makes no part. So every writer holds
its last block back, makes sure of its turn, and only then lets the block go:

* Within a process: here. The last block leaves under a lock that is held until S3 has answered, so an older
  writer's part is either there before a younger one's, which replaces it, or never.
* Between processes: in the session store. The end of the body announces the last block to all
  (:mod:`shared.writing`). A process that is stopped right after that, for longer than an announcement holds,
  can still be late. Then S3 has a part with another ETag than the receipt, Complete answers InvalidPart, and
  the upload is given up in plain words (S3Store.complete): never wrong bytes.

Nobody waits for a writer that has fallen silent, only for one whose bytes have all arrived.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from shared.errors import StorageUnavailable
from shared.ports import Superseded
from shared.session import Session

PATIENCE: Final = 60.0
"""Seconds to wait for S3's answer to an older writer; longer than any answer is waited for."""

NOBODY: Final = 2**63 - 1
"""No writer has this epoch."""


@dataclass
class _Writers:
    """The writers of one upload that are at work in this process."""

    latest: int = 0
    turns: list[Turn] = field(default_factory=list)
    last_block: threading.Lock = field(default_factory=threading.Lock)


class Turn:
    """One writer's turn; ends with the block of :meth:`Turns.take`."""

    def __init__(self, session: Session, writers: _Writers, lock: threading.Lock) -> None:
        self._session = session
        self._writers = writers
        self._lock = lock
        self._stop: Callable[[], None] | None = None
        self._finishing = False

    def stops_by(self, stop: Callable[[], None]) -> None:
        """How to break off this writer's request to S3 from another thread.

        Its own thread may sleep for as long as its client is silent, and there are stores that keep a second
        request for the same part waiting until the first one ends.
        """
        with self._lock:
            self._stop = stop

    def check(self) -> None:
        """Raises:
        Superseded: a later writer is at work in this process.
        """
        if self._writers.latest != self._session.writer_epoch:
            raise Superseded

    def last_block(self) -> None:
        """Call before the last block leaves. From here to the end of the turn nobody else's here may.

        Raises:
            Superseded: a later writer is at work, or the upload is over.
            StorageUnavailable: S3 does not answer an older writer.
        """
        self.check()
        if not self._writers.last_block.acquire(timeout=PATIENCE):
            raise StorageUnavailable("The store does not answer another request of this upload.")
        with self._lock:
            self._finishing = True
        self.check()

    def break_off(self) -> None:
        """Called with the lock held, by whoever takes over."""
        # Not while S3 may have all bytes: whether there is a part would be unknown. That answer is short.
        if self._stop is not None and not self._finishing:
            self._stop()

    def end(self) -> None:
        """The writer is done, however that went."""
        if self._finishing:
            self._writers.last_block.release()


class Turns:
    """The turns of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uploads: dict[str, _Writers] = {}

    @contextmanager
    def take(self, session: Session) -> Iterator[Turn]:
        """Become the writer of ``session``, from here to the end of the block.

        Raises:
            Superseded: a later one is at work already.
        """
        with self._lock:
            writers = self._uploads.setdefault(session.session_id, _Writers())
            if writers.latest > session.writer_epoch:
                raise Superseded
            self._replace(writers, session.writer_epoch)
            turn = Turn(session, writers, self._lock)
            writers.turns.append(turn)
        try:
            yield turn
        finally:
            turn.end()
            with self._lock:
                writers.turns.remove(turn)
                if not writers.turns:
                    del self._uploads[session.session_id]

    def end(self, session_id: str) -> None:
        """Let nobody in this process finish a part of this upload any more."""
        with self._lock:
            if session_id in self._uploads:
                self._replace(self._uploads[session_id], NOBODY)

    def _replace(self, writers: _Writers, epoch: int) -> None:
        writers.latest = epoch
        for turn in writers.turns:
            turn.break_off()
