"""Reading a chunk off the wire: counted, timed, verified, a block at a time.

Why not ``request.stream``: WSGI servers end a short body silently, so bytes must be counted anyway; and
gunicorn's own reader copies every byte several times. So where the server is gunicorn, its parser is asked
for what it has already buffered, and the rest is received from the socket straight into the caller's block.
That leans on the server's internals, so it lives here alone, and anything unexpected falls back to
:func:`plain_source`.
"""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Final, Protocol

from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import SocketUnreader

from shared.errors import ChecksumMismatch, IncompleteBody
from shared.ports import ChunkBody

SLOWEST: Final = 4096
"""Bytes a second below which a client is dripping, not slow: 2G phones do ten times that."""

STALLED: Final = (BlockingIOError, TimeoutError)
"""What a socket says when its receive timeout (set by shared.server) runs out."""


class _Source(Protocol):
    def __call__(self, block: memoryview, /) -> int:
        """Receive up to ``len(block)`` bytes; 0 means the sender has ended."""


@dataclass
class TimedBody:
    """A body of a promised length from any source, with a deadline that only a dripping client can miss."""

    length: int
    receive: _Source
    deadline: float
    broken: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    arrived: int = 0

    def readinto(self, block: memoryview, /) -> int:
        """See :class:`shared.ports.ChunkBody`."""
        want = min(len(block), self.length - self.arrived)
        filled = 0
        while filled < want:
            try:
                count = self.receive(block[filled:want])
            except STALLED:
                raise self._incomplete("fell silent") from None
            except OSError:
                raise self._incomplete("broke") from None
            if count == 0:
                raise self._incomplete("ended")
            filled += count
            self.arrived += count
            if self.clock() > self.deadline and self.arrived < self.length:
                raise self._incomplete("dripped")
        return filled

    def _incomplete(self, what: str) -> IncompleteBody:
        self.broken()
        return IncompleteBody(f"The connection {what} after {self.arrived:,} of {self.length:,} bytes.")


@dataclass
class VerifiedBody:
    """A body that must have a certain SHA-256 (RFC 9530, Content-Digest) before it counts."""

    body: ChunkBody
    expected: bytes

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()

    @property
    def length(self) -> int:
        return self.body.length

    def readinto(self, block: memoryview, /) -> int:
        """See :class:`shared.ports.ChunkBody`. The verdict falls where the end is told."""
        count = self.body.readinto(block)
        self._digest.update(block[:count])
        if count == 0 and self._digest.digest() != self.expected:
            raise ChecksumMismatch
        return count


def chunk_body(environ: dict[str, Any], length: int, silence: float) -> TimedBody:
    """The body of this request, read the fastest way the server allows.

    Args:
        environ: the WSGI environment.
        length: bytes, from Content-Length.
        silence: seconds a client may say nothing; the deadline allows :data:`SLOWEST` on top.
    """
    deadline = time.monotonic() + silence + length / SLOWEST
    stream = environ["wsgi.input"]

    def broken() -> None:
        if isinstance(stream, Body):
            # Where the next request starts is unknown: gunicorn closes the connection.
            stream.failed = True  # type: ignore[attr-defined] # newer than the stubs

    return TimedBody(length, _socket_source(environ) or plain_source(stream), deadline, broken)


def plain_source(stream: IO[bytes]) -> _Source:
    """Read through the server's own stream: right everywhere, slower."""

    def receive(block: memoryview, /) -> int:
        data = stream.read(len(block))
        block[: len(data)] = data
        return len(data)

    return receive


def _socket_source(environ: dict[str, Any]) -> _Source | None:
    """Receive from gunicorn's socket, past its parser; None where that is not what runs here."""
    body, sock = environ.get("wsgi.input"), environ.get("gunicorn.socket")
    if not (isinstance(body, Body) and isinstance(sock, socket.socket)):
        return None
    reader = body.reader
    if not (isinstance(reader, LengthReader) and isinstance(reader.unreader, SocketUnreader)):
        return None
    if body.buf.tell():  # somebody has begun to read through the stream
        return None
    unreader = reader.unreader

    def receive(block: memoryview, /) -> int:
        # What the parser read together with the headers comes first. Anything beyond this body belongs to
        # the next request on the connection and goes back.
        if unreader.buf.tell():
            held = unreader.take_buffered()
            count = min(len(held), len(block))
            block[:count] = held[:count]
            unreader.unread(held[count:])
        else:
            count = sock.recv_into(block)
        # The parser counts as well: when we leave early it knows how much of the body is still to come, and
        # does not take it for the next request.
        reader.length -= count
        return count

    return receive


def arrived(environ: dict[str, Any]) -> int | None:
    """Bytes of this request's body that were read; None where the server does not count them."""
    body: Any = environ.get("wsgi.input")
    if not (isinstance(body, Body) and isinstance(body.reader, LengthReader)):
        return None
    promised: int = int(environ.get("CONTENT_LENGTH") or 0)
    return promised - body.reader.length


def discard_rest(environ: dict[str, Any], most: int, patience: float) -> None:
    """Read and forget what a refused request is still sending, within bounds.

    A server that answers 409 and closes while the client still sends makes the kernel reset the connection,
    and the reset can overtake the answer: the client sees a broken pipe and never learns why.

    Args:
        most: bytes to swallow at most; a client that sends more is cut off.
        patience: seconds to spend at most.
    """
    body: Any = environ.get("wsgi.input")
    sock: Any = environ.get("gunicorn.socket")
    receive = _socket_source(environ)
    if receive is None or body.failed or not 0 < body.reader.length <= most:
        return
    deadline = time.monotonic() + patience
    sink = memoryview(bytearray(64 * 1024))
    try:
        while body.reader.length > 0 and (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            if receive(sink[: min(len(sink), body.reader.length)]) == 0:
                return
        sock.settimeout(None)
    except OSError:
        return
