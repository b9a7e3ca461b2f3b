"""The one pass over a staged object: hash, size, first bytes and the application's own copy, block by block.

The copy goes the way a client's chunk goes at level 3: a multipart upload, part after part, invisible until
it is completed. So a file is never copied before it is known to be good *and* never read twice: a file that
turns out wrong is aborted. Memory is one block, whatever the size.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from level4_dedicated_service.object_store import Place
from shared.content import HEAD_SIZE
from shared.errors import StorageFailure, UploadError
from shared.limits import MIB, Limits
from shared.session import Session
from shared.uploads import SESSION_ID_BYTES

PART: Final = 8 * MIB
LARGEST: Final = 5 * 1024 * 1024 * MIB
"""Bytes: S3's largest object."""

SIZES: Final = Limits(LARGEST, PART, PART, LARGEST)


@dataclass
class Copied:
    """A copy that is complete but for the last step.

    Attributes:
        sha256: of all bytes, lower-case hex.
        head: the first bytes, enough to tell the type.
    """

    session: Session
    receipts: Sequence[str]
    sha256: str
    head: bytes


@dataclass
class Reader:
    """Blocks of a staged object, read once; what has passed is hashed."""

    blocks: Iterator[bytes]
    tick: Callable[[], None]
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    head: bytes = b""
    _rest: memoryview = field(default_factory=lambda: memoryview(b""))

    def readinto(self, block: memoryview, most: int) -> int:
        """Fill ``block`` with up to ``most`` bytes; returns how many, 0 at the end."""
        if not self._rest:
            self.tick()
            data = next(self.blocks, b"")
            self.digest.update(data)
            self.head += data[: HEAD_SIZE - len(self.head)]
            self._rest = memoryview(data)
        step = min(len(block), most, len(self._rest))
        block[:step] = self._rest[:step]
        self._rest = self._rest[step:]
        return step


class Part:
    """:class:`~shared.ports.ChunkBody`: the next ``length`` bytes of a reader."""

    def __init__(self, reader: Reader, length: int) -> None:
        self.length = length
        self._reader = reader
        self._left = length

    def readinto(self, block: memoryview, /) -> int:
        """See :meth:`shared.ports.ChunkBody.readinto`."""
        if not self._left:
            return 0
        step = self._reader.readinto(block, self._left)
        if not step:
            raise StorageFailure("The staged object ended early.")
        self._left -= step
        return step


@dataclass(frozen=True)
class OwnCopies:
    """Copies of staged objects, in the application's own place."""

    staged: Place
    own: Place

    def copy(self, location: str, size: int, now: float, tick: Callable[[], None]) -> Copied:
        """Read the staged object once, into a copy that :meth:`keep` completes and :meth:`drop` undoes.

        Args:
            size: bytes that it must have.
            now: seconds since the epoch.
            tick: called between blocks.

        Raises:
            FileNotFoundError: there is no such staged object.
            StorageFailure: it has another size.
            StorageUnavailable, InsufficientStorage: either store is away or full.
        """
        found = self.staged.size(location)
        if found != size:
            raise StorageFailure(f"The staged object has {found:,} bytes, not {size:,}.")
        # A name of its own: two processes that copy the same upload, after all, never meet.
        name = secrets.token_urlsafe(SESSION_ID_BYTES)
        session = Session(
            session_id=name,
            file_name="",
            declared_size=size,
            chunk_size=SIZES.chunk_size_for(size, None),
            created_at=now,
            expires_at=now,
            storage=self.own.store.create(name),
        )
        reader = Reader(self.staged.store.read(location, 0, size), tick)
        receipts = []
        try:
            while session.next_length:
                receipts.append(self.own.store.append(session, Part(reader, session.next_length)))
                session = session.appended(session.next_length, now)
        except BaseException:
            self.drop(Copied(session, receipts, "", b""))
            raise
        return Copied(session, receipts, reader.digest.hexdigest(), reader.head)

    def keep(self, copied: Copied) -> str:
        """Make the copy an object (CompleteMultipartUpload); returns its location."""
        return self.own.store.complete(copied.session, copied.receipts).location

    def drop(self, copied: Copied) -> None:
        """Undo the copy. What cannot be undone now is a stray for the sweep."""
        with suppress(UploadError):
            self.own.store.abort(copied.session.session_id, copied.session.storage)

    def sweep(self, before: float, is_file: Callable[[str], bool]) -> int:
        """Remove what copies that were cut off left behind, if older than ``before``; returns how many."""
        removed = 0
        for stray in self.own.store.strays(before):
            if not stray.location:
                self.own.store.abort(stray.session_id, stray.storage)
            elif is_file(stray.location):
                continue
            else:
                self.own.store.discard(stray.location)
            removed += 1
        return removed
