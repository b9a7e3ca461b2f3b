"""Races with the sweeper: it takes what nobody wants any more, and nothing else."""

from __future__ import annotations

import time
from functools import partial
from http import HTTPStatus
from pathlib import Path

import pytest

from shared.expiry import sweep
from tests.conftest import Serve
from tests.faults.faulty import COMMIT, Held, at_once, until, with_fault
from tests.oracle import Upload, begin_upload, finished, no_orphans, oracle, tomorrow
from tests.raw_http import Answer
from tests.servers import COMMAND

STORE = "level2_disk_chunks.disk_store:DiskStore"
LIFETIME = 3.0
SHORT = ("--session-ttl", str(LIFETIME), "--sweep-interval", "0.2")


def test_a_slow_upload_that_moves_outlives_its_lifetime(serve: Serve) -> None:
    """Half a lifetime a chunk: the third one ends when a session that stands still is long gone."""
    server = serve(*SHORT)
    upload, idle = begin_upload(server), begin_upload(server, "idle.bin")
    begin = time.monotonic()
    for number in range(1, 4):
        with upload.begin(0.5) as connection:
            pause_until(begin + number * LIFETIME / 2)
            connection.send(upload.chunk()[len(upload.chunk()) // 2 :])
            assert upload.learn(connection.answer()).status == HTTPStatus.OK
    assert idle.status().status == HTTPStatus.NOT_FOUND
    upload.send_rest()
    finished(upload)


def test_what_expires_is_gone_with_its_bytes_and_finished_files_stay(serve: Serve) -> None:
    server = serve(*SHORT)
    upload, idle = begin_upload(server), begin_upload(server, "idle.bin")
    idle.put()
    upload.send_rest()
    finished(upload)
    incoming = server.level_folder / "incoming"
    until(lambda: not list(incoming.iterdir()), "the sweep")
    until(lambda: upload.status().status == HTTPStatus.NOT_FOUND, "the end of the finished session")
    assert idle.status().code == "session-not-found"
    no_orphans(server)


@pytest.mark.parametrize(
    "point", ["after shared.sessions.sql:SqlSessionStore.delete 1", "after pathlib:Path.unlink 1"]
)
def test_a_sweeper_killed_half_way_is_finished_by_the_next(serve: Serve, point: str) -> None:
    server = serve(*SHORT, **with_fault(f"{point} kill"))
    for name in ("one.bin", "two.bin", "three.bin"):
        begin_upload(server, name).put()
    server.wait_gone()
    left = list((server.level_folder / "incoming").iterdir())
    assert len(left) > 2, "it was not killed half-way"
    server.restart(command=COMMAND)
    until(lambda: not list((server.level_folder / "incoming").iterdir()), "the next sweep")
    oracle(begin_upload(server))


def test_strays_of_others_are_left_alone_while_young(serve: Serve) -> None:
    """Between the making of an upload's place and its session's, a sweep must not take it for an orphan."""
    server = serve()
    stray = server.level_folder / "incoming" / ("a" * 32)
    stray.write_bytes(b"somebody is about to insert the session")
    upload = begin_upload(server)
    server.restart()  # sweeps when it starts
    upload.send_rest()
    assert stray.exists()
    oracle(upload)


FINALIZING = [
    "after pathlib:Path.rename 1",
    "before shared.catalogue:Catalogue.record 1",
    f"before {COMMIT} 11",
]


@pytest.mark.parametrize("point", FINALIZING)
def test_a_sweep_in_the_middle_of_finalization_takes_nothing(
    serve: Serve, tmp_path: Path, point: str
) -> None:
    held = Held(tmp_path, point)
    upload = begin_upload(serve(**held.fault))
    upload.send_rest()

    answer, _ = at_once(upload.complete, partial(a_day_later, upload, held))
    assert answer.status == HTTPStatus.OK
    oracle(upload)


def test_a_sweep_before_the_intent_ends_the_upload(serve: Serve, tmp_path: Path) -> None:
    held = Held(tmp_path, f"before {COMMIT} 9")
    upload = begin_upload(serve(**held.fault))
    upload.send_rest()

    answer, status = at_once(upload.complete, partial(a_day_later, upload, held))
    assert (answer.code, status.code) == ("session-not-found", "session-not-found")
    no_orphans(upload.server)


def test_a_chunk_swept_while_it_was_written_is_not_acknowledged(serve: Serve, tmp_path: Path) -> None:
    held = Held(tmp_path, f"before {STORE}.append 2")
    upload = begin_upload(serve(**held.fault))
    upload.put()

    answer, status = at_once(upload.put, partial(a_day_later, upload, held))
    assert (answer.code, status.code) == ("session-not-found", "session-not-found")
    no_orphans(upload.server)


def pause_until(moment: float) -> None:
    """The test's subject is time itself: there is no event to wait for."""
    time.sleep(max(0.0, moment - time.monotonic()))


def a_day_later(upload: Upload, held: Held) -> Answer:
    """Sweep while the server holds still; return what it says of the session then."""
    held.wait()
    with tomorrow(upload.server) as uploads:
        sweep(uploads)
    held.release()
    return upload.status()
