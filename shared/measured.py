"""The ports with a stop-watch: each wraps an implementation and changes nothing of what it does.

The core and the stores stay free of counting, and a server that wants no numbers leaves a wrapper away.
``tests/contract`` runs the suites of the ports over the wrapped stores as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.allowance import UNBOUNDED, Allowance
from shared.metrics import Metrics
from shared.ports import (
    Accepted,
    ByteStore,
    ChunkBody,
    Finalizer,
    Rejected,
    SessionStore,
    StagedObject,
    Stray,
)
from shared.session import Session, State


@dataclass
class Awaited:
    """A chunk's body that knows how long it was waited for."""

    body: ChunkBody
    seconds: float = field(default=0.0, init=False)

    @property
    def length(self) -> int:
        return self.body.length

    def readinto(self, block: memoryview, /) -> int:
        """See :class:`shared.ports.ChunkBody`."""
        started = time.perf_counter()
        try:
            return self.body.readinto(block)
        finally:
            self.seconds += time.perf_counter() - started


@dataclass(frozen=True)
class MeasuredStore:
    """A :class:`~shared.ports.ByteStore` whose calls are timed, as the store ``bytes``."""

    store: ByteStore
    metrics: Metrics

    @property
    def fences(self) -> bool:
        return self.store.fences

    def create(self, session_id: str) -> str:
        with self.metrics.timing("bytes", "create"):
            return self.store.create(session_id)

    def append(self, session: Session, body: ChunkBody) -> str:
        awaited = Awaited(body)
        with self.metrics.timing("bytes", "append", waited=lambda: awaited.seconds):
            return self.store.append(session, awaited)

    def recover(self, session: Session, receipts: Sequence[str], /) -> Sequence[str]:
        with self.metrics.timing("bytes", "recover"):
            return self.store.recover(session, receipts)

    def complete(self, session: Session, receipts: Sequence[str], /) -> StagedObject:
        # Where finalization begins: what fails here fails the attempt.
        with failing(self.metrics), self.metrics.timing("bytes", "complete"):
            return self.store.complete(session, receipts)

    def abort(self, session_id: str, storage: str) -> None:
        with self.metrics.timing("bytes", "abort"):
            self.store.abort(session_id, storage)

    def discard(self, location: str) -> None:
        with self.metrics.timing("bytes", "discard"):
            self.store.discard(location)

    def read(self, location: str, start: int, stop: int) -> Iterator[bytes]:
        # Until the first block can be read; how long the rest takes is up to who reads it.
        with self.metrics.timing("bytes", "read"):
            return self.store.read(location, start, stop)

    def strays(self, before: float) -> Iterable[Stray]:
        return self.store.strays(before)

    def check(self) -> None:
        with self.metrics.timing("bytes", "check"):
            self.store.check()


class MeasuredSessions:
    """A :class:`~shared.ports.SessionStore` whose calls are timed, as the store ``sessions``.

    Every committed byte passes here, so it is counted here.
    """

    def __init__(self, sessions: SessionStore, metrics: Metrics) -> None:
        self._sessions = sessions
        self._metrics = metrics
        self.durable = sessions.durable
        self.shared = sessions.shared
        self.clock = sessions.clock

    def insert(self, session: Session, allowance: Allowance = UNBOUNDED) -> None:
        with self._metrics.timing("sessions", "insert"):
            self._sessions.insert(session, allowance)

    def check_room(self, owner: str, declared_size: int, allowance: Allowance) -> None:
        with self._metrics.timing("sessions", "check_room"):
            self._sessions.check_room(owner, declared_size, allowance)

    def get(self, session_id: str) -> Session | None:
        with self._metrics.timing("sessions", "get"):
            return self._sessions.get(session_id)

    def replace(self, current: Session, new: Session, receipt: str | None = None) -> bool:
        committed = new.committed_offset - current.committed_offset
        # A claim waits for no disk; mixed with the commits it would make them look twice as fast.
        claim = committed == 0 and new.state is current.state
        with self._metrics.timing("sessions", "claim" if claim else "commit"):
            done = self._sessions.replace(current, new, receipt)
        if done and committed > 0:
            self._metrics.committed_bytes.inc(committed)
        return done

    def receipts(self, session_id: str) -> Sequence[str]:
        with self._metrics.timing("sessions", "receipts"):
            return self._sessions.receipts(session_id)

    def delete(self, current: Session) -> bool:
        with self._metrics.timing("sessions", "delete"):
            return self._sessions.delete(current)

    def count(self, state: State, at_most: int) -> int:
        with self._metrics.timing("sessions", "count"):
            return self._sessions.count(state, at_most)

    def in_state(self, state: State, limit: int) -> Sequence[Session]:
        with self._metrics.timing("sessions", "in_state"):
            return self._sessions.in_state(state, limit)

    def expired(self, now: float, limit: int) -> Sequence[Session]:
        with self._metrics.timing("sessions", "expired"):
            return self._sessions.expired(now, limit)

    def close(self) -> None:
        self._sessions.close()


@dataclass(frozen=True)
class MeasuredFinalizer:
    """A :class:`~shared.ports.Finalizer` whose attempts are counted by how they end."""

    finalizer: Finalizer
    metrics: Metrics

    def finalize(self, session: Session, staged: StagedObject) -> Accepted | Rejected:
        with failing(self.metrics):
            verdict = self.finalizer.finalize(session, staged)
        self.metrics.finalizations.labels(_outcome(verdict)).inc()
        return verdict

    def owns(self, location: str) -> bool:
        return self.finalizer.owns(location)


@contextmanager
def failing(metrics: Metrics) -> Iterator[None]:
    """Within: a step of finalization. An exception makes it an attempt that has failed."""
    try:
        yield
    except Exception:
        metrics.finalizations.labels("failed").inc()
        raise


def _outcome(verdict: Accepted | Rejected) -> str:
    if isinstance(verdict, Rejected):
        return "rejected"
    return "duplicate" if verdict.duplicate else "accepted"
