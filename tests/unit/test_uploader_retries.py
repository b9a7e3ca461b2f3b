"""When the client tries again, how long it waits, and when it stops, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.uploader.errors import (
    ServerAway,
)
from shared.uploader.retry import Timing
from shared.uploader.state import SessionFiles
from shared.uploader.upload import Uploader
from tests.mishaps import answer, cut, lose_answer, raw
from tests.moody_server import MoodyServer
from tests.unit.uploading import DATA, OFFSETS, World


@pytest.mark.parametrize(
    ("mishap", "reason"),
    [
        (cut(after=300), "connection broke off"),
        (answer(500, {"detail": "The disk sighed."}), "The disk sighed"),
        (answer(503), "503"),
        (answer(408), "408"),
        (answer(429), "429"),
        (raw(b"<html>please log in</html>"), "no JSON"),
        (raw(b"[]"), "no object"),
        (raw(b'{"uploadedBytes": true}'), "uploadedBytes"),
        (raw(b'{"uploadedBytes": 2000}'), "offset 2000"),
        (raw(b'{"uploadedBytes": 99999}'), "offset 99999"),
        (raw(b"[" * 100_000), "no JSON"),
    ],
)
def test_after_a_failure_the_server_is_asked_and_the_upload_goes_on(
    world: World, server: MoodyServer, mishap: object, reason: str
) -> None:
    server.next("PUT", lambda handler: False, lambda handler: False, mishap)  # type: ignore[arg-type]

    result = world.uploader().upload(world.path)

    assert server.contents[result.file.file_id] == DATA
    assert server.confirmed == OFFSETS, "nothing confirmed was sent again"
    assert (result.how, result.resumed_at, result.retries) == ("resumed", (2000,), 1)
    assert world.slept == [1.0]
    assert reason in world.diary.retries[0][1]
    put = [n for n, line in enumerate(server.requests) if line.startswith("PUT")]
    assert server.requests[put[2] + 1].startswith("GET /upload/"), "asked before anything else was sent"


def test_a_lost_answer_costs_no_second_sending(world: World, server: MoodyServer) -> None:
    server.next("PUT", lambda handler: False, lose_answer)
    result = world.uploader().upload(world.path)
    assert result.resumed_at == (2000,)
    assert server.confirmed == OFFSETS
    assert result.bytes_sent == len(DATA)


def test_three_failures_without_progress_end_the_attempt_and_a_later_one_resumes(
    world: World, server: MoodyServer
) -> None:
    server.next("PUT", lambda handler: False, cut(), cut(), cut())

    with pytest.raises(ServerAway) as caught:
        world.uploader().upload(world.path)
    assert caught.value.resumable
    assert world.slept == [1.0, 3.0]
    assert len(world.stored()) == 1

    world.diary.hashed.clear()
    result = world.uploader().upload(world.path)
    assert (result.how, result.resumed_at, result.chunks) == ("resumed", (1000,), 4)
    assert server.confirmed == OFFSETS
    assert server.count("POST /upload/init") == 1
    assert world.diary.hashed == [], "the fingerprint was remembered"
    assert world.stored() == []


def test_progress_resets_the_count_of_failures(world: World, server: MoodyServer) -> None:
    for _ in range(5):
        server.next("PUT", cut(), cut(), lambda handler: False)
    result = world.uploader().upload(world.path)
    assert result.retries == 10
    assert world.slept == [1.0, 3.0] * 5


def test_a_question_that_fails_counts_too(world: World, server: MoodyServer) -> None:
    server.next("PUT", cut())
    server.next("GET /upload/", cut(), cut())
    with pytest.raises(ServerAway):
        world.uploader().upload(world.path)
    assert server.count("PUT") == 1


def test_retry_after_wins_over_our_own_waits(world: World, server: MoodyServer) -> None:
    server.next("PUT", answer(503, None, Retry_After="17"), answer(429, None, Retry_After="nonsense"))
    world.uploader().upload(world.path)
    assert world.slept == [17.0, 3.0]


def test_a_retry_after_of_hours_ends_the_attempt(world: World, server: MoodyServer) -> None:
    server.next("PUT", answer(503, {"detail": "Maintenance."}, Retry_After="3600"))
    with pytest.raises(ServerAway, match=r"3600 s.*Maintenance") as caught:
        world.uploader().upload(world.path)
    assert caught.value.resumable
    assert world.slept == []


def test_waits_are_jittered_within_a_quarter(world: World, server: MoodyServer) -> None:
    server.next("PUT", cut(), cut())
    low = Uploader(
        server.url,
        state=SessionFiles(world.state_folder),
        timing=Timing(clock=lambda: world.now, sleep=world.sleep, random=lambda: 0.0),
    )
    low.upload(world.path)
    assert world.slept == [0.75, 2.25]


def test_nobody_there_at_all(tmp_path: Path) -> None:
    with MoodyServer() as server:
        pass
    world = World(server, tmp_path)
    with pytest.raises(ServerAway, match="cannot be reached"):
        world.uploader().upload(world.path)
    assert world.slept == [1.0, 3.0]
