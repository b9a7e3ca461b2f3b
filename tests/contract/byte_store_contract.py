"""What every byte store owes its callers: the docstrings of :class:`shared.ports.ByteStore`, as tests.

A suite for one implementation is a class that inherits this one and says how to make a store.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from shared.errors import ChecksumMismatch, IncompleteBody, UploadError, UploadLost
from shared.ports import ByteStore, ChunkBody, StagedObject, Superseded
from shared.session import Session, State
from shared.sessions.memory import MemorySessionStore
from shared.writing import Announced, Writer

CHUNK = 64 * 1024
"""Bytes; a store that has a smallest chunk says so in its ``chunk_size``."""

LARGEST_BLOCK = 4 * 1024 * 1024


@dataclass
class Sent:
    """A chunk body from memory that can break off, and can be watched.

    Attributes:
        stop: bytes after which the connection dies; ``None`` never.
        before: called with the number of bytes sent so far, before each block.
    """

    data: bytes
    stop: int | None = None
    before: Callable[[int], None] = lambda _: None
    position: int = 0
    largest: int = 0
    length: int = field(init=False)

    def __post_init__(self) -> None:
        self.length = len(self.data)

    def readinto(self, block: memoryview, /) -> int:
        self.largest = max(self.largest, len(block))
        self.before(self.position)
        end = len(self.data) if self.stop is None else self.stop
        if self.position >= end:
            if self.stop is not None:
                raise IncompleteBody
            return 0
        count = min(len(block), end - self.position, 10_000)
        block[:count] = self.data[self.position : self.position + count]
        self.position += count
        return count


class ByteStoreContract:
    """Inherit, and give ``store``. ``session_id`` may be any text of a session id's shape."""

    @pytest.fixture
    def store(self) -> ByteStore:
        raise NotImplementedError

    @pytest.fixture
    def chunk_size(self) -> int:
        return CHUNK

    @pytest.fixture
    def upload(self, store: ByteStore, chunk_size: int) -> Upload:
        return Upload(store, bytes(range(256)) * (chunk_size // 256 * 2) + b"tail", chunk_size)

    def test_chunks_become_one_object(self, upload: Upload) -> None:
        upload.send_all()
        assert upload.content() == upload.data

    def test_an_object_appears_only_at_complete(self, upload: Upload) -> None:
        upload.send(0)
        with pytest.raises(FileNotFoundError):
            list(upload.store.read(upload.session.session_id, 0, 1))

    def test_complete_may_be_repeated(self, upload: Upload) -> None:
        upload.send_all()
        first = upload.complete()
        assert upload.complete() == first
        assert upload.content() == upload.data

    def test_zero_bytes_are_an_object(self, store: ByteStore) -> None:
        upload = Upload(store, b"")
        staged = upload.complete()
        assert staged.size == 0
        assert list(store.read(staged.location, 0, 0)) == []

    def test_a_hash_that_the_store_tells_is_right(self, upload: Upload) -> None:
        upload.send_all()
        assert upload.complete().sha256 in (None, upload.sha256)

    def test_a_broken_chunk_changes_nothing(self, upload: Upload) -> None:
        upload.send(0)
        for stop in (0, 1, 10_000, upload.chunk_size - 1):
            with pytest.raises(IncompleteBody):
                upload.append(Sent(b"x" * upload.chunk_size, stop=stop))
        upload.send_all(first=1)
        assert upload.content() == upload.data

    def test_memory_is_bounded_by_a_block(self, store: ByteStore) -> None:
        upload = Upload(store, b"m" * (8 * 1024 * 1024), chunk_size=8 * 1024 * 1024)
        sent = Sent(upload.data)
        upload.append(sent)
        assert sent.largest <= LARGEST_BLOCK < upload.chunk_size

    def test_an_older_writer_is_refused_at_once(self, upload: Upload) -> None:
        older = upload.claim()
        upload.session = upload.claim()
        upload.send(0)
        with pytest.raises(Superseded):
            upload.store.append(older, upload.handed_over(older, Sent(b"x" * upload.chunk_size)))
        upload.send_all(first=1)
        assert upload.content() == upload.data

    def test_recover_finds_what_was_stored_and_not_counted(self, upload: Upload) -> None:
        """The session store has forgotten two chunks, the last of them the shorter one."""
        upload.send(0)
        forgetful, known = upload.session, list(upload.receipts)
        assert list(upload.store.recover(forgetful, known)) == known
        upload.send_all(first=1)
        assert list(upload.store.recover(forgetful, known)) == upload.receipts
        assert list(upload.store.recover(upload.session, upload.receipts)) == upload.receipts

    @pytest.mark.parametrize("breaks", ["off", "its promise"])
    def test_recover_finds_no_chunk_that_was_refused(self, upload: Upload, breaks: str) -> None:
        """Neither one that broke off, nor one that came whole and was not what its digest said."""
        upload.send(0)

        def deny(position: int) -> None:
            if position == upload.chunk_size:
                raise ChecksumMismatch

        body = Sent(b"x" * upload.chunk_size, stop=upload.chunk_size - 1)
        if breaks == "its promise":
            body = Sent(b"x" * upload.chunk_size, before=deny)
        with pytest.raises((IncompleteBody, ChecksumMismatch)):
            upload.append(body)
        assert list(upload.store.recover(upload.session, upload.receipts)) == upload.receipts

    def test_recover_says_when_bytes_are_gone(self, upload: Upload) -> None:
        upload.send(0)
        upload.store.abort(upload.session.session_id, upload.session.storage)
        with pytest.raises(UploadLost):
            upload.store.recover(upload.session, upload.receipts)

    def test_a_late_writer_changes_nothing(self, upload: Upload) -> None:
        """It began first, fell silent inside its chunk, and sends the rest after it was replaced."""
        replaced = threading.Event()
        reached = threading.Event()

        def wait(position: int) -> None:
            if position >= upload.chunk_size // 2:
                reached.set()
                assert replaced.wait(10)

        late = upload.claim()
        outcome: list[BaseException | None] = []
        thread = threading.Thread(
            target=lambda: outcome.append(
                _error_of(upload.store, late, Sent(b"x" * upload.chunk_size, before=wait))
            )
        )
        thread.start()
        assert reached.wait(10)
        started = time.monotonic()
        upload.session = replace(upload.session, writer_epoch=late.writer_epoch)
        upload.send(0)
        took = time.monotonic() - started
        replaced.set()
        thread.join(10)
        upload.send_all(first=1)
        assert upload.content() == upload.data
        assert took < 2, "the newcomer waited for a writer that may never come back"
        assert len(outcome) == 1

    def test_a_cancelled_upload_is_gone(self, upload: Upload) -> None:
        upload.send(0)
        upload.store.abort(upload.session.session_id, upload.session.storage)
        with pytest.raises((UploadLost, Superseded)):
            upload.send(1)
        assert not list(upload.store.strays(before=time.time() + 60))

    def test_abort_and_discard_may_be_repeated(self, upload: Upload) -> None:
        for _ in range(2):
            upload.store.abort(upload.session.session_id, upload.session.storage)
            upload.store.discard("nothing-there")

    def test_a_discarded_object_is_gone(self, upload: Upload) -> None:
        upload.send_all()
        location = upload.complete().location
        upload.store.discard(location)
        with pytest.raises(FileNotFoundError):
            list(upload.store.read(location, 0, 1))

    def test_bytes_that_vanished_are_no_object(self, upload: Upload) -> None:
        upload.send_all()
        upload.store.abort(upload.session.session_id, upload.session.storage)
        with pytest.raises(UploadLost):
            upload.complete()

    def test_ranges_are_read_exactly(self, upload: Upload) -> None:
        upload.send_all()
        location = upload.complete().location
        chunk = upload.chunk_size
        for start, stop in [(0, 1), (5, 5), (chunk - 1, chunk + 1), (0, 2 * chunk + 4)]:
            assert b"".join(upload.store.read(location, start, stop)) == upload.data[start:stop]

    def test_strays_are_found_by_age(self, upload: Upload) -> None:
        upload.send(0)
        session_id = upload.session.session_id
        assert not list(upload.store.strays(before=time.time() - 60))
        assert {stray.session_id for stray in upload.store.strays(before=time.time() + 60)} == {session_id}
        upload.send_all(first=1)
        staged = upload.complete()
        found = list(upload.store.strays(before=time.time() + 60))
        assert [(stray.session_id, stray.location) for stray in found] == [(session_id, staged.location)]

    def test_uploads_do_not_touch_each_other(self, store: ByteStore) -> None:
        one, other = Upload(store, b"1" * CHUNK), Upload(store, b"2" * CHUNK)
        one.send_all()
        other.send_all()
        store.abort(other.session.session_id, other.session.storage)
        assert one.content() == one.data


class Upload:
    """One upload as :class:`shared.uploads.Uploads` would drive it, without the sessions around it."""

    count = 0

    def __init__(self, store: ByteStore, data: bytes, chunk_size: int = CHUNK) -> None:
        Upload.count += 1
        self.store, self.data, self.chunk_size = store, data, chunk_size
        session_id = f"upload-{os.getpid():08d}-{Upload.count:017d}"
        self.session = Session(
            session_id=session_id,
            file_name="file.bin",
            declared_size=len(data),
            chunk_size=chunk_size,
            created_at=0.0,
            expires_at=1e12,
            storage=store.create(session_id),
        )
        self.receipts: list[str] = []

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def handed_over(self, session: Session, body: Sent) -> ChunkBody:
        """``body`` as the writer of ``session`` hands it over: to a store without fences, with an end that
        says whether it was overtaken."""
        if self.store.fences:
            return body
        sessions = MemorySessionStore()
        sessions.insert(self.session)
        return Announced(body, Writer(session, sessions), time.time)

    def claim(self) -> Session:
        """The next writer, who is not the session's yet."""
        return self.session.claimed()

    def append(self, body: Sent) -> None:
        """As the next writer: store, then commit."""
        self.session = self.session.claimed()
        receipt = self.store.append(self.session, body)
        self.session = self.session.appended(body.length, expires_at=1e12)
        self.receipts.append(receipt)

    def send(self, number: int) -> None:
        """Chunk ``number``, from 0."""
        self.append(Sent(self.data[number * self.chunk_size : (number + 1) * self.chunk_size]))

    def send_all(self, first: int = 0) -> None:
        for number in range(first, -(-len(self.data) // self.chunk_size)):
            self.send(number)

    def complete(self) -> StagedObject:
        if self.session.state is State.UPLOADING:
            self.session = self.session.finalizing("", lease_until=0.0)
        return self.store.complete(self.session, self.receipts)

    def content(self) -> bytes:
        return b"".join(self.store.read(self.complete().location, 0, len(self.data)))


def _error_of(store: ByteStore, session: Session, body: Sent) -> BaseException | None:
    try:
        store.append(session, body)
    except (Superseded, UploadError) as error:
        return error
    return None
