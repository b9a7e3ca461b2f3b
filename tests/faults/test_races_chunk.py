"""Races for one chunk: between threads, between servers, and between a dead connection and its successor."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path

import psutil
import pytest

from tests.conftest import Serve
from tests.faults.faulty import GONE, Held, at_once, two_servers, until
from tests.faults.hostile import assert_refused
from tests.oracle import CHUNK, Upload, begin_upload, finished, no_orphans, oracle, some_bytes
from tests.raw_http import Answer, Connection, exchange
from tests.servers import Server

RIVALS = 8
SOON = 2.0
"""Seconds within which a newcomer must be served (`chunk/newcomer-proceeds`), on a busy machine too."""


def rivals(upload: Upload, servers: tuple[Server, ...], seeds: tuple[int, ...]) -> list[Upload]:
    """Clients of one session, each with the bytes of its seed, spread over the servers."""
    return [
        replace(
            upload,
            server=servers[n % len(servers)],
            source=some_bytes(len(upload.source), seeds[n % len(seeds)]),
        )
        for n in range(RIVALS)
    ]


@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)], ids=["the same bytes", "different bytes"])
def test_of_many_chunks_at_one_offset_one_is_accepted(
    serve: Serve, servers: int, seeds: tuple[int, ...]
) -> None:
    there = two_servers(serve) if servers == 2 else (serve(),)
    upload = begin_upload(there[0])
    accepted = b""
    while len(accepted) < len(upload.source):
        offset = len(accepted)
        senders = rivals(upload, there, seeds)
        answers = at_once(*(partial(sender.put, offset) for sender in senders))
        winners = [
            sender for sender, answer in zip(senders, answers, strict=True) if answer.status == HTTPStatus.OK
        ]
        assert len(winners) == 1, answers
        assert {answer.code for answer in answers} <= {None, "offset-mismatch", "storage-unavailable"}
        accepted += winners[0].chunk(offset)
    oracle(replace(upload, source=accepted, acknowledged=len(accepted)))


def test_a_retry_after_a_lost_answer_learns_where_to_go_on(serve: Serve) -> None:
    upload = begin_upload(serve())
    upload.begin(1.0).close()
    until(lambda: upload.status().json["uploadedBytes"] == CHUNK, "the commit nobody was told of")
    answer = upload.put()
    assert_refused(answer, HTTPStatus.CONFLICT, "offset-mismatch")
    assert answer.json["uploadedBytes"] == CHUNK
    oracle(upload)


def test_a_proxy_that_sends_a_chunk_twice(serve: Serve) -> None:
    upload = begin_upload(serve())
    with upload.begin(1.0) as connection:
        connection.send(upload.head() + upload.chunk())
        first, second = connection.answer(), connection.answer()
    assert upload.learn(first).status == HTTPStatus.OK
    assert_refused(second, HTTPStatus.CONFLICT, "offset-mismatch")
    twice = at_once(*[partial(upload.put, CHUNK)] * 2)
    assert {answer.status for answer in twice} == {HTTPStatus.OK, HTTPStatus.CONFLICT}
    oracle(upload)


@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize("sent", [0.0, 0.5])
def test_a_newcomer_does_not_wait_for_a_hanging_connection(serve: Serve, servers: int, sent: float) -> None:
    old, new = two_servers(serve) if servers == 2 else (serve(),) * 2
    upload = begin_upload(old)
    late = upload.begin(sent)
    until(lambda: upload.had_writer, "the old writer's turn")
    begin = time.monotonic()
    newcomer = replace(upload, server=new)
    assert newcomer.put().status == HTTPStatus.OK
    assert time.monotonic() - begin < SOON
    assert newcomer.put().status == HTTPStatus.OK
    answer = send_the_rest_of_something_else(late, sent)
    assert_refused(answer, HTTPStatus.CONFLICT, "offset-mismatch")
    assert answer.json["uploadedBytes"] == 2 * CHUNK
    oracle(newcomer)


def test_a_writer_that_wakes_after_completion_changes_no_byte_of_the_file(serve: Serve) -> None:
    """Its file is open, and is the finished one by now."""
    upload = begin_upload(serve())
    late = upload.begin(0.5)
    until(lambda: upload.had_writer, "the old writer's turn")
    upload.send_rest()
    finished(upload)
    assert_refused(send_the_rest_of_something_else(late, 0.5), HTTPStatus.CONFLICT, "offset-mismatch")
    oracle(upload)


def test_a_server_stopped_past_its_turn_changes_nothing(serve: Serve) -> None:
    stopped, other = two_servers(serve)
    upload = begin_upload(stopped)
    late = upload.begin(0.5)
    until(lambda: upload.had_writer, "the first server's turn")
    stop_between_writes(upload)
    newcomer = replace(upload, server=other)
    assert newcomer.put().status == HTTPStatus.OK
    assert newcomer.put().status == HTTPStatus.OK
    os.kill(stopped.worker.pid, signal.SIGCONT)
    assert_refused(send_the_rest_of_something_else(late, 0.5), HTTPStatus.CONFLICT, "offset-mismatch")
    oracle(newcomer)


def test_a_server_stopped_in_the_middle_of_a_write(serve: Serve, tmp_path: Path) -> None:
    """It holds the fence: nobody may write, and the client is told to come again. When it wakes, its block
    lands where nothing is committed, and its commit comes too late."""
    held = Held(tmp_path, "before os:pwrite 2")  # 1 was the fence's
    other, stopped = two_servers(serve, **held.fault)
    upload = begin_upload(stopped)
    late = upload.begin(1.0)
    held.wait()
    newcomer = replace(upload, server=other)
    answer = newcomer.put()
    assert_refused(answer, HTTPStatus.SERVICE_UNAVAILABLE, "storage-unavailable")
    assert answer.header("retry-after")
    held.release()
    assert_refused(late.answer(), HTTPStatus.CONFLICT, "offset-mismatch")
    late.close()
    oracle(newcomer)


def test_cancelled_in_the_middle_of_a_chunk(serve: Serve) -> None:
    upload = begin_upload(serve())
    with upload.begin(0.5) as late:
        until(lambda: upload.had_writer, "the chunk's turn")
        begin = time.monotonic()
        assert exchange(upload.server.port, "DELETE", upload.path).status == HTTPStatus.NO_CONTENT
        assert time.monotonic() - begin < SOON
        late.send(upload.chunk()[CHUNK // 2 :])
        assert_refused(late.answer(), HTTPStatus.NOT_FOUND, "session-not-found")
    assert list((upload.server.level_folder / "incoming").iterdir()) == []
    no_orphans(upload.server)


def stop_between_writes(upload: Upload) -> None:
    """SIGSTOP while the fence is not locked: the one who holds it stopped is another test's."""
    worker = upload.server.worker
    with upload.fence.open("rb") as fence:
        while True:
            os.kill(worker.pid, signal.SIGSTOP)
            until(lambda: worker.status() == psutil.STATUS_STOPPED, "the stop")
            with suppress(BlockingIOError):
                fcntl.flock(fence, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            os.kill(worker.pid, signal.SIGCONT)


def send_the_rest_of_something_else(late: Connection, sent: float) -> Answer:
    """The late writer goes on with bytes that are not the source's; return what it is told."""
    with late:
        with suppress(*GONE):
            late.send(b"\xff" * (CHUNK - int(CHUNK * sent)))
        return late.answer()
