"""Fetching and listing, against a server that misbehaves over real sockets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.uploader.download import Downloader
from shared.uploader.errors import (
    FingerprintDiffers,
    ServerAway,
    ServerRefused,
    TargetExists,
    TargetUnwritable,
)
from shared.uploader.listing import list_files
from shared.uploader.retry import Timing
from tests.mishaps import answer, cut, raw
from tests.moody_server import Handler, Mishap, MoodyServer

DATA = os.urandom(700_000)


@pytest.fixture
def server() -> Iterator[MoodyServer]:
    with MoodyServer() as server:
        yield server


def fetcher(server: MoodyServer) -> Downloader:
    return Downloader(server.url, timing=Timing(sleep=lambda seconds: None))


def break_off(after: int) -> Mishap:
    """Promise the whole content, send ``after`` bytes of it, and close."""

    def act(handler: Handler) -> bool:
        handler.close_connection = True
        handler.only = after
        return False

    return act


def fail_halfway(server: MoodyServer, tmp_path: Path) -> None:
    """Three tries, 200,000 bytes of progress in the first."""
    server.next("GET /files/file-0/content", break_off(200_000), cut(), cut(), cut())
    with pytest.raises(ServerAway) as caught:
        fetcher(server).fetch("file-0", tmp_path)
    assert caught.value.resumable


def test_a_file_arrives_whole_under_the_servers_name(server: MoodyServer, tmp_path: Path) -> None:
    server.add_file("../../evil/.photo.jpg", DATA)
    download = fetcher(server).fetch("file-0", tmp_path)
    assert download.path == tmp_path / "photo.jpg"
    assert download.path.read_bytes() == DATA
    assert (download.bytes_received, download.resumed_at) == (len(DATA), 0)
    assert list(tmp_path.iterdir()) == [download.path]


def test_an_empty_file(server: MoodyServer, tmp_path: Path) -> None:
    server.add_file("empty", b"")
    assert fetcher(server).fetch("file-0", tmp_path).path.read_bytes() == b""


def test_a_break_is_repaired_within_one_call(server: MoodyServer, tmp_path: Path) -> None:
    server.add_file("a", DATA)
    server.next("GET /files/file-0/content", break_off(300_000))
    download = fetcher(server).fetch("file-0", tmp_path)
    assert download.path.read_bytes() == DATA
    assert download.bytes_received == len(DATA), "the second request asked only for the rest"


def test_a_later_call_asks_only_for_the_rest(server: MoodyServer, tmp_path: Path) -> None:
    server.add_file("a", DATA)
    fail_halfway(server, tmp_path)
    assert not (tmp_path / "a").exists()
    [part] = tmp_path.iterdir()
    had = part.stat().st_size
    assert had == 200_000

    download = fetcher(server).fetch("file-0", tmp_path)
    assert download.path.read_bytes() == DATA
    assert (download.resumed_at, download.bytes_received) == (had, len(DATA) - had)
    assert list(tmp_path.iterdir()) == [download.path]


def test_a_server_without_ranges_sends_it_all_again(server: MoodyServer, tmp_path: Path) -> None:
    server.add_file("a", DATA)
    fail_halfway(server, tmp_path)

    def ignore_range(handler: Handler) -> bool:
        del handler.headers["Range"]
        return False

    server.next("GET /files/file-0/content", ignore_range)
    download = fetcher(server).fetch("file-0", tmp_path)
    assert download.path.read_bytes() == DATA
    assert download.bytes_received == len(DATA)


def test_another_content_under_the_same_id_is_not_mixed_in(server: MoodyServer, tmp_path: Path) -> None:
    server.add_file("a", DATA)
    fail_halfway(server, tmp_path)
    new = DATA[::-1]
    server.files.clear()
    server.add_file("a", new)
    assert fetcher(server).fetch("file-0", tmp_path).path.read_bytes() == new


def test_damaged_bytes_never_appear(server: MoodyServer, tmp_path: Path) -> None:
    server.add_file("a", DATA)
    server.contents["file-0"] = bytes([DATA[0] ^ 1]) + DATA[1:]
    with pytest.raises(FingerprintDiffers):
        fetcher(server).fetch("file-0", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unless_asked(server: MoodyServer, tmp_path: Path) -> None:
    server.add_file("a", DATA)
    target = tmp_path / "mine"
    target.write_bytes(b"precious")
    with pytest.raises(TargetExists):
        fetcher(server).fetch("file-0", target)
    assert server.count("GET /files/file-0/content") == 0
    assert target.read_bytes() == b"precious"
    fetcher(server).fetch("file-0", target, force=True)
    assert target.read_bytes() == DATA


def test_what_appears_during_the_download_is_not_overwritten(server: MoodyServer, tmp_path: Path) -> None:
    server.add_file("a", DATA)
    target = tmp_path / "mine"

    def appear(handler: Handler) -> bool:
        target.write_bytes(b"precious")
        return False

    server.next("GET /files/file-0/content", appear)
    with pytest.raises(TargetExists):
        fetcher(server).fetch("file-0", target)
    assert target.read_bytes() == b"precious"


def test_a_folder_that_is_not_there(server: MoodyServer, tmp_path: Path) -> None:
    server.add_file("a", DATA)
    with pytest.raises(TargetUnwritable):
        fetcher(server).fetch("file-0", tmp_path / "no" / "folder")


def test_an_unknown_file(server: MoodyServer, tmp_path: Path) -> None:
    with pytest.raises(ServerRefused) as caught:
        fetcher(server).fetch("../upload", tmp_path)
    assert (caught.value.status, caught.value.problem_code) == (404, "file-not-found")
    assert server.requests[-1] == "GET /files/..%2Fupload", "an id is one component of the address"


def test_the_list_has_every_page(server: MoodyServer) -> None:
    for number in range(5):
        server.add_file(f"file {number}", bytes([number]))
    server.next("GET /files?", answer(503), raw(b'{"files": 7}'))
    found = list(list_files(server.url, timing=Timing(sleep=lambda seconds: None)))
    assert [file.file_name for file in found] == [f"file {number}" for number in range(4, -1, -1)]
    assert server.count("GET /files") == 5


def test_a_cursor_that_comes_back_ends_the_list(server: MoodyServer) -> None:
    same = raw(b'{"files": [], "next": "2"}')
    server.next("GET /files?", same, same, same, same, same)
    assert list(list_files(server.url)) == []
    assert server.count("GET /files?") < 5
