"""What can go wrong on the client's side, by name.

    ClientError
    ├── ServerRefused       a 4xx: sending it again changes nothing
    ├── ServerAway          three failures without progress; the session stays stored, a later try resumes
    │   └── StillFinalizing all bytes are there, but the server is not done with them yet
    ├── Interrupted         one try that failed; becomes ServerAway when there were too many
    ├── FileUnreadable      the local file cannot be read
    │   └── FileChanged     … or is no longer the file that was started
    ├── FingerprintDiffers  the bytes at the server are not the bytes here
    └── TargetUnwritable    a download cannot be stored
        └── TargetExists    … because it would overwrite something

Apart from the server's :mod:`shared.errors` on purpose: the client knows the wire, never the server's code.
"""

from __future__ import annotations

from typing import ClassVar


class ClientError(Exception):
    """The root. ``detail`` is a sentence for the person at the keyboard.

    Attributes:
        code: a slug for programs.
        resumable: whether the same call later goes on where this one stopped.
    """

    code: ClassVar[str] = "client-error"

    def __init__(self, detail: str, *, resumable: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.resumable = resumable


class ServerRefused(ClientError):
    """The server answered 3xx or 4xx (RFC 9457 problem document, when it sent one).

    Args:
        status: the HTTP status.
        problem_code: the problem's ``code``, ``""`` when there is none.
        uploaded_bytes: the session's confirmed offset in bytes, when the problem names it.
    """

    code = "refused"

    def __init__(
        self, detail: str, *, status: int, problem_code: str = "", uploaded_bytes: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.problem_code = problem_code
        self.uploaded_bytes = uploaded_bytes


class Interrupted(ClientError):
    """One try failed in a way that a later one may not: network, 408, 429, 5xx, or an unreadable answer.

    Args:
        retry_after: seconds the server asked to wait, if it did.
    """

    code = "interrupted"

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ServerAway(ClientError):
    """Too many failures without a confirmed byte between them."""

    code = "server-away"


class StillFinalizing(ServerAway):
    """Every byte is confirmed; the server's finalization outlasted this client's patience."""

    code = "still-finalizing"


class FileUnreadable(ClientError):
    """The local file cannot be read; trying again is pointless."""

    code = "file-unreadable"


class FileChanged(FileUnreadable):
    """The local file's size or time changed since the upload began."""

    code = "file-changed"


class FingerprintDiffers(ClientError):
    """SHA-256 here and SHA-256 there are not the same."""

    code = "fingerprint-differs"


class TargetUnwritable(ClientError):
    """The disk does not take the download."""

    code = "target-unwritable"


class TargetExists(TargetUnwritable):
    """There is already something where the download should go."""

    code = "target-exists"
