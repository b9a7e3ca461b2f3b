"""Sessions in a dictionary: the article's first implementation, and the shortest to read.

They live as long as the process. That is its lesson: after a restart every client hears 404 and starts anew.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from heapq import nsmallest
from itertools import islice

from shared.errors import StorageFailure
from shared.session import Session, State


class MemorySessionStore:
    """:class:`~shared.ports.SessionStore` in memory, for the threads of one process.

    The lock makes "compare" and "set" one step. It is held for dictionary look-ups only, never while bytes
    move, so one lock for all sessions does no harm.
    """

    durable = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._receipts: dict[str, dict[int, str]] = {}

    def insert(self, session: Session) -> None:
        with self._lock:
            if session.session_id in self._sessions:
                raise StorageFailure("A session of this id exists already.")
            self._sessions[session.session_id] = session

    def get(self, session_id: str) -> Session | None:
        with self._lock:
            return self._sessions.get(session_id)

    def replace(self, current: Session, new: Session, receipt: str | None = None) -> bool:
        with self._lock:
            if not self._is(current):
                return False
            self._sessions[current.session_id] = new
            if receipt is not None:
                self._receipts.setdefault(current.session_id, {})[current.chunk_number] = receipt
            return True

    def receipts(self, session_id: str) -> Sequence[str]:
        with self._lock:
            receipts = self._receipts.get(session_id, {})
            return [receipts[number] for number in sorted(receipts)]

    def delete(self, current: Session) -> bool:
        with self._lock:
            if not self._is(current):
                return False
            del self._sessions[current.session_id]
            self._receipts.pop(current.session_id, None)
            return True

    def count(self, state: State, at_most: int) -> int:
        with self._lock:
            return sum(1 for _ in islice((s for s in self._sessions.values() if s.state is state), at_most))

    def in_state(self, state: State, limit: int) -> Sequence[Session]:
        with self._lock:
            there = [session for session in self._sessions.values() if session.state is state]
        return nsmallest(limit, there, key=lambda session: session.lease_until)

    def expired(self, now: float, limit: int) -> Sequence[Session]:
        with self._lock:
            over = [session for session in self._sessions.values() if session.is_expired(now)]
        return nsmallest(limit, over, key=lambda session: session.expires_at)

    def close(self) -> None:
        """Nothing to let go of."""

    def _is(self, current: Session) -> bool:
        there = self._sessions.get(current.session_id)
        return there is not None and _key(there) == _key(current)


def _key(session: Session) -> tuple[State, int, int]:
    return session.state, session.committed_offset, session.writer_epoch
