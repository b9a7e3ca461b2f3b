"""Races for one part: S3 has no fence, and puts the later of two in the place of the earlier."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path

import pytest

from level3_s3_multipart.app import create_app
from shared.background import BACKGROUND
from shared.errors import OffsetMismatch, SessionNotFound, UploadLost
from shared.outbox import Outbox
from shared.settings import settings_from
from shared.uploads import NewUpload, Uploads
from shared.writing import Writer
from tests.contract.byte_store_contract import Sent
from tests.faults.faulty import at_once, until
from tests.faults.test_races_chunk import rivals
from tests.oracle import begin_upload, some_bytes
from tests.s3.endpoint import Bucket
from tests.s3.serving import options, serving
from tests.s3.stores import NO_SECOND_PART

CHUNK = 64 * 1024
SEEDS = {"the same bytes": (1,), "different bytes": (1, 2, 3)}
ANNOUNCED = 2
"""The epoch of a first writer that has announced its last block."""
LOST = {"upload-lost", "session-not-found"}


@pytest.mark.parametrize("which", SEEDS)
def test_of_many_chunks_at_one_offset_one_is_accepted(bucket: Bucket, tmp_path: Path, which: str) -> None:
    """With different bytes the upload may be given up, in plain words; it never becomes a wrong file."""
    may_be_lost = which == "different bytes"
    with (
        serving(tmp_path, bucket) as one,
        serving(tmp_path, bucket, data=one.server.data_folder, name="two") as two,
    ):
        upload = begin_upload(one.server, size=4 * CHUNK, chunk_size=CHUNK)
        accepted = b""
        while len(accepted) < len(upload.source):
            offset = len(accepted)
            senders = rivals(upload, (one.server, two.server), SEEDS[which])
            answers = at_once(*(partial(sender.put, offset) for sender in senders))
            winners = [s for s, a in zip(senders, answers, strict=True) if a.status == HTTPStatus.OK]
            codes = {answer.code for answer in answers}
            assert codes <= {None, "offset-mismatch", "storage-unavailable"} | (
                LOST if may_be_lost else set()
            )
            assert len(winners) == (1 if codes.isdisjoint(LOST) else 0), answers
            if not winners:
                break
            accepted += winners[0].chunk(offset)
        upload = replace(upload, source=accepted, acknowledged=len(accepted))
        if may_be_lost and upload.complete().status in (HTTPStatus.GONE, HTTPStatus.NOT_FOUND):
            one.no_orphans()
        else:
            one.oracle(upload)


@pytest.fixture
def servers(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Uploads, Uploads]]:
    """Two servers' uploads on the same stores; in this process, so that one can be stopped anywhere."""
    for name, value in bucket.endpoint.environment.items():
        monkeypatch.setenv(name, value)
    words = iter(options(bucket))
    given: dict[str, str | None] = {w.removeprefix("--").replace("-", "_"): next(words) for w in words}
    both = [
        create_app(settings_from({}, given | {"data": str(tmp_path)})).extensions[BACKGROUND].uploads
        for _ in range(2)
    ]
    yield both[0], both[1]
    for uploads in both:
        uploads.sessions.close()


class Stopped:
    """The first writer that has announced its last block stops there, as if its process got a SIGSTOP."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        announce = Writer.announce

        def announced(writer: Writer, until: float) -> None:
            announce(writer, until)
            if not self.reached.is_set():
                self.reached.set()
                assert self.go_on.wait(30)

        monkeypatch.setattr(Writer, "announce", announced)


def test_a_newcomer_waits_for_a_part_that_is_being_stored(
    servers: tuple[Uploads, Uploads], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another server, and with other bytes: the part that is confirmed stays as it was."""
    one, two = servers
    stopped = Stopped(monkeypatch)
    data, others = some_bytes(CHUNK, 1), some_bytes(CHUNK, 2)
    session = one.init(NewUpload("film.bin", len(data), chunk_size=CHUNK))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(one.append, session.session_id, 0, Sent(data))
        assert stopped.reached.wait(30)
        newcomer = pool.submit(two.append, session.session_id, 0, Sent(others))
        with pytest.raises(TimeoutError):
            newcomer.result(0.5)
        stopped.go_on.set()
        assert first.result(30).committed_offset == CHUNK
        with pytest.raises(OffsetMismatch):
            newcomer.result(30)
    two.complete(session.session_id)
    file = Outbox(two).finalize(session.session_id).file
    assert file is not None
    assert file.fingerprint == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("same", [True, False], ids=["the same bytes", "different bytes"])
def test_a_part_that_comes_after_its_announcement_ran_out_makes_no_wrong_file(
    servers: tuple[Uploads, Uploads], bucket: Bucket, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    """The one window that is left between servers. Equal bytes: nothing happens. Others: it is found out."""
    one, two = servers
    monkeypatch.setattr("shared.writing.LAST_BLOCK", 0.2)
    stopped = Stopped(monkeypatch)
    data, others = some_bytes(CHUNK, 1), some_bytes(CHUNK, 2)
    session = one.init(NewUpload("film.bin", len(data), chunk_size=CHUNK))
    with ThreadPoolExecutor(2) as pool:
        late = pool.submit(one.append, session.session_id, 0, Sent(data if same else others))
        assert stopped.reached.wait(30)
        newcomer = pool.submit(two.append, session.session_id, 0, Sent(data))
        until(lambda: two.status(session.session_id).writer_epoch > ANNOUNCED, "the newcomer's turn")
        waits = NO_SECOND_PART in bucket.endpoint.traits
        if not waits:
            newcomer.result(60)
        # There the store keeps the newcomer waiting for the late one, so it cannot overtake it.
        stopped.go_on.set()
        with pytest.raises(OffsetMismatch):
            late.result(60)
        if waits and not same:
            with pytest.raises(UploadLost):
                newcomer.result(60)
            return
        newcomer.result(60)
    two.complete(session.session_id)
    if same:
        file = Outbox(two).finalize(session.session_id).file
        assert file is not None
        assert file.file_size == len(data)
        return
    with pytest.raises(UploadLost):
        Outbox(two).finalize(session.session_id)
    with pytest.raises(SessionNotFound):
        two.status(session.session_id)
    assert (bucket.objects(), bucket.uploads()) == ([], [])
