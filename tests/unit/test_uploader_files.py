"""A file that changes, shrinks, or never was one, while it is uploaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.uploader.errors import (
    FileChanged,
    FileUnreadable,
    ServerAway,
)
from tests.mishaps import cut
from tests.moody_server import MoodyServer
from tests.unit.uploading import DATA, OFFSETS, World


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
