"""The client's rules, one by one, against a server that misbehaves over real sockets."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.uploader.errors import (
    FileChanged,
    FileUnreadable,
    FingerprintDiffers,
    ServerAway,
    ServerRefused,
    StillFinalizing,
)
from shared.uploader.observer import Observer
from shared.uploader.retry import RetryRules, Timing
from shared.uploader.state import SessionFiles
from shared.uploader.upload import Uploader
from tests.moody_server import MoodyServer, answer, cut, forget_everything, lose_answer, raw

DATA = bytes(range(256)) * 17  # 4,352 bytes: four chunks of 1,000 and one of 352
OFFSETS = [(0, 1000), (1000, 1000), (2000, 1000), (3000, 1000), (4000, 352)]


class Diary(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.progress: list[int] = []
        self.chunks: list[tuple[int, int, int]] = []
        self.retries: list[tuple[float, str]] = []
        self.resumed: list[int] = []
        self.hashed: list[int] = []
        self.lost: list[str] = []

    def on_fingerprint_progress(self, hashed: int, total: int) -> None:
        self.hashed.append(hashed)

    def on_progress(self, confirmed: int, total: int) -> None:
        assert total == len(DATA)
        self.progress.append(confirmed)

    def on_chunk(self, number: int, offset: int, length: int, seconds: float) -> None:
        self.chunks.append((number, offset, length))

    def on_retry(self, wait: float, reason: str) -> None:
        self.retries.append((wait, reason))

    def on_resume(self, offset: int) -> None:
        self.resumed.append(offset)

    def on_state_lost(self, reason: str) -> None:
        self.lost.append(reason)


class World:
    """A client with a clock that only moves when somebody sleeps."""

    def __init__(self, server: MoodyServer, folder: Path) -> None:
        self.server = server
        self.state_folder = folder / "state"
        self.path = folder / "data.bin"
        self.path.write_bytes(DATA)
        self.slept: list[float] = []
        self.now = 0.0
        self.diary = Diary()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def uploader(self, **options: object) -> Uploader:
        return Uploader(
            self.server.url,
            state=SessionFiles(self.state_folder),
            observer=self.diary,
            timing=Timing(clock=lambda: self.now, sleep=self.sleep, random=lambda: 0.5),
            **options,  # type: ignore[arg-type]
        )

    def stored(self) -> list[Path]:
        return list(self.state_folder.iterdir()) if self.state_folder.exists() else []


@pytest.fixture
def server() -> Iterator[MoodyServer]:
    with MoodyServer() as server:
        yield server


@pytest.fixture
def world(server: MoodyServer, tmp_path: Path) -> World:
    return World(server, tmp_path)


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


def test_a_file_that_changes_meanwhile_stops_the_upload(world: World, server: MoodyServer) -> None:
    def touch(handler: object) -> bool:
        os.utime(world.path, ns=(1, 1))
        return False

    server.next("PUT", lambda handler: False, touch)
    with pytest.raises(FileChanged):
        world.uploader().upload(world.path)
    assert server.count("PUT") == 2
    assert len(server.files) == 0
    assert world.stored() == []


def test_a_file_that_changes_after_its_last_chunk_is_not_completed(world: World, server: MoodyServer) -> None:
    def touch(handler: object) -> bool:
        os.utime(world.path, ns=(1, 1))
        return False

    server.next("PUT", *[lambda handler: False] * 4, touch)
    with pytest.raises(FileChanged):
        world.uploader().upload(world.path)
    assert server.confirmed == OFFSETS
    assert server.count("POST /upload/session") == 0


def test_a_session_that_is_about_another_file_is_not_written_to(world: World, server: MoodyServer) -> None:
    server.next("PUT", lambda handler: False, cut(), cut(), cut())
    with pytest.raises(ServerAway):
        world.uploader().upload(world.path)
    next(iter(server.uploads.values())).size += 1
    with pytest.raises(ServerAway, match="another file"):
        world.uploader().upload(world.path)
    assert server.confirmed == OFFSETS[:1]


def test_a_file_that_shrinks_inside_a_chunk_stops_the_upload(world: World, server: MoodyServer) -> None:
    big = world.path.with_name("big.bin")
    big.write_bytes(bytes(64_000_000))
    world.diary.on_progress = lambda confirmed, total: None  # type: ignore[method-assign]

    def shrink(handler: object) -> bool:
        os.truncate(big, 10)
        return False

    server.next("PUT", shrink)
    with pytest.raises(FileChanged):
        world.uploader(chunk_size=64_000_000, fingerprint=False).upload(big)
    assert server.confirmed == []


@pytest.mark.parametrize("name", ["missing", "."])
def test_what_is_no_file_is_refused_before_the_server_is_asked(
    world: World, server: MoodyServer, tmp_path: Path, name: str
) -> None:
    with pytest.raises(FileUnreadable):
        world.uploader().upload(tmp_path / name)
    assert server.requests == []


def test_the_same_name_size_and_time_in_another_folder_is_another_file(
    world: World, server: MoodyServer, tmp_path: Path
) -> None:
    server.next("PUT", lambda handler: False, cut(), cut(), cut())
    with pytest.raises(ServerAway):
        world.uploader(fingerprint=False).upload(world.path)
    other = tmp_path / "elsewhere" / "data.bin"
    other.parent.mkdir()
    other.write_bytes(DATA[::-1])
    found = world.path.stat()
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))

    result = world.uploader(fingerprint=False).upload(other)
    assert server.contents[result.file.file_id] == DATA[::-1]


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


def test_nobody_there_at_all(tmp_path: Path) -> None:
    with MoodyServer() as server:
        pass
    world = World(server, tmp_path)
    with pytest.raises(ServerAway, match="cannot be reached"):
        world.uploader().upload(world.path)
    assert world.slept == [1.0, 3.0]


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
