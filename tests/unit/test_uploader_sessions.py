"""Two sides that disagree: about the offset, about the session, about what was stored before."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.uploader.errors import (
    ServerAway,
    ServerRefused,
)
from tests.mishaps import answer, cut, forget_everything
from tests.moody_server import MoodyServer
from tests.unit.uploading import DATA, OFFSETS, World


def test_409_adopts_the_servers_offset_without_waiting(world: World, server: MoodyServer) -> None:
    def somebody_else_was_faster(handler: object) -> bool:
        upload = next(iter(server.uploads.values()))
        upload.data += DATA[len(upload.data) : len(upload.data) + 1000]
        return False

    server.next("PUT", lambda handler: False, somebody_else_was_faster)
    result = world.uploader().upload(world.path)
    assert (result.conflicts, result.retries, world.slept) == (1, 0, [])
    assert server.contents[result.file.file_id] == DATA
    assert 1000 not in [offset for offset, _ in server.confirmed]


def test_an_early_409_that_closes_the_connection_is_still_read(world: World, server: MoodyServer) -> None:
    """The server answers before it has read the chunk, and closes: the answer is there all the same."""
    big = world.path.with_name("big.bin")
    big.write_bytes(bytes(3_000_000))
    world.diary.on_progress = lambda confirmed, total: None  # type: ignore[method-assign]
    server.next("PUT", answer(409, {"code": "offset-mismatch", "uploadedBytes": 0}))
    result = world.uploader(chunk_size=3_000_000).upload(big)
    # Whether the answer outlives the reset is the network's choice; either way the upload arrives.
    assert (result.conflicts, result.resumed_at) in [(1, ()), (0, (0,))]
    assert server.confirmed == [(0, 3_000_000)]


def test_two_sides_that_never_agree_come_to_an_end(world: World, server: MoodyServer) -> None:
    stubborn = [answer(409, {"code": "offset-mismatch", "uploadedBytes": n % 2}) for n in range(20)]
    server.next("PUT", *stubborn)
    with pytest.raises(ServerAway):
        world.uploader().upload(world.path)
    assert server.count("PUT") < 10


def test_a_409_at_complete_sends_what_is_missing(world: World, server: MoodyServer) -> None:
    def lose_a_chunk(handler: object) -> bool:
        del next(iter(server.uploads.values())).data[4000:]
        return False

    server.next("POST /upload/session", lose_a_chunk)
    result = world.uploader().upload(world.path)
    assert server.contents[result.file.file_id] == DATA
    assert server.confirmed == [*OFFSETS, (4000, 352)]


@pytest.mark.parametrize("status", [404, 410])
def test_a_lost_session_starts_anew_once(world: World, server: MoodyServer, status: int) -> None:
    server.next("PUT", lambda handler: False, lambda handler: False, answer(status, {"code": "gone"}))
    result = world.uploader().upload(world.path)
    assert server.contents[result.file.file_id] == DATA
    assert server.count("POST /upload/init") == 2
    assert server.confirmed == [*OFFSETS[:2], *OFFSETS]


def test_a_session_lost_between_two_runs_starts_anew(world: World, server: MoodyServer) -> None:
    server.next("PUT", lambda handler: False, cut(), cut(), cut())
    with pytest.raises(ServerAway):
        world.uploader().upload(world.path)
    server.next("GET /upload/", forget_everything)
    result = world.uploader().upload(world.path)
    assert server.contents[result.file.file_id] == DATA
    assert world.stored() == []


def test_a_session_lost_twice_ends_the_attempt(world: World, server: MoodyServer) -> None:
    server.next("PUT", answer(404), answer(404))
    with pytest.raises(ServerRefused) as caught:
        world.uploader().upload(world.path)
    assert caught.value.status == 404
    assert server.count("POST /upload/init") == 2
    assert world.stored() == [], "a session that is gone is forgotten"


def test_no_resume_starts_at_the_first_byte(world: World, server: MoodyServer) -> None:
    server.next("PUT", lambda handler: False, cut(), cut(), cut())
    with pytest.raises(ServerAway):
        world.uploader().upload(world.path)
    result = world.uploader(resume=False).upload(world.path)
    assert (result.how, result.chunks) == ("sent", 5)


def test_a_state_folder_that_cannot_be_written_is_said_and_survived(
    world: World, server: MoodyServer, tmp_path: Path
) -> None:
    world.state_folder = tmp_path / "data.bin" / "below-a-file"
    assert world.uploader().upload(world.path).how == "sent"
    assert len(world.diary.lost) == 1
