"""The upload session: who may do what to it, and what it looks like afterwards. Pure: no IO, no clock.

The article calls the session "the contract between browser and server": it answers "where are we?" at any
moment. Here it is a frozen value; every change makes a new one, and a session store swaps old for new only
if nobody else did so first (:class:`shared.ports.SessionStore`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from shared.errors import (
    EmptyChunk,
    ExceedsDeclaredSize,
    OffsetMismatch,
    UploadIncomplete,
    WrongChunkSize,
    WrongState,
)
from shared.files import FileRecord


class State(StrEnum):
    """What the session says of itself on the wire."""

    UPLOADING = "uploading"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    REJECTED = "rejected"


UNFINISHED: Final = frozenset({State.UPLOADING, State.FINALIZING})


class Event(StrEnum):
    """What can happen to a session."""

    APPEND = "append"
    COMPLETE = "complete"
    ACCEPT = "accept"
    REJECT = "reject"
    CANCEL = "cancel"
    EXPIRE = "expire"


GONE: Final = None

NEVER: Final = 2.0**40
"""A moment (seconds since the epoch) that does not come: until then waits what an operator must look at."""

LONGEST_ERROR: Final = 500
"""Characters of a failure that are kept."""

TRANSITIONS: Final[dict[tuple[State, Event], State | None]] = {
    (State.UPLOADING, Event.APPEND): State.UPLOADING,
    (State.UPLOADING, Event.COMPLETE): State.FINALIZING,
    (State.UPLOADING, Event.CANCEL): GONE,
    (State.UPLOADING, Event.EXPIRE): GONE,
    (State.FINALIZING, Event.ACCEPT): State.COMPLETED,
    (State.FINALIZING, Event.REJECT): State.REJECTED,
    (State.COMPLETED, Event.CANCEL): GONE,
    (State.COMPLETED, Event.EXPIRE): GONE,
    (State.REJECTED, Event.CANCEL): GONE,
    (State.REJECTED, Event.EXPIRE): GONE,
}
"""Every step a session can take. What is not in the table is refused; the diagram in PROTOCOL.md is drawn
from it. ``GONE`` means the session is removed; a finished file stays."""


@dataclass(frozen=True)
class Session:
    """One upload, from init to the end of its life.

    Attributes:
        session_id: opaque and unguessable: whoever knows it may go on with the upload.
        owner: whom the file will belong to; levels without users have one owner, ``""``.
        declared_size: bytes promised at init; cannot change.
        chunk_size: bytes of every chunk but the last.
        fingerprint: the client's claim of the file's SHA-256, if it made one. A claim, nothing more.
        storage: the byte store's own reference to where the bytes go.
        created_at, expires_at: seconds since the epoch.
        committed_offset: bytes durably stored and confirmed; never falls.
        writer_epoch: raised by every writer that starts; only the latest may commit.
        lease_until: seconds since the epoch. While it lies ahead nobody begins what somebody else is at:
            storing the last block of a chunk, or finalization, whose next try may also be due only then;
            ``NEVER`` once nobody tries any more.
        finalizing_since: when the intent was stored, seconds since the epoch.
        attempts, last_error: how many tries to finalize have failed, and the last one's failure, in words
            for the operator.
        file, duplicate: the result, once completed.
        problem_code, problem_detail: why it was refused, once rejected.
        doubtful: not stored, and no part of the value: the session store was restarted since it stored this
            and may have forgotten what came after. See :meth:`shared.uploads.Uploads.status`.
    """

    session_id: str
    file_name: str
    declared_size: int
    chunk_size: int
    created_at: float
    expires_at: float
    storage: str = ""
    owner: str = ""
    mime_type: str = ""
    fingerprint: str = ""
    state: State = State.UPLOADING
    committed_offset: int = 0
    writer_epoch: int = 0
    lease_until: float = 0.0
    finalizing_since: float = 0.0
    attempts: int = 0
    last_error: str = ""
    file: FileRecord | None = None
    duplicate: bool = False
    problem_code: str = ""
    problem_detail: str = ""
    doubtful: bool = field(default=False, compare=False)

    def allows(self, event: Event) -> bool:
        """Whether ``event`` may happen now."""
        return (self.state, event) in TRANSITIONS

    def is_expired(self, now: float) -> bool:
        """Whether the lifetime is over. A session in finalization is past expiring."""
        return now >= self.expires_at and self.allows(Event.EXPIRE)

    def check_append(self, offset: int, length: int) -> None:
        """The offset handshake (article, "The offset handshake"), before the first byte is read.

        Raises:
            WrongState: the upload is finalizing or finished.
            OffsetMismatch: ``offset`` is not the committed offset: a gap, or bytes sent twice.
            EmptyChunk, ExceedsDeclaredSize, WrongChunkSize: ``length`` bytes are not the next chunk.
        """
        here = self.committed_offset
        self._require(Event.APPEND)
        if offset != here:
            raise OffsetMismatch(
                f"The chunk starts at byte {offset:,}; the server has {here:,}.", uploaded_bytes=here
            )
        if length == 0:
            raise EmptyChunk(uploaded_bytes=here)
        if offset + length > self.declared_size:
            raise ExceedsDeclaredSize(
                f"Bytes {offset:,} to {offset + length:,} reach past the declared {self.declared_size:,}.",
                uploaded_bytes=here,
            )
        if length != self.next_length:
            raise WrongChunkSize(
                f"The chunk has {length:,} bytes; the next one must have {self.next_length:,}.",
                uploaded_bytes=here,
            )

    def check_complete(self) -> None:
        """All bytes must be here before anything is finalized (article, "Invariants").

        Raises:
            WrongState: not uploading any more.
            UploadIncomplete: bytes are missing.
        """
        self._require(Event.COMPLETE)
        if self.committed_offset != self.declared_size:
            raise UploadIncomplete(
                f"{self.committed_offset:,} of {self.declared_size:,} bytes have arrived.",
                uploaded_bytes=self.committed_offset,
            )

    def check_cancel(self) -> None:
        """Raises:
        WrongState: finalization has begun and cannot be called back.
        """
        self._require(Event.CANCEL)

    @property
    def is_unfinished(self) -> bool:
        """Whether it holds storage that is no file yet (see :class:`~shared.allowance.Allowance`)."""
        return self.state in UNFINISHED

    @property
    def is_stalled(self) -> bool:
        """Whether finalization has been tried for so long that an operator has to look."""
        return self.state is State.FINALIZING and self.lease_until >= NEVER

    @property
    def next_length(self) -> int:
        """Bytes the next chunk must have."""
        return min(self.chunk_size, self.declared_size - self.committed_offset)

    @property
    def chunk_number(self) -> int:
        """The number of the next chunk, from 1: the S3 part number."""
        return self.committed_offset // self.chunk_size + 1

    def claimed(self, lease_until: float = 0.0) -> Session:
        """The same session with a new writer, who supersedes all earlier ones."""
        return replace(self, writer_epoch=self.writer_epoch + 1, lease_until=lease_until)

    def appended(self, length: int, expires_at: float) -> Session:
        """The session after ``length`` more bytes became durable."""
        offset = self.committed_offset + length
        return replace(self, committed_offset=offset, expires_at=expires_at, lease_until=0.0)

    def settled(self) -> Session:
        """The session once it is known how much of it is true. Writers from before are superseded."""
        return replace(self.claimed(self.lease_until), doubtful=False)

    def finalizing(self, fingerprint: str, lease_until: float, since: float = 0.0) -> Session:
        """The intent to finalize, stored before anything is finalized."""
        return replace(
            self.claimed(lease_until),
            state=self._after(Event.COMPLETE),
            fingerprint=fingerprint,
            finalizing_since=since,
        )

    def postponed(self, until: float, error: str) -> Session:
        """The session after a try to finalize it failed.

        A new epoch: a renewal of the failed try's lease, still on its way, must not take this back.
        """
        failed = self.claimed(lease_until=until)
        return replace(failed, attempts=self.attempts + 1, last_error=error[:LONGEST_ERROR].replace("\0", ""))

    def due_again(self) -> Session:
        """The session as if no try had failed, due at once."""
        return replace(self.claimed(), attempts=0)

    def accepted(self, file: FileRecord, *, duplicate: bool, expires_at: float) -> Session:
        """The session once the application has made its record."""
        state = self._after(Event.ACCEPT)
        return replace(
            self, state=state, file=file, duplicate=duplicate, expires_at=expires_at, lease_until=0.0
        )

    def rejected(self, code: str, detail: str, *, expires_at: float) -> Session:
        """The session once the application has refused the file."""
        return replace(
            self,
            state=self._after(Event.REJECT),
            problem_code=code,
            problem_detail=detail,
            expires_at=expires_at,
            lease_until=0.0,
        )

    def _require(self, event: Event) -> None:
        if not self.allows(event):
            raise WrongState(
                f"The upload is {self.state}; it is too late to {event}.",
                uploaded_bytes=self.committed_offset,
            )

    def _after(self, event: Event) -> State:
        self._require(event)
        state = TRANSITIONS[self.state, event]
        assert state is not None, f"{event} ends a session; there is nothing to make of it"  # noqa: S101
        return state
