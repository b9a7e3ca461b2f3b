"""Sessions in a dictionary: the article's first implementation, and the shortest to read.

They live as long as the process. That is its lesson: after a restart every client hears 404 and starts anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import islice, takewhile

from sortedcontainers import SortedSet

from shared.allowance import UNBOUNDED, Allowance
from shared.errors import StorageFailure
from shared.session import Event, Session, State


class MemorySessionStore:
    """:class:`~shared.ports.SessionStore` in memory, for the threads of one process.

    The lock makes "compare" and "set" one step. It is held for dictionary look-ups only, never while bytes
    move, so one lock for all sessions does no harm.
    """

    durable = False
    shared = False
    clock = staticmethod(time.time)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._receipts: dict[str, dict[int, str]] = {}
        # Sorted (moment, id) pairs: what is asked of all sessions is asked of their beginnings.
        self._by_lease = {state: SortedSet() for state in State}
        self._by_expiry = SortedSet()
        self._unfinished = 0
        self._owner_bytes: dict[str, int] = {}

    def insert(self, session: Session, allowance: Allowance = UNBOUNDED) -> None:
        with self._lock:
            if session.session_id in self._sessions:
                raise StorageFailure("A session of this id exists already.")
            allowance.check(self._unfinished, self._owner_bytes.get(session.owner, 0), session.declared_size)
            self._add(session)

    def check_room(self, owner: str, declared_size: int, allowance: Allowance) -> None:
        with self._lock:
            allowance.check(self._unfinished, self._owner_bytes.get(owner, 0), declared_size)

    def get(self, session_id: str) -> Session | None:
        with self._lock:
            return self._sessions.get(session_id)

    def replace(self, current: Session, new: Session, receipt: str | None = None) -> bool:
        with self._lock:
            if not self._is(current):
                return False
            self._remove(self._sessions[current.session_id])
            self._add(new)
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
            self._remove(self._sessions[current.session_id])
            self._receipts.pop(current.session_id, None)
            return True

    def count(self, state: State, at_most: int) -> int:
        with self._lock:
            return min(len(self._by_lease[state]), at_most)

    def in_state(self, state: State, limit: int) -> Sequence[Session]:
        with self._lock:
            return [self._sessions[session_id] for _, session_id in self._by_lease[state][:limit]]

    def expired(self, now: float, limit: int) -> Sequence[Session]:
        with self._lock:
            over = takewhile(lambda entry: entry[0] <= now, islice(self._by_expiry, limit))
            return [self._sessions[session_id] for _, session_id in over]

    def close(self) -> None:
        """Nothing to let go of."""

    def _add(self, session: Session) -> None:
        self._sessions[session.session_id] = session
        self._by_lease[session.state].add((session.lease_until, session.session_id))
        if session.allows(Event.EXPIRE):
            self._by_expiry.add((session.expires_at, session.session_id))
        self._count(session, 1)

    def _remove(self, session: Session) -> None:
        del self._sessions[session.session_id]
        self._by_lease[session.state].remove((session.lease_until, session.session_id))
        self._by_expiry.discard((session.expires_at, session.session_id))
        self._count(session, -1)

    def _count(self, session: Session, sign: int) -> None:
        if session.is_unfinished:
            self._unfinished += sign
            owner_bytes = self._owner_bytes.get(session.owner, 0) + sign * session.declared_size
            self._owner_bytes[session.owner] = owner_bytes
            if not owner_bytes:
                del self._owner_bytes[session.owner]

    def _is(self, current: Session) -> bool:
        there = self._sessions.get(current.session_id)
        return there is not None and _key(there) == _key(current)


def _key(session: Session) -> tuple[State, int, int]:
    return session.state, session.committed_offset, session.writer_epoch
