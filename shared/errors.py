"""Everything that can go wrong with an upload, by name.

    UploadError
    ├── InvalidRequest          the JSON, or a member of it
    ├── InvalidOffset           the offset header is missing, repeated or no number
    ├── EmptyChunk
    ├── WrongChunkSize          neither chunkSize long nor the last chunk
    ├── IncompleteBody          the connection carried fewer bytes than it promised
    ├── ChecksumMismatch        Content-Digest names other bytes
    ├── LengthRequired
    ├── UnsupportedMediaType
    ├── Unauthorized
    ├── SessionNotFound         unknown, expired, cancelled or another owner's: one answer for all
    ├── FileNotFound
    ├── UploadLost              the store no longer has what it had confirmed
    ├── OffsetMismatch          the handshake failed: here is the committed offset
    ├── UploadIncomplete
    ├── WrongState
    ├── FileTooLarge
    ├── ExceedsDeclaredSize
    ├── Refused                 at finalization, for good
    │   ├── ContentRejected
    │   └── FingerprintMismatch
    ├── TooManySessions         ┐
    ├── StorageUnavailable      │ come again: nothing was lost
    ├── InsufficientStorage     ┘
    ├── FinalizationStalled     the application has not taken the file for so long that a person has to look
    └── StorageFailure          the store said "written" and may not have meant it

Errors know what happened, not what HTTP calls it: the one table from these names to status codes stands in
:mod:`shared.problems`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class MemberError:
    """One member of a JSON body and what is wrong with it."""

    member: str
    message: str


class UploadError(Exception):
    """The root. ``detail`` is a sentence for the person at the other end.

    Args:
        detail: what happened and what to do next.
        uploaded_bytes: the session's committed offset in bytes, whenever the session is known.
        retry_after: seconds after which the same request may succeed.
    """

    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something went wrong on the server"

    def __init__(
        self, detail: str = "", *, uploaded_bytes: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.uploaded_bytes = uploaded_bytes
        self.retry_after = retry_after


class InvalidRequest(UploadError):
    code = "invalid-request"
    title = "The request cannot be understood"

    def __init__(self, detail: str = "", *, errors: Sequence[MemberError] = ()) -> None:
        super().__init__(detail or "; ".join(f"{e.member}: {e.message}" for e in errors))
        self.errors = tuple(errors)


class InvalidOffset(UploadError):
    code = "invalid-offset"
    title = "x-upload-offset must be sent exactly once, as a plain decimal number"


class EmptyChunk(UploadError):
    code = "empty-chunk"
    title = "A chunk carries at least one byte"


class WrongChunkSize(UploadError):
    code = "wrong-chunk-size"
    title = "Every chunk but the last is exactly chunkSize long"


class IncompleteBody(UploadError):
    code = "incomplete-body"
    title = "The connection ended before the whole chunk had arrived"


class ChecksumMismatch(UploadError):
    code = "checksum-mismatch"
    title = "The chunk does not match its Content-Digest"


class LengthRequired(UploadError):
    code = "length-required"
    title = "A chunk needs a Content-Length"


class UnsupportedMediaType(UploadError):
    code = "unsupported-media-type"
    title = "The body is of a type or encoding that is not taken here"


class Unauthorized(UploadError):
    code = "unauthorized"
    title = "A valid ticket is needed"


class SessionNotFound(UploadError):
    code = "session-not-found"
    title = "There is no such upload; it may have expired or been cancelled"


class FileNotFound(UploadError):
    code = "file-not-found"
    title = "There is no such file"


class UploadLost(UploadError):
    code = "upload-lost"
    title = "The bytes of this upload are no longer in the store; start anew"


class OffsetMismatch(UploadError):
    code = "offset-mismatch"
    title = "The server has another number of bytes; go on from uploadedBytes"


class UploadIncomplete(UploadError):
    code = "upload-incomplete"
    title = "Not all bytes have arrived yet"


class WrongState(UploadError):
    code = "wrong-state"
    title = "The upload is past the point where this is possible"


class FileTooLarge(UploadError):
    code = "file-too-large"
    title = "The file is larger than this server takes"


class ExceedsDeclaredSize(UploadError):
    code = "exceeds-declared-size"
    title = "The chunk reaches past the declared size"


class Refused(UploadError):
    """The application does not want this file; sending it again changes nothing."""


class ContentRejected(Refused):
    code = "content-rejected"
    title = "The bytes are not what the file's name or type claims, or of a type not taken here"


class FingerprintMismatch(Refused):
    code = "fingerprint-mismatch"
    title = "The bytes that arrived have another SHA-256 than the fingerprint given"


class TooManySessions(UploadError):
    code = "too-many-sessions"
    title = "Too many unfinished uploads; finish or cancel some"


class StorageUnavailable(UploadError):
    code = "storage-unavailable"
    title = "The store is away for the moment; nothing was lost"


class InsufficientStorage(UploadError):
    code = "insufficient-storage"
    title = "There is no space left; the upload resumes when there is"


class FinalizationStalled(UploadError):
    code = "finalization-stalled"
    title = "The file has arrived and could not be taken for long; nothing is lost, an operator must look"


class StorageFailure(UploadError):
    code = "internal-error"
    title = "The store failed while writing; nothing was confirmed, send the chunk again"


REFUSALS: dict[str, type[Refused]] = {kind.code: kind for kind in (ContentRejected, FingerprintMismatch)}
"""A rejected session stores its refusal's code; this finds the error to raise when it is asked again."""
