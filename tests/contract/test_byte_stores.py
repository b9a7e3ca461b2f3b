"""Every byte store keeps the contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from level2_disk_chunks import disk_store
from level2_disk_chunks.disk_store import DiskStore
from shared.errors import StorageUnavailable
from shared.measured import MeasuredStore
from shared.metrics import Metrics
from shared.ports import ByteStore
from tests.contract.byte_store_contract import CHUNK, ByteStoreContract, Sent
from tests.sessions_made import a_session


class TestDiskStore(ByteStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ByteStore:
        return DiskStore(tmp_path)


class TestMeasuredStore(ByteStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ByteStore:
        return MeasuredStore(DiskStore(tmp_path), Metrics())


@pytest.mark.parametrize("missing", ["incoming", "objects"])
def test_a_disk_that_is_not_mounted_loses_nothing(tmp_path: Path, missing: str) -> None:
    """It looks like a disk on which nothing is left."""
    store, sent = DiskStore(tmp_path), Sent(bytes(CHUNK))
    session = a_session(declared_size=CHUNK, chunk_size=CHUNK)
    session = replace(session, storage=store.create(session.session_id))
    finalizing = replace(session, committed_offset=CHUNK).finalizing("", 0.0)
    store.check()
    (tmp_path / missing).rename(tmp_path / "away")
    with pytest.raises(StorageUnavailable):
        store.check()
    if missing == "incoming":
        with pytest.raises(StorageUnavailable):
            store.create("b" * 32)
        with pytest.raises(StorageUnavailable):
            store.append(session.claimed(), sent)
    else:
        with pytest.raises(StorageUnavailable):
            store.read("nothing", 0, 1)
    with pytest.raises(StorageUnavailable):
        store.complete(finalizing, [])
    (tmp_path / "away").rename(tmp_path / missing)
    store.check()
    with pytest.raises(FileNotFoundError):
        store.read("nothing", 0, 1)


def test_the_disk_begins_while_a_chunk_still_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order and without gaps; what is left for the sync is less than a step."""
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(disk_store, "start_writing", lambda fd, start, stop: begun.append((start, stop)))
    size = 3 * disk_store.AHEAD + 1
    session = a_session(declared_size=size, chunk_size=size)
    store = DiskStore(tmp_path, sync=lambda fd: None)
    session = replace(session, storage=store.create(session.session_id)).claimed()
    at_the_middle: list[int] = []

    def look(position: int) -> None:
        if position > size // 2 and not at_the_middle:
            at_the_middle.append(len(begun))

    store.append(session, Sent(bytes(size), before=look))
    assert at_the_middle[0] > 0
    assert [start for start, _ in begun] == [0, *(stop for _, stop in begun[:-1])]
    assert size - begun[-1][1] < disk_store.AHEAD


def test_a_chunk_is_whole_on_the_disk_only_once_it_was_verified(tmp_path: Path) -> None:
    """A crash between the last byte and the verdict must not leave what `recover` would count."""
    store = DiskStore(tmp_path)
    session = a_session(declared_size=CHUNK, chunk_size=CHUNK)
    session = replace(session, storage=store.create(session.session_id)).claimed()
    sizes: list[int] = []

    def look(position: int) -> None:
        if position == CHUNK:
            sizes.append(len(store.recover(session, [])))

    store.append(session, Sent(bytes(CHUNK), before=look))
    assert sizes[0] == 0
    assert list(store.recover(session, [])) == [""]
