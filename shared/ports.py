"""The three things an upload needs from the world: where bytes go, where sessions live, who takes the file.

Each is a Protocol whose contract stands in its docstrings; ``tests/contract`` runs one suite per port over
every implementation. The core (:mod:`shared.uploads`) knows these and nothing behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.allowance import UNBOUNDED, Allowance
from shared.files import FileRecord
from shared.session import Session, State


class Superseded(Exception):
    """Another writer has taken over this session: stop, and change nothing more.

    Not an :class:`~shared.errors.UploadError`: what the client is told depends on what the other writer did.
    """


class ChunkBody(Protocol):
    """The bytes of one chunk as they arrive."""

    @property
    def length(self) -> int:
        """Bytes promised by Content-Length."""

    def readinto(self, block: memoryview, /) -> int:
        """Fill ``block`` from the start, as far as bytes are left; return how many.

        Returns 0 exactly once everything promised has arrived and been verified.

        Raises:
            IncompleteBody: the connection ended, stalled or dripped.
            ChecksumMismatch: all bytes arrived and they are not those of Content-Digest.
        """


@dataclass(frozen=True)
class StagedObject:
    """All bytes in one piece, not yet accepted by the application.

    Attributes:
        location: where :meth:`ByteStore.read` finds it.
        size: bytes.
        sha256: lower-case hex if the store knows it; otherwise the finalizer reads the object to find out.
    """

    location: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Stray:
    """Stored bytes found by a sweep, which may or may not belong to somebody."""

    session_id: str
    storage: str
    location: str


class ByteStore(Protocol):
    """Where bytes go. Four verbs that mirror S3's four calls, and what reading and sweeping need.

    Every verb may be repeated after a crash. ``StorageUnavailable`` (come again), ``InsufficientStorage``
    (full), ``StorageFailure`` (a write went wrong) may be raised by any of them.
    """

    @property
    def fences(self) -> bool:
        """Whether the store itself keeps out a writer that was overtaken, to the last moment, as a lock on a
        file does. If not, the body keeps it out: at its end (see :mod:`shared.writing`)."""

    def create(self, session_id: str) -> str:
        """Make room for an upload (CreateMultipartUpload); return the reference kept in the session."""

    def append(self, session: Session, body: ChunkBody) -> str:
        """Store one chunk durably at ``session.committed_offset`` (UploadPart); return a receipt.

        ``session`` is the claimed one: its ``writer_epoch`` is this writer's. When this returns, the bytes
        survive a power cut. When it raises, the committed prefix is untouched. A writer of an older epoch
        changes no committed byte, whenever it wakes up. Memory is bounded by a block, not by the chunk. The
        last block is stored only once the body has said that it ends here, so that what is whole is also
        right.

        Raises:
            Superseded: a later writer has taken over; or from the body.
            UploadLost: the committed prefix is not there any more.
            IncompleteBody, ChecksumMismatch: from the body.
        """

    def recover(self, session: Session, receipts: Sequence[str], /) -> Sequence[str]:
        """The receipts of all whole chunks that are stored (ListParts), beginning with ``receipts``.

        Asked when the session store may have forgotten the last chunks: a client must not be told fewer bytes
        than before. A chunk that was stored and not confirmed may be among them; it is as good.

        Args:
            session: uploading, with a committed offset that may be too small.
            receipts: of the chunks that the session knows.

        Raises:
            UploadLost: what is stored does not fit what is known.
        """

    def complete(self, session: Session, receipts: Sequence[str], /) -> StagedObject:
        """Turn the chunks into one object, all at once (CompleteMultipartUpload). Repeatable.

        Args:
            session: in finalization, all bytes committed.
            receipts: what ``append`` returned for each chunk, in order.

        Raises:
            UploadLost: the bytes are not there.
        """

    def abort(self, session_id: str, storage: str) -> None:
        """Remove an unfinished upload (AbortMultipartUpload). Nothing there is fine; writers are fenced."""

    def discard(self, location: str) -> None:
        """Remove a staged object that did not become a file. Nothing there is fine."""

    def read(self, location: str, start: int, stop: int) -> Iterator[bytes]:
        """The bytes ``start`` ≤ i < ``stop`` of an object, in blocks.

        Raises:
            FileNotFound: there is no such object.
        """

    def strays(self, before: float) -> Iterable[Stray]:
        """Everything of ours last written before ``before`` (seconds since the epoch). Ours only."""

    def check(self) -> None:
        """Whether the store is there at all: asked by ``/readyz``, so one cheap call and no more.

        Raises:
            StorageUnavailable: it is away.
        """


class SessionStore(Protocol):
    """Where sessions live. Every change is a compare-and-set, so no other lock is needed anywhere.

    ``StorageUnavailable`` and ``InsufficientStorage`` may be raised by any of these.
    """

    durable: bool
    """Whether sessions survive this process."""

    shared: bool
    """Whether servers on other machines may use it at the same time."""

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds since the epoch, by one clock for all who share the store: sessions end by it."""

    def insert(self, session: Session, allowance: Allowance = UNBOUNDED) -> None:
        """Add a new session if ``allowance`` has room for it. Looking and adding are one step: of any number
        of rivals exactly as many get in as there is room for.

        Raises:
            TooManySessions, InsufficientStorage: see :meth:`Allowance.check`; nothing was added.
            StorageFailure: there is a session of this id.
        """

    def check_room(self, owner: str, declared_size: int, allowance: Allowance) -> None:
        """What :meth:`insert` would say now, without adding anything: a look ahead, and no promise.

        Raises:
            TooManySessions, InsufficientStorage: see :meth:`Allowance.check`.
        """

    def get(self, session_id: str) -> Session | None:
        """The session as it stands now; ``doubtful`` if the store may have forgotten something of it."""

    def replace(self, current: Session, new: Session, receipt: str | None = None) -> bool:
        """Swap ``current`` for ``new``, in one step with adding ``receipt``, durably.

        Happens only if the stored (state, committed offset, writer epoch) are those of ``current``;
        otherwise nothing changes and the answer is ``False``. The receipt of chunk ``current.chunk_number``
        is kept until the session goes.

        A session that has become doubtful since ``current`` was read is not changed either. It stays doubtful
        until a ``new`` that is not takes its place.
        """

    def receipts(self, session_id: str) -> Sequence[str]:
        """The receipts of all committed chunks, in order."""

    def delete(self, current: Session) -> bool:
        """Remove the session and its receipts under the same condition as :meth:`replace`."""

    def count(self, state: State, at_most: int) -> int:
        """How many sessions are in ``state``, counting no further than ``at_most``."""

    def in_state(self, state: State, limit: int) -> Sequence[Session]:
        """Up to ``limit`` sessions in ``state``, those with the smallest ``lease_until`` first."""

    def expired(self, now: float, limit: int) -> Sequence[Session]:
        """Up to ``limit`` sessions for which ``is_expired(now)`` holds, longest expired first."""

    def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True)
class Accepted:
    """The application made its record.

    Attributes:
        file: the record; for a duplicate, the one that was there before.
        duplicate: the same owner already had these bytes.
        adopted: the staged object has become the file and must stay where it is.
    """

    file: FileRecord
    duplicate: bool
    adopted: bool


@dataclass(frozen=True)
class Rejected:
    """The application refuses the file, for good."""

    code: str
    detail: str


class Finalizer(Protocol):
    """Business logic, kept out of the transfer (article, "Finalization")."""

    def finalize(self, session: Session, staged: StagedObject) -> Accepted | Rejected:
        """Check the staged object and make one record of it, however often this is called.

        Any exception means "not now": the session stays in finalization and is tried again.
        """

    def owns(self, location: str) -> bool:
        """Whether this object is a finished file of the application, so that a sweep leaves it alone."""
