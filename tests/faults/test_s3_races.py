"""Races for one part: S3 has no fence, and puts the later of two in the place of the earlier."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path

import pytest

from level3_s3_multipart.app import create_app
from level3_s3_multipart.turns import Turn
from shared.background import BACKGROUND
from shared.errors import OffsetMismatch, SessionNotFound, UploadLost
from shared.settings import settings_from
from shared.uploads import NewUpload, Uploads
from tests.contract.byte_store_contract import Sent
from tests.faults.faulty import at_once
from tests.faults.test_races_chunk import rivals
from tests.oracle import begin_upload, some_bytes
from tests.s3.endpoint import Bucket
from tests.s3.serving import options, serving
from tests.s3.stores import NO_SECOND_PART

CHUNK = 64 * 1024
SEEDS = {"the same bytes": (1,), "different bytes": (1, 2, 3)}
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
    """The first writer that passes the last check stops there, as if its process got a SIGSTOP."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        checked = Turn.last_block

        def last_block(turn: Turn) -> None:
            checked(turn)
            if not self.reached.is_set():
                self.reached.set()
                assert self.go_on.wait(30)

        monkeypatch.setattr(Turn, "last_block", last_block)


@pytest.mark.parametrize("same", [True, False], ids=["the same bytes", "different bytes"])
def test_a_part_that_comes_after_all_checks_makes_no_wrong_file(
    servers: tuple[Uploads, Uploads], bucket: Bucket, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    """The one window that is left between servers. Equal bytes: nothing happens. Others: it is found out."""
    one, two = servers
    stopped = Stopped(monkeypatch)
    data, others = some_bytes(CHUNK, 1), some_bytes(CHUNK, 2)
    session = one.init(NewUpload("film.bin", len(data), chunk_size=CHUNK))
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(one.append, session.session_id, 0, Sent(data if same else others))
        assert stopped.reached.wait(30)
        if NO_SECOND_PART in bucket.endpoint.traits:
            # This store keeps the newcomer waiting for the late one, so it cannot overtake it.
            newcomer = ThreadPoolExecutor(1).submit(two.append, session.session_id, 0, Sent(data))
            stopped.go_on.set()
            with pytest.raises(OffsetMismatch):
                late.result(60)
            if not same:
                with pytest.raises(UploadLost):
                    newcomer.result(60)
                return
            newcomer.result(60)
        else:
            two.append(session.session_id, 0, Sent(data))
            stopped.go_on.set()
            with pytest.raises(OffsetMismatch):
                late.result(60)
    two.complete(session.session_id)
    if same:
        file = two.finalize(session.session_id).file
        assert file is not None
        assert file.file_size == len(data)
        return
    with pytest.raises(UploadLost):
        two.finalize(session.session_id)
    with pytest.raises(SessionNotFound):
        two.status(session.session_id)
    assert (bucket.objects(), bucket.uploads()) == ([], [])
