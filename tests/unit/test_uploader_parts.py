"""The client's small parts: speed, patience, names, stored state, the wire."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.commands.terminal import human_size
from shared.uploader.errors import FileChanged, Interrupted, ServerAway
from shared.uploader.names import LONGEST_NAME, printable, safe_file_name
from shared.uploader.retry import Patience, RetryRules, Timing
from shared.uploader.source import BLOCK, SourceFile
from shared.uploader.speed import Speed
from shared.uploader.state import SessionFiles, StoredSession, session_key
from shared.uploader.wire import capabilities_from, file_from, session_from

SESSION = StoredSession("an id", "/a/path", "f" * 64)


class TestSpeed:
    def test_the_first_chunk_is_all_we_know(self) -> None:
        assert Speed().after(1000, 2.0).bytes_per_second == 500

    def test_a_new_chunk_counts_a_quarter(self) -> None:
        assert Speed(100.0).after(200, 1.0).bytes_per_second == 125

    @given(st.lists(st.tuples(st.integers(1, 10**9), st.floats(0.001, 100)), min_size=1))
    def test_it_stays_between_the_slowest_and_the_fastest(self, chunks: list[tuple[int, float]]) -> None:
        speed = Speed()
        for length, seconds in chunks:
            speed = speed.after(length, seconds)
        each = [length / seconds for length, seconds in chunks]
        assert speed.bytes_per_second is not None
        assert min(each) * 0.999 <= speed.bytes_per_second <= max(each) * 1.001

    def test_time_left(self) -> None:
        assert Speed(100.0).seconds_for(250) == 2.5
        assert Speed().seconds_for(250) is None
        assert Speed().seconds_for(0) == 0
        assert Speed().after(1, 0.0).bytes_per_second is not None, "a clock may stand still"


class TestPatience:
    def patience(self, draw: float = 0.5) -> tuple[Patience, list[float]]:
        slept: list[float] = []
        timing = Timing(sleep=slept.append, random=lambda: draw)
        return Patience(RetryRules(), timing, lambda wait, reason: None), slept

    def test_three_failures_are_too_many(self) -> None:
        patience, slept = self.patience()
        patience.bear(Interrupted("one"))
        patience.bear(Interrupted("two"))
        with pytest.raises(ServerAway, match=r"3 failures.*three"):
            patience.bear(Interrupted("three"))
        assert slept == [1.0, 3.0]
        assert patience.retries == 2

    @given(st.floats(0, 1, exclude_max=True))
    def test_jitter_stays_within_a_quarter(self, draw: float) -> None:
        patience, slept = self.patience(draw)
        patience.bear(Interrupted("once"))
        assert 0.75 <= slept[0] <= 1.25

    def test_the_servers_wish_is_not_jittered(self) -> None:
        patience, slept = self.patience(draw=0.99)
        patience.bear(Interrupted("busy", retry_after=2))
        assert slept == [2]


class TestNames:
    @given(st.text(), st.text(max_size=20))
    def test_any_name_becomes_one_harmless_component(self, name: str, otherwise: str) -> None:
        safe = safe_file_name(name, otherwise)
        assert safe not in ("", ".", "..")
        assert Path(safe).name == safe
        assert not safe.startswith(".")
        assert "\\" not in safe
        assert safe.isprintable()
        assert len(safe.encode()) <= LONGEST_NAME

    @pytest.mark.parametrize(
        ("name", "safe"),
        [
            ("holiday.jpg", "holiday.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\win.ini", "win.ini"),
            (".bashrc", "bashrc"),
            ("a\x00b\x1b[31m\n", "a�b�[31m�"),
            ("folder/", "an-id"),
            ("..", "an-id"),
            ("abc\u202egpj.exe", "abc�gpj.exe"),
            ("x" * 300 + ".jpg", "x" * (LONGEST_NAME - 4) + ".jpg"),
        ],
    )
    def test_examples(self, name: str, safe: str) -> None:
        assert safe_file_name(name, "an-id") == safe

    @given(st.text())
    def test_nothing_steers_the_terminal(self, text: str) -> None:
        assert printable(text).isprintable()


class TestSessionFiles:
    def test_what_was_saved_is_there_for_its_owner_only(self, tmp_path: Path) -> None:
        store = SessionFiles(tmp_path / "new" / "folder")
        assert store.load("key") is None
        store.save("key", SESSION)
        assert store.load("key") == SESSION
        assert SessionFiles(tmp_path / "new" / "folder").load("key") == SESSION
        assert store.load("another key") is None
        [file] = (tmp_path / "new" / "folder").iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        store.remove("key")
        assert list(file.parent.iterdir()) == []
        store.remove("key")

    @pytest.mark.parametrize(
        "damage",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe",
            b"{}",
            b'{"key": "key"}',
            b'{"key": "key", "session_id": 5, "path": "", "fingerprint": ""}',
            b'{"key": "other", "session_id": "s", "path": "", "fingerprint": ""}',
            b"[" * 100_000,
        ],
    )
    def test_a_damaged_file_is_no_session(self, tmp_path: Path, damage: bytes) -> None:
        store = SessionFiles(tmp_path)
        store.save("key", SESSION)
        [file] = tmp_path.iterdir()
        file.write_bytes(damage)
        assert store.load("key") is None
        store.save("key", SESSION)
        assert store.load("key") == SESSION

    def test_a_save_that_fails_leaves_the_old_and_no_litter(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = SessionFiles(tmp_path)
        store.save("key", SESSION)

        def refuse(descriptor: int) -> None:
            raise OSError("no")

        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="no"):
            store.save("key", StoredSession("other", "", ""))
        assert store.load("key") == SESSION
        assert len(list(tmp_path.iterdir())) == 1

    @given(st.text(max_size=200))
    def test_any_key_has_a_file_of_its_own(self, key: str) -> None:
        store = SessionFiles(Path("folder"))
        assert store._file(key).parent == Path("folder")
        assert store._file(key) != store._file(key + "x")

    def test_the_key_is_the_articles(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        path.write_bytes(b"12345")
        os.utime(path, ns=(1, 1_700_000_000_000_000_001))
        with SourceFile(path) as source:
            key = session_key("http://127.0.0.1:1/upload", source)
        assert key == "upload-session:http://127.0.0.1:1/upload:a.bin:5:1700000000000000001"


class TestSourceFile:
    def test_blocks_are_bounded_and_complete(self, tmp_path: Path) -> None:
        path = tmp_path / "big"
        data = os.urandom(2 * BLOCK + 5)
        path.write_bytes(data)
        with SourceFile(path) as source:
            blocks = list(source.blocks(3, 2 * BLOCK))
        assert b"".join(blocks) == data[3 : 3 + 2 * BLOCK]
        assert max(map(len, blocks)) <= BLOCK

    def test_a_name_that_is_no_utf8_can_still_be_sent(self, tmp_path: Path) -> None:
        path = tmp_path / os.fsdecode(b"caf\xe9.bin")
        path.write_bytes(b"x")
        with SourceFile(path) as source:
            assert source.name == "caf?.bin"
            json.dumps(source.name).encode("utf-8")

    def test_a_change_is_noticed(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"x")
        with SourceFile(path) as source:
            source.check_unchanged()
            with path.open("ab") as file:
                file.write(b"y")
            with pytest.raises(FileChanged):
                source.check_unchanged()


class TestWire:
    def test_links_are_relative_to_where_they_were_found(self) -> None:
        body = {
            "level": 4,
            "maxFileSize": 9,
            "chunkSize": {"default": 8},
            "links": {
                "upload": "upload",
                "files": "/app/files",
                "preflight": "http://app.example/preflight",
            },
        }
        found = capabilities_from(body, "http://h:1/prefix/upload")
        assert found.upload == "http://h:1/prefix/upload"
        assert found.files == "http://h:1/app/files"
        assert found.preflight == "http://app.example/preflight"

    json_value = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
    members = st.sampled_from(
        ["sessionId", "uploadedBytes", "fileSize", "chunkSize", "state", "file", "problem", "links", "level"]
    )

    @given(st.dictionaries(members, json_value))
    def test_garbage_is_named_and_never_a_crash(self, body: dict[str, object]) -> None:
        for read in (session_from, file_from, lambda b: capabilities_from(b, "http://h/upload")):
            with pytest.raises(Interrupted):
                read({**body, "maxFileSize": None, "fileId": None, "sessionId": None})

    @pytest.mark.parametrize(
        "wrong",
        [
            {"uploadedBytes": 11},
            {"uploadedBytes": -1},
            {"uploadedBytes": True},
            {"uploadedBytes": 1.0},
            {"chunkSize": 0},
            {"state": "sleeping"},
            {"state": "completed"},
            {"state": []},
        ],
    )
    def test_impossible_sessions(self, wrong: dict[str, object]) -> None:
        good = {"sessionId": "s", "uploadedBytes": 10, "fileSize": 10, "chunkSize": 5}
        assert session_from(good).state == "uploading"
        with pytest.raises(Interrupted):
            session_from({**good, **wrong})


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (8 * 1024**2, "8.0 MiB"), (5 * 1024**5, "5120.0 TiB")],
)
def test_human_sizes(size: int, text: str) -> None:
    assert human_size(size) == text
