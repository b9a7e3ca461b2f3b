"""The use cases: init, append, status, cancel, complete. Sessions and ports, nothing else.

One rule carries everything here: bytes durable → offset committed → answer. Whatever a crash cuts off can be
done again, because every step may be repeated, and every change of a session is a compare-and-set, because
somebody else may be repeating it at the same moment. What follows `complete` is in :mod:`shared.outbox`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from shared.allowance import Allowance
from shared.backoff import Backoff
from shared.errors import (
    REFUSALS,
    ContentRejected,
    FinalizationStalled,
    InsufficientStorage,
    InvalidRequest,
    MemberError,
    OffsetMismatch,
    SessionNotFound,
    StorageUnavailable,
    TooManySessions,
    UploadError,
    UploadLost,
)
from shared.limits import Limits
from shared.ports import ByteStore, ChunkBody, Finalizer, SessionStore, Superseded
from shared.session import Session, State
from shared.writing import MAX_CLAIMS, Announced, Writer, take_turn

log = logging.getLogger(__name__)

SESSION_ID_BYTES = 24
"""192 random bits: the session id is the only thing that allows a request to touch an upload."""

STALLED_PAUSE = 3600.0
"""Seconds after which a client may ask again about what waits for an operator."""


@dataclass(frozen=True)
class NewUpload:
    """What a client declares at init. Sizes in bytes; ``fingerprint`` is hex or ``""``.

    ``quota`` is what the owner's unfinished uploads may declare together, bytes; None: no limit.
    """

    file_name: str
    declared_size: int
    mime_type: str = ""
    fingerprint: str = ""
    chunk_size: int | None = None
    owner: str = ""
    quota: int | None = None


@dataclass(frozen=True)
class Lifetimes:
    """Durations in seconds, and the bound on unfinished sessions.

    Attributes:
        session_ttl: from the last committed chunk to expiry (article, "Invariants": 24 hours).
        lease: for how long a process that finalizes may say nothing before another takes over.
        backoff: the pauses between tries to finalize.
        max_sessions: unfinished sessions at once.
    """

    session_ttl: float
    lease: float = 10.0
    backoff: Backoff = field(default_factory=Backoff)
    max_sessions: int = 10_000


@dataclass(frozen=True)
class Uploads:
    """The uploads of one server. Holds no state of its own: several servers may share the stores."""

    sessions: SessionStore
    store: ByteStore
    finalizer: Finalizer
    limits: Limits
    lifetimes: Lifetimes
    clock: Callable[[], float]

    def init(self, new: NewUpload) -> Session:
        """Give the upload its identity. The size is checked before storage is touched.

        Raises:
            FileTooLarge: more than the largest file.
            TooManySessions: as many unfinished uploads as are allowed at once.
            InsufficientStorage: the owner's quota has no room for it.
        """
        self.limits.check_declared_size(new.declared_size)
        allowance = Allowance(self.lifetimes.max_sessions, new.quota)
        # A look ahead, so that a crowd that is refused costs the byte store nothing; `insert` decides.
        self.sessions.check_room(new.owner, new.declared_size, allowance)
        now = self.clock()
        session_id = secrets.token_urlsafe(SESSION_ID_BYTES)
        # The bytes' place comes first: a crash before the insert leaves a stray that the sweep finds, while
        # the other order would leave a session that points nowhere.
        storage = self.store.create(session_id)
        session = Session(
            session_id=session_id,
            owner=new.owner,
            file_name=new.file_name,
            mime_type=new.mime_type,
            fingerprint=new.fingerprint,
            declared_size=new.declared_size,
            chunk_size=self.limits.chunk_size_for(new.declared_size, new.chunk_size),
            storage=storage,
            created_at=now,
            expires_at=now + self.lifetimes.session_ttl,
        )
        try:
            self.sessions.insert(session, allowance)
        except (TooManySessions, InsufficientStorage):
            # Rivals took the room meanwhile. A place that cannot be given back now is a stray for the sweep.
            with suppress(UploadError):
                self.store.abort(session_id, storage)
            raise
        return session

    def status(self, session_id: str) -> Session:
        """Where are we?

        Raises:
            SessionNotFound: unknown, expired or cancelled.
            UploadLost: sessions and bytes have parted ways when a store was restarted; the session is gone.
        """
        for _ in range(MAX_CLAIMS):
            session = self.sessions.get(session_id)
            if session is None or session.is_expired(self.clock()):
                raise SessionNotFound
            if not session.doubtful:
                return session
            self._settle(session)
        raise StorageUnavailable("The session store keeps changing its mind.", retry_after=1)

    def append(self, session_id: str, offset: int, body: ChunkBody) -> Session:
        """Take one chunk: all of it, or nothing.

        Several may try at once; see :mod:`shared.writing` for who waits for whom.

        Raises:
            SessionNotFound, and everything of :meth:`Session.check_append`: before a byte is read.
            OffsetMismatch: also when a later writer took over meanwhile.
            UploadLost: the store has lost the committed prefix; the session is gone.
        """
        writer, receipt = self._store_chunk(session_id, offset, body)
        done = writer.commit(body.length, self.clock() + self.lifetimes.session_ttl, receipt)
        if done is None:
            raise superseded(self.status(session_id))
        return done

    def cancel(self, session_id: str) -> None:
        """Forget the session; unfinished bytes go with it, a finished file stays.

        Raises:
            SessionNotFound; WrongState: finalization has begun.
        """
        while True:
            session = self.status(session_id)
            session.check_cancel()
            if self.remove(session):
                return

    def remove(self, session: Session) -> bool:
        """Delete ``session`` as it stands, then what it stored. False: it changed meanwhile.

        The record goes first: from then on nobody can commit to it. A crash before the bytes follow leaves
        a stray for the sweep.
        """
        if not self.sessions.delete(session):
            return False
        if session.state is State.UPLOADING:
            self.store.abort(session.session_id, session.storage)
        return True

    def complete(self, session_id: str, fingerprint: str = "") -> Session:
        """Store the intent to finalize. Repeatable: a session past that point is returned as it is.

        Raises:
            SessionNotFound; UploadIncomplete: bytes are missing.
            InvalidRequest: ``fingerprint`` contradicts the one given at init.
            Refused: the application has refused the file, now or earlier.
            FinalizationStalled: nobody tries any more, until an operator says so.
        """
        while True:
            session = self.status(session_id)
            if session.is_stalled:
                raise FinalizationStalled(retry_after=STALLED_PAUSE)
            if session.state is not State.UPLOADING:
                return refused_or(session)
            session.check_complete()
            if fingerprint and session.fingerprint not in ("", fingerprint):
                raise InvalidRequest(
                    errors=[MemberError("fingerprint", "differs from the one given at init")]
                )
            claim = fingerprint or session.fingerprint
            intent = session.finalizing(claim, lease_until=0.0, since=self.clock())
            if self.sessions.replace(session, intent):
                return intent

    def _store_chunk(self, session_id: str, offset: int, body: ChunkBody) -> tuple[Writer, str]:
        for _ in range(MAX_CLAIMS):
            writer = take_turn(lambda: self._next(session_id, offset, body.length), self.sessions, self.clock)
            whole = body if self.store.fences else Announced(body, writer, self.clock)
            try:
                return writer, self.store.append(writer.session, whole)
            except Superseded:
                current = self.status(session_id)
                if current.writer_epoch != writer.session.writer_epoch:
                    raise superseded(current) from None
                # Nobody took over, and yet the byte store knows a later writer: a power cut has undone the
                # last claims, which no store need sync. No byte was read; claim on until past them.
            except UploadLost:
                current = self.status(session_id)
                if current.writer_epoch != writer.session.writer_epoch:
                    raise superseded(current) from None
                self.give_up(writer.session)
                raise
        raise StorageUnavailable("The store knows later writers than the sessions do.", retry_after=1)

    def _next(self, session_id: str, offset: int, length: int) -> Session:
        """The session, of which ``length`` bytes at ``offset`` are the next chunk."""
        session = self.status(session_id)
        session.check_append(offset, length)
        return session

    def _settle(self, session: Session) -> None:
        """Find out from the byte store how many bytes there are, where the session store may have forgotten.

        Every step is a compare-and-set, and the session stays doubtful until the last one: a crash on the way
        leaves the question open, never a smaller answer.
        """
        if session.state is State.UPLOADING:
            known = self.sessions.receipts(session.session_id)
            try:
                found = self.store.recover(session, known)
            except UploadLost:
                self.give_up(session)
                raise
            for receipt in found[len(known) :]:
                ahead = session.appended(session.next_length, self.clock() + self.lifetimes.session_ttl)
                if not self.sessions.replace(session, ahead, receipt):
                    return
                session = ahead
            if len(found) > len(known):
                forgotten = len(found) - len(known)
                log.warning(
                    "session %.6s…: %d chunks were forgotten and found", session.session_id, forgotten
                )
        self.sessions.replace(session, session.settled())

    def give_up(self, session: Session) -> None:
        """Remove a session whose stored bytes are gone, and say so in the log."""
        log.error("session %.6s…: its stored bytes are gone; giving it up", session.session_id)
        if self.sessions.delete(session):
            self.store.abort(session.session_id, session.storage)


def refused_or(session: Session) -> Session:
    """The session, unless the application refused its file.

    Raises:
        Refused: with the code and the detail stored at finalization.
    """
    if session.state is State.REJECTED:
        refusal = REFUSALS.get(session.problem_code, ContentRejected)
        raise refusal(session.problem_detail, uploaded_bytes=session.committed_offset)
    return session


def superseded(session: Session) -> OffsetMismatch:
    """What a writer is told that another one has replaced: where the upload stands now."""
    return OffsetMismatch(
        "Another request for the same upload took over; this one changed nothing.",
        uploaded_bytes=session.committed_offset,
    )
