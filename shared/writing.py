"""The writer of a chunk: it takes its turn, says when its last block leaves, and commits.

A newcomer never waits for a writer whose bytes are still coming: that may be a dead connection. It takes the
next writer epoch, and the older one finds out that it can change nothing any more. What it does wait for,
briefly, is a writer whose bytes have *all* arrived: that is not hanging, it is being stored.

Why a store like S3 needs this: it has no fence. Whatever is sent last for a part's number stays. A writer
that asked "is it still my turn?", was told yes, and was then overtaken by a quicker one on another server
would replace a part that has been confirmed. So it does not ask. It *announces* its last block, in the same
compare-and-set that newcomers use, and they find the announcement instead of a free turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from shared.ports import ChunkBody, SessionStore, Superseded
from shared.session import Session

LAST_BLOCK: Final = 3.0
"""Seconds for which an announcement holds. Stores answer the last block within a fraction of one; it matters
only to an upload whose server died in that moment, and then a retry is that much later."""


@dataclass
class Writer:
    """One request that stores one chunk, and the session as it stored it last."""

    session: Session
    sessions: SessionStore

    def announce(self, until: float) -> None:
        """From here on nobody else begins, until this chunk is committed or the clock says ``until``.

        Raises:
            Superseded: somebody has begun already, or the upload is over.
        """
        announced = self.session.claimed(lease_until=until)
        if not self.sessions.replace(self.session, announced):
            raise Superseded
        self.session = announced

    def commit(self, length: int, expires_at: float, receipt: str) -> Session | None:
        """Count ``length`` more bytes, which are stored; None: somebody else took over."""
        done = self.session.appended(length, expires_at)
        return done if self.sessions.replace(self.session, done, receipt) else None


@dataclass
class Announced:
    """A chunk's body whose end is known to all servers before the store lets the last block go.

    Attributes:
        now: by the session store's clock, seconds since the epoch.
    """

    body: ChunkBody
    writer: Writer
    now: Callable[[], float]
    length: int = field(init=False)

    def __post_init__(self) -> None:
        self.length = self.body.length

    def readinto(self, block: memoryview, /) -> int:
        """See :class:`shared.ports.ChunkBody`.

        Raises:
            Superseded: all bytes are here, and another writer is at work.
        """
        if count := self.body.readinto(block):
            return count
        self.writer.announce(self.now() + LAST_BLOCK)
        return 0
