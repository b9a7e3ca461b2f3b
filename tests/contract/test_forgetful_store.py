"""Redis comes back and has forgotten the last second: never a wrong offset, never fewer bytes than confirmed.

The forgetting is real: the server is killed, the end of its log is cut off, it is started again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from level2_disk_chunks.disk_store import DiskStore
from level3_s3_multipart.cluster.redis import RedisServer
from shared.catalogue import Catalogue
from shared.errors import OffsetMismatch, SessionNotFound, StorageUnavailable, UploadLost
from shared.finalizer import CatalogueFinalizer
from shared.limits import TINY
from shared.outbox import Outbox
from shared.session import Session, State
from shared.sessions.redis import RedisSessionStore
from shared.uploads import Lifetimes, NewUpload, Uploads
from tests.contract.steps import append, at_once
from tests.contract.test_upload_model import Body
from tests.sessions_made import a_session

CHUNK, SOURCE = 10, bytes(range(95))
"""Nine chunks of ten bytes, and one of five."""


class Forgetful(RedisServer):
    """A Redis that can be made to forget what came after a moment."""

    @property
    def _log(self) -> Path:
        (found,) = (self.folder / "appendonlydir").glob("*.incr.aof")
        return found

    def moment(self) -> int:
        """Now, as a place in the log. Whatever was answered is in it, though perhaps not synced."""
        return self._log.stat().st_size

    def forget(self, since: int) -> None:
        """A power cut that took everything after ``since``."""
        self.kill()
        with self._log.open("rb+") as log:
            log.truncate(since)
        self.start()


@pytest.fixture
def server() -> Iterator[Forgetful]:
    with Forgetful() as running:
        yield running


@pytest.fixture
def uploads(server: Forgetful, tmp_path: Path) -> Iterator[Uploads]:
    with ExitStack() as stack:
        sessions = stack.enter_context(closing(RedisSessionStore(server.url)))
        catalogue = stack.enter_context(closing(Catalogue(f"sqlite:///{tmp_path}/catalogue.sqlite3")))
        store = DiskStore(tmp_path)
        finalizer = CatalogueFinalizer(catalogue, store.read, frozenset(), time.time)
        yield Uploads(sessions, store, finalizer, TINY, Lifetimes(3600.0), sessions.clock)


def begin(uploads: Uploads, chunks: int) -> str:
    session = uploads.init(NewUpload("a.bin", len(SOURCE), chunk_size=CHUNK))
    send(uploads, session.session_id, chunks)
    return session.session_id


def send(uploads: Uploads, session_id: str, chunks: int) -> Session:
    for _ in range(chunks):
        offset = uploads.status(session_id).committed_offset
        uploads.append(session_id, offset, Body(SOURCE[offset:][:CHUNK]))
    return uploads.status(session_id)


def finish(uploads: Uploads, session_id: str) -> None:
    while (offset := uploads.status(session_id).committed_offset) < len(SOURCE):
        uploads.append(session_id, offset, Body(SOURCE[offset:][:CHUNK]))
    uploads.complete(session_id)
    done = Outbox(uploads).finalize(session_id)
    assert done.file is not None
    assert done.file.fingerprint == hashlib.sha256(SOURCE).hexdigest()


def test_forgotten_chunks_are_found_in_the_byte_store(uploads: Uploads, server: Forgetful) -> None:
    upload, untouched = begin(uploads, 2), begin(uploads, 4)
    then = server.moment()
    assert send(uploads, upload, 3).committed_offset == 5 * CHUNK
    server.forget(then)
    there = uploads.status(upload)
    assert (there.committed_offset, there.doubtful) == (5 * CHUNK, False)
    assert len(uploads.sessions.receipts(upload)) == 5
    assert uploads.status(untouched).committed_offset == 4 * CHUNK
    finish(uploads, upload)
    finish(uploads, untouched)


def test_a_last_chunk_that_is_shorter_is_found_too(uploads: Uploads, server: Forgetful) -> None:
    upload = begin(uploads, 8)
    then = server.moment()
    send(uploads, upload, 2)
    server.forget(then)
    assert uploads.status(upload).committed_offset == len(SOURCE)
    finish(uploads, upload)


def test_part_of_a_chunk_is_no_chunk(uploads: Uploads, server: Forgetful, tmp_path: Path) -> None:
    upload = begin(uploads, 3)
    then = server.moment()
    send(uploads, upload, 1)
    with (tmp_path / "incoming" / upload).open("ab") as file:
        file.write(b"?????")  # a writer was in the middle of the fifth
    server.forget(then)
    assert uploads.status(upload).committed_offset == 4 * CHUNK
    finish(uploads, upload)


def test_nobody_is_told_the_older_offset(uploads: Uploads, server: Forgetful) -> None:
    """Neither by a refused chunk nor while several ask at once."""
    upload = begin(uploads, 2)
    then = server.moment()
    send(uploads, upload, 2)
    server.forget(then)
    with pytest.raises(OffsetMismatch) as caught:
        uploads.append(upload, 2 * CHUNK, Body(SOURCE[2 * CHUNK :][:CHUNK]))
    assert caught.value.uploaded_bytes == 4 * CHUNK
    server.forget(then)
    assert at_once(lambda _: uploads.status(upload).committed_offset) == [4 * CHUNK] * 8


def test_a_writer_from_before_the_restart_commits_nothing_after_it(
    uploads: Uploads, server: Forgetful
) -> None:
    """Its chunk is whole and stored, so it is found, and the client is told so; it is not counted twice."""
    upload = begin(uploads, 2)
    then = server.moment()
    body = Body(SOURCE[2 * CHUNK :][:CHUNK])
    body.before = lambda: server.forget(then)
    with pytest.raises(OffsetMismatch) as caught:
        uploads.append(upload, 2 * CHUNK, body)
    assert caught.value.uploaded_bytes == 3 * CHUNK
    assert uploads.status(upload).committed_offset == 3 * CHUNK
    finish(uploads, upload)


def test_the_newcomer_of_before_is_not_overwritten_by_the_writer_it_replaced(
    uploads: Uploads, server: Forgetful
) -> None:
    """Claim and chunk of the newcomer are forgotten, and the older writer finds its own claim restored."""
    upload = begin(uploads, 2)
    offset = 2 * CHUNK
    late = Body(b"!" * CHUNK)

    def newcomer() -> None:
        late.before = lambda: None
        then = server.moment()
        uploads.append(upload, offset, Body(SOURCE[offset:][:CHUNK]))
        server.forget(then)

    late.before = newcomer
    with pytest.raises(OffsetMismatch) as caught:
        uploads.append(upload, offset, late)
    assert caught.value.uploaded_bytes == 3 * CHUNK
    finish(uploads, upload)


def test_bytes_that_are_gone_end_the_session_in_plain_words(
    uploads: Uploads, server: Forgetful, tmp_path: Path
) -> None:
    upload = begin(uploads, 3)
    with (tmp_path / "incoming" / upload).open("rb+") as file:
        file.truncate(2 * CHUNK)
    server.forget(server.moment())
    with pytest.raises(UploadLost):
        uploads.status(upload)
    with pytest.raises(SessionNotFound):
        uploads.status(upload)


def test_a_forgotten_completion_is_explicit(uploads: Uploads, server: Forgetful) -> None:
    upload = begin(uploads, 9)
    then = server.moment()
    finish(uploads, upload)
    server.forget(then)
    with pytest.raises(UploadLost):
        uploads.status(upload)


def test_an_intent_that_is_kept_is_carried_out(uploads: Uploads, server: Forgetful) -> None:
    upload = begin(uploads, 10)
    uploads.complete(upload)
    then = server.moment()
    assert Outbox(uploads).finalize(upload).state is State.COMPLETED
    server.forget(then)
    assert uploads.status(upload).state is State.FINALIZING
    done = Outbox(uploads).finalize(upload)
    assert (done.state, done.duplicate) == (State.COMPLETED, False)


def test_a_forgotten_init_is_not_found(uploads: Uploads, server: Forgetful) -> None:
    then = server.moment()
    upload = begin(uploads, 1)
    server.forget(then)
    with pytest.raises(SessionNotFound):
        uploads.status(upload)


def test_a_settled_session_stays_settled_until_the_next_restart(server: Forgetful) -> None:
    with closing(RedisSessionStore(server.url)) as store:
        session = a_session()
        store.insert(session)
        server.stop()
        server.start()
        doubtful = store.get(session.session_id)
        assert doubtful is not None
        assert doubtful.doubtful
        assert [found.doubtful for found in store.in_state(State.UPLOADING, 9)] == [True]
        assert [found.doubtful for found in store.expired(5000.0, 9)] == [True]
        assert not store.replace(session, session.claimed()), (
            "who does not know of the restart changes nothing"
        )
        assert not store.delete(session)
        assert store.replace(doubtful, doubtful.settled())
        settled = store.get(session.session_id)
        assert settled is not None
        assert not settled.doubtful
        append(store, settled, "r")


def test_expired_sessions_are_removed_after_a_restart_as_well(server: Forgetful) -> None:
    with closing(RedisSessionStore(server.url)) as store:
        session = a_session(expires_at=1.0)
        store.insert(session)
        server.stop()
        server.start()
        (found,) = store.expired(2.0, 9)
        assert store.delete(found)
        assert store.get(session.session_id) is None


def test_a_crash_in_the_middle_of_the_repair_leaves_the_question_open(
    uploads: Uploads, server: Forgetful, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = begin(uploads, 1)
    then = server.moment()
    send(uploads, upload, 4)
    server.forget(then)
    replace, steps = RedisSessionStore.replace, [True, True]

    def crash(self: RedisSessionStore, current: Session, new: Session, receipt: str | None = None) -> bool:
        if not steps:
            raise StorageUnavailable
        steps.pop()
        return replace(self, current, new, receipt)

    monkeypatch.setattr(RedisSessionStore, "replace", crash)
    with pytest.raises(StorageUnavailable):
        uploads.status(upload)
    monkeypatch.setattr(RedisSessionStore, "replace", replace)
    assert uploads.status(upload).committed_offset == 5 * CHUNK
    finish(uploads, upload)
