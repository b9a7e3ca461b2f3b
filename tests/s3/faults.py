"""What can go wrong between a server and its S3: in which operation, what, before or after its effect."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final

from tests.s3.operations import Operation

PATIENCE: Final = 60.0
"""Seconds until something that a test waits for is taken as never coming."""


class Kind(StrEnum):
    """What happens."""

    ERROR = "500"
    SLOW_DOWN = "503"
    HANG = "hang"
    """No answer, and the connection stays open, until the client has enough of it."""
    RESET = "reset"
    """Before: in the middle of the request. After: instead of the answer."""
    ERROR_IN_200 = "error in 200"
    """CompleteMultipartUpload only: the status is sent early, and the body then says that it failed."""
    PRETEND = "pretend"
    """The answer is the usual one of this operation, 204, and nothing was done (before only). This is what
    AbortMultipartUpload looks like from outside while a part is under way."""
    CUT = "cut"
    """The answer breaks off half way (after only)."""
    CORRUPT = "corrupt"
    """One byte of the body is another one when it arrives (before only)."""


class When(Enum):
    """On which side of the operation's effect."""

    BEFORE = "before"
    AFTER = "after"


@dataclass
class Fault:
    """One fault, planned.

    Attributes:
        skip: how many such operations pass unharmed first.
        times: how many in a row are hit then; a client that tries again at once meets the next of them.
        happened: how many were hit so far.
    """

    operation: Operation
    kind: Kind
    when: When = When.BEFORE
    skip: int = 0
    times: int = 1
    happened: int = 0

    def hits(self, operation: Operation) -> bool:
        """Whether it is its turn; counts."""
        if operation is not self.operation or self.happened >= self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.happened += 1
        return True

    def __str__(self) -> str:
        return f"{self.operation} {self.kind} {self.when.value} ×{self.times}"


@dataclass
class Gate:
    """An operation that stops before (or after) its effect until it is let go."""

    operation: Operation
    when: When = When.BEFORE
    _reached: threading.Event = field(default_factory=threading.Event)
    _open: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Until the operation is there."""
        assert self._reached.wait(PATIENCE), f"never came: {self.operation}"

    def open(self) -> None:
        """Let it, and all that come later, go on."""
        self._open.set()

    def pass_through(self) -> None:
        """Called in the operation's thread."""
        self._reached.set()
        assert self._open.wait(PATIENCE), f"nobody opened the gate of {self.operation}"
