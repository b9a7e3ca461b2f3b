"""The client's rules, one by one, against a server that misbehaves over real sockets."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from shared.uploader.errors import (
    FingerprintDiffers,
    ServerAway,
    ServerRefused,
    StillFinalizing,
)
from shared.uploader.retry import RetryRules
from tests.mishaps import answer, cut, lose_answer
from tests.moody_server import MoodyServer
from tests.unit.uploading import DATA, OFFSETS, World


def test_a_quiet_upload(world: World, server: MoodyServer) -> None:
    result = world.uploader().upload(world.path)

    assert (result.how, result.chunks, result.bytes_sent) == ("sent", 5, len(DATA))
    assert (result.resumed_at, result.conflicts, result.retries) == ((), 0, 0)
    assert server.confirmed == OFFSETS
    assert server.contents[result.file.file_id] == DATA
    assert server.inits == [
        {"fileName": "data.bin", "fileSize": len(DATA), "fingerprint": hashlib.sha256(DATA).hexdigest()}
    ]
    assert world.diary.chunks == [(n + 1, offset, length) for n, (offset, length) in enumerate(OFFSETS)]
    assert world.diary.progress == [0, 1000, 2000, 3000, 4000, 4352]
    assert world.diary.hashed[-1] == len(DATA)
    assert world.stored() == []
    assert server.connections == 1, "one connection carries the whole upload"


def test_the_chunk_size_is_the_clients_wish_and_the_servers_decision(
    world: World, server: MoodyServer
) -> None:
    world.uploader(chunk_size=4000).upload(world.path)
    assert server.inits[0]["chunkSize"] == 4000
    assert server.confirmed == [(0, 4000), (4000, 352)]


def test_an_empty_file_is_an_ordinary_file(world: World, server: MoodyServer, tmp_path: Path) -> None:
    world.diary.on_progress = lambda confirmed, total: None  # type: ignore[method-assign]
    empty = tmp_path / "empty"
    empty.touch()
    result = world.uploader().upload(empty)
    assert (result.file.file_size, result.chunks) == (0, 0)
    assert server.count("PUT") == 0


def test_a_file_the_server_has_is_not_sent(world: World, server: MoodyServer) -> None:
    there = server.add_file("other name", DATA)
    result = world.uploader().upload(world.path)
    assert (result.how, result.bytes_sent) == ("already-there", 0)
    assert result.file.file_id == there["fileId"]
    assert server.count("POST /upload/init") == 0


def test_without_fingerprint_nothing_is_hashed_or_asked(world: World, server: MoodyServer) -> None:
    server.add_file("other name", DATA)
    result = world.uploader(fingerprint=False).upload(world.path)
    assert result.how == "sent"
    assert world.diary.hashed == []
    assert server.count("POST /upload/preflight") == 0


def test_another_4xx_stops_with_the_problems_text(world: World, server: MoodyServer) -> None:
    server.next("PUT", answer(413, {"code": "exceeds-declared-size", "detail": "Too much of it."}))
    with pytest.raises(ServerRefused, match=r"Too much of it\.") as caught:
        world.uploader().upload(world.path)
    assert (caught.value.status, caught.value.problem_code) == (413, "exceeds-declared-size")
    assert server.count("PUT") == 1
    assert world.slept == []


def test_a_4xx_without_a_readable_problem_is_still_explained(world: World, server: MoodyServer) -> None:
    server.next("POST /upload/init", answer(403, [1, 2]))
    with pytest.raises(ServerRefused, match="403"):
        world.uploader().upload(world.path)


def test_a_redirect_is_named_and_not_followed(world: World, server: MoodyServer) -> None:
    server.next("GET /upload", answer(301, None, Location="https://elsewhere.example/upload"))
    with pytest.raises(ServerRefused, match=r"https://elsewhere\.example/upload"):
        world.uploader().upload(world.path)
    assert server.requests == ["GET /upload"]


def test_202_is_polled_as_the_server_asks(world: World, server: MoodyServer) -> None:
    server.polls_until_done = 3
    result = world.uploader().upload(world.path)
    assert server.contents[result.file.file_id] == DATA
    assert world.slept == [7.0, 1.0, 1.0]
    assert (result.how, server.count("POST /upload/session")) == ("sent", 1)


def test_a_finalization_that_never_ends_is_resumable(world: World, server: MoodyServer) -> None:
    server.polls_until_done = 10**9
    with pytest.raises(StillFinalizing) as caught:
        world.uploader(rules=RetryRules(finalize_patience=60)).upload(world.path)
    assert caught.value.resumable
    assert 60 < world.now < 80

    server.polls_until_done = 0
    result = world.uploader().upload(world.path)
    assert result.file.file_size == len(DATA)
    assert result.bytes_sent == 0


def test_a_rejected_file_stops_and_is_forgotten(world: World, server: MoodyServer) -> None:
    server.polls_until_done = 1

    def reject(handler: object) -> bool:
        next(iter(server.uploads.values())).state = "rejected"
        return False

    server.next("GET /upload/", reject)
    with pytest.raises(ServerRefused, match=r"no picture") as caught:
        world.uploader().upload(world.path)
    assert (caught.value.status, caught.value.problem_code) == (422, "content-rejected")
    assert world.stored() == []


def test_a_lost_answer_of_complete_still_finds_the_file(world: World, server: MoodyServer) -> None:
    server.next("POST /upload/session", lose_answer)
    result = world.uploader().upload(world.path)
    assert result.file.file_size == len(DATA)
    assert len(server.files) == 1


def test_a_server_that_recorded_other_bytes_is_caught(world: World, server: MoodyServer) -> None:
    def damage(handler: object) -> bool:
        next(iter(server.uploads.values())).data[7] ^= 1
        return False

    server.next("POST /upload/session", damage)
    with pytest.raises(FingerprintDiffers):
        world.uploader().upload(world.path)


def test_level_1_gets_one_form(tmp_path: Path) -> None:
    with MoodyServer(level=1, chunk_size=None) as server:
        world = World(server, tmp_path)
        result = world.uploader().upload(world.path)
        assert server.contents[result.file.file_id] == DATA
        assert result.file.file_name == "data.bin"
        assert server.requests == ["GET /upload", "POST /upload"]
        assert world.diary.progress == [len(DATA)], "no progress before the server has confirmed it"


def test_level_1_says_413_and_no_more_is_sent(tmp_path: Path) -> None:
    with MoodyServer(level=1, chunk_size=None) as server:
        world = World(server, tmp_path)
        server.next("POST /upload", answer(413, {"code": "file-too-large", "detail": "Too large."}))
        with pytest.raises(ServerRefused, match=r"Too large\."):
            world.uploader().upload(world.path)


def test_level_1_cannot_resume_and_does_not_try(tmp_path: Path) -> None:
    with MoodyServer(level=1, chunk_size=None) as server:
        world = World(server, tmp_path)
        server.next("POST /upload", cut(after=100))
        with pytest.raises(ServerAway) as caught:
            world.uploader().upload(world.path)
        assert not caught.value.resumable
        assert server.count("POST") == 1
