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

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.errors import StorageUnavailable
from shared.ports import ChunkBody, SessionStore, Superseded
from shared.session import Session

LAST_BLOCK: Final = 3.0
"""Seconds for which an announcement holds. Stores answer the last block within a fraction of one; it matters
only to an upload whose server died in that moment, and then a retry is that much later."""

BETWEEN_LOOKS: Final = 0.02
"""Seconds between two looks whether another writer's last block is stored."""

MAX_LOOKS: Final = int(2 * LAST_BLOCK / BETWEEN_LOOKS)
"""Announcements run out, so this ends early only when one newcomer after the other announces, and dies."""

MAX_CLAIMS: Final = 20
"""How often one writer tries to become the latest. Losing means that somebody else has just won, so this
ends early only when twenty newcomers arrive within a few milliseconds; the client is told to come again."""


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


def take_turn(look: Callable[[], Session], sessions: SessionStore, now: Callable[[], float]) -> Writer:
    """Become the latest writer of an upload.

    Args:
        look: the session as it stands, if the chunk is its next one; what it raises passes through.
        now: by the session store's clock, seconds since the epoch.

    Raises:
        StorageUnavailable: too many try at once, or the store does not answer an earlier writer.
    """
    for _ in range(MAX_CLAIMS):
        session = _when_free(look, now)
        claimed = session.claimed()
        if sessions.replace(session, claimed):
            return Writer(claimed, sessions)
    raise StorageUnavailable("Too many requests write to this upload at once.", retry_after=1)


def _when_free(look: Callable[[], Session], now: Callable[[], float]) -> Session:
    """The session once no chunk's last block is on its way: usually at once."""
    for _ in range(MAX_LOOKS):
        session = look()
        if session.lease_until <= now():
            return session
        time.sleep(BETWEEN_LOOKS)
    raise StorageUnavailable("The store is still busy with an earlier request.", retry_after=1)


@dataclass
class Announced:
    """A chunk's body whose end is known to all servers before the store lets the last block go.

    Attributes:
        now: by the session store's clock, seconds since the epoch.
    """

    body: ChunkBody
    writer: Writer
    now: Callable[[], float]

    @property
    def length(self) -> int:
        return self.body.length

    def readinto(self, block: memoryview, /) -> int:
        """See :class:`shared.ports.ChunkBody`.

        Raises:
            Superseded: all bytes are here, and another writer is at work.
        """
        if count := self.body.readinto(block):
            return count
        self.writer.announce(self.now() + LAST_BLOCK)
        return 0
