"""A disk that is full or fails: an explicit problem, never an acknowledgement of what is not there, and the
upload goes on when the disk does."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from shared.limits import MIB
from tests.conftest import Serve
from tests.faults.disks import Injected, fill, small_disk
from tests.faults.faulty import until, with_fault
from tests.faults.hostile import assert_refused
from tests.oracle import CHUNK, begin_upload, files, oracle
from tests.raw_http import exchange, exchange_json

FULL, BROKEN, AWAY = 507, 500, 503
INIT = {"fileName": "a", "fileSize": 1}
INSUFFICIENT, FAILED = "insufficient-storage", "internal-error"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Two megabytes. Set up before ``serve`` is, so that servers go first."""
    with small_disk(tmp_path / "disk", 2 * MIB) as mounted:
        yield mounted


@pytest.mark.root
@pytest.mark.parametrize("left", [0, CHUNK // 2])
def test_full_inside_a_chunk_then_freed(disk: Path, serve: Serve, tmp_path: Path, left: int) -> None:
    server = serve("--sessions", f"sqlite:///{tmp_path}/sessions.sqlite3", data=disk)
    upload = begin_upload(server)
    upload.put()
    ballast = fill(disk, leave=left)
    for _ in range(2):
        answer = upload.put()
        assert_refused(answer, FULL, INSUFFICIENT)
        assert answer.json["uploadedBytes"] == CHUNK
        assert answer.header("retry-after")
    assert upload.resume() == CHUNK
    assert (server.level_folder / "incoming" / upload.session_id).stat().st_size == CHUNK, (
        "space is given back"
    )
    ballast.unlink()
    oracle(upload)


@pytest.mark.root
def test_an_upload_larger_than_the_disk_is_507_and_smaller_ones_go_on(disk: Path, serve: Serve) -> None:
    server = serve(data=disk)
    too_large, small = (
        begin_upload(server, size=8 * MIB, chunk_size=256 * 1024),
        begin_upload(server, "small.bin"),
    )
    while (answer := too_large.put()).status == HTTPStatus.OK:
        pass
    assert_refused(answer, FULL, INSUFFICIENT)
    assert exchange(server.port, "DELETE", too_large.path).status == HTTPStatus.NO_CONTENT
    # Whoever hashes ahead may have the file open for a moment longer.
    until(lambda: small.put().status == HTTPStatus.OK, "the space of the cancelled one")
    oracle(small)


@pytest.mark.root
def test_full_where_the_sessions_are(disk: Path, serve: Serve) -> None:
    server = serve("--sessions", f"sqlite:///{disk}/sessions.sqlite3")
    upload = begin_upload(server)
    upload.put()
    ballast = fill(disk)
    answer = upload.put()
    while answer.status == HTTPStatus.OK and upload.acknowledged < len(
        upload.source
    ):  # room in the log's last page
        answer = upload.put()
    assert_refused(answer, FULL, INSUFFICIENT)
    # Many of them, since SQLite's log has room for a few more.
    refused = [exchange_json(server.port, "POST", "/upload/init", INIT) for _ in range(50)]
    assert {answer.status for answer in refused} <= {HTTPStatus.CREATED, FULL}
    assert upload.resume() == upload.acknowledged, "reading needs no space"
    ballast.unlink()
    oracle(upload)


@pytest.mark.root
def test_full_at_complete_is_tried_again_until_there_is_space(
    disk: Path, serve: Serve, tmp_path: Path
) -> None:
    """The catalogue lies with the data: its record is what finds no room."""
    sessions = f"sqlite:///{tmp_path}/sessions.sqlite3"
    server = serve("--sessions", sessions, data=disk)
    upload = begin_upload(server)
    upload.send_rest()
    ballast = fill(disk)
    answer = exchange(server.port, "POST", f"{upload.path}/complete")
    assert (answer.status, answer.json["state"]) == (HTTPStatus.ACCEPTED, "finalizing")
    assert files(server) == []
    ballast.unlink()
    until(lambda: upload.status().json["state"] == "completed", "the next try")
    oracle(upload)


FAILING = {
    "the chunk's sync": ("fdatasync:error=EIO:when=1", "incoming/{}", BROKEN),
    "the chunk's write": ("pwrite64:error=EIO:when=1", "incoming/{}", BROKEN),
    "the chunk's write, no space": ("pwrite64:error=ENOSPC:when=1", "incoming/{}", FULL),
    "the chunk's write, no quota": ("pwrite64:error=EDQUOT:when=1", "incoming/{}", FULL),
    "the truncation": ("ftruncate:error=EIO:when=1", "incoming/{}", BROKEN),
    "the opening": ("openat:error=EMFILE:when=1", "incoming/{}", AWAY),
    "the opening, system-wide": ("openat:error=ENFILE:when=1", "incoming/{}", AWAY),
    "the opening of the fence": ("openat:error=EMFILE:when=1", "incoming/{}.fence", AWAY),
    "the fence": ("pwrite64:error=EIO:when=1", "incoming/{}.fence", BROKEN),
    "the database's log": ("pwrite64:error=EIO:when=1", "sessions.sqlite3-wal", BROKEN),
    "the database's log, no space": ("pwrite64:error=ENOSPC:when=1", "sessions.sqlite3-wal", FULL),
    "the database's sync": ("fdatasync:error=EIO:when=1", "sessions.sqlite3-wal", BROKEN),
}


@pytest.mark.root
@pytest.mark.parametrize(("injection", "place", "status"), FAILING.values(), ids=FAILING)
def test_a_failing_system_call_is_never_an_acknowledgement(
    serve: Serve, injection: str, place: str, status: int
) -> None:
    server = serve()
    upload = begin_upload(server)
    upload.put()
    with (server.level_folder / "incoming" / upload.session_id).open("ab") as stored:
        stored.write(b"what a cut-off writer left behind, and what has to be truncated first")
    with Injected(server, injection, path=server.level_folder / place.format(upload.session_id)) as injected:
        answer = upload.put()
        assert injected.happened == 1
    assert answer.status == status, answer
    assert answer.code in (INSUFFICIENT, FAILED, "storage-unavailable")
    assert answer.json["uploadedBytes"] == CHUNK
    assert bool(answer.header("retry-after")) == (status != BROKEN)
    assert upload.resume() == CHUNK
    oracle(upload)


@pytest.mark.root
def test_a_sync_that_keeps_failing_never_acknowledges(serve: Serve) -> None:
    server = serve()
    upload = begin_upload(server)
    upload.put()
    stored = server.level_folder / "incoming" / upload.session_id
    with Injected(server, "fdatasync:error=EIO", path=stored):
        assert [upload.put().status for _ in range(3)] == [BROKEN] * 3
    oracle(upload)


AT_COMPLETE = {
    "the rename": ("rename:error=ENOSPC:when=1", "incoming/{}"),
    "the folder's sync": ("fsync:error=EIO:when=1", "objects"),
    "reading back": ("openat:error=EMFILE:when=1", "objects/{}"),
    "the record": ("pwrite64:error=ENOSPC:when=1", "catalogue.sqlite3-wal"),
    "the record's sync": ("fdatasync:error=EIO:when=1", "catalogue.sqlite3-wal"),
}


@pytest.mark.root
@pytest.mark.parametrize(("injection", "place"), AT_COMPLETE.values(), ids=AT_COMPLETE)
def test_a_failure_at_complete_is_tried_again(serve: Serve, injection: str, place: str) -> None:
    server = serve()
    upload = begin_upload(server)
    upload.send_rest()
    with Injected(server, injection, path=server.level_folder / place.format(upload.session_id)) as injected:
        answer = exchange(server.port, "POST", f"{upload.path}/complete")
        assert injected.happened == 1
    assert (answer.status, answer.json["state"]) == (HTTPStatus.ACCEPTED, "finalizing")
    until(lambda: upload.status().json["state"] == "completed", "the next try")
    oracle(upload)


@pytest.mark.parametrize("call", [2, 3, 4])
def test_a_disk_that_takes_half_of_a_write_is_asked_again(serve: Serve, call: int) -> None:
    """1 is the fence's; then the chunk's blocks."""
    server = serve(**with_fault(f"before os:pwrite {call} short"))
    upload = begin_upload(server, size=5 * MIB, chunk_size=2 * MIB)
    oracle(upload)


@pytest.mark.root
@pytest.mark.parametrize("level", [1, 2])
def test_a_full_disk_at_init_or_in_a_form_is_507(disk: Path, serve: Serve, level: int) -> None:
    server = serve(level=level, data=disk)
    fill(disk)
    if level == 1:
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        form = part + bytes(CHUNK) + b"\r\n--x--\r\n"
        answer = exchange(
            server.port, "POST", "/upload", [("Content-Type", "multipart/form-data; boundary=x")], form
        )
    else:
        answers = [exchange_json(server.port, "POST", "/upload/init", INIT) for _ in range(50)]
        answer = next(answer for answer in answers if answer.status != HTTPStatus.CREATED)
    assert_refused(answer, FULL, INSUFFICIENT)
    assert files(server) == []
