"""A disk that is really full, under the SQL stores and under chunks: said so, nothing lost, going on when
there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from level2_disk_chunks.disk_store import RESERVED, DiskStore
from shared.catalogue import Catalogue
from shared.errors import IncompleteBody, InsufficientStorage
from shared.limits import MIB
from shared.session import Session
from shared.sessions import open_session_store
from tests.contract.byte_store_contract import Sent, Upload
from tests.contract.steps import append
from tests.sessions_made import a_session

pytestmark = pytest.mark.root

FENCE = 4096
"""Bytes that the file beside the data takes."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """One mebibyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> Path:
    """A file that leaves no byte free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def test_sessions_on_a_full_disk(small_disk: Path) -> None:
    with closing(open_session_store("sqlite", small_disk)) as store:
        session = a_session()
        store.insert(session)
        session = append(store, session, "before")
        ballast = fill(small_disk)

        def commit_until_full(there: Session) -> Session:
            """The log has some room of its own, so the first commits may still fit."""
            for _ in range(1000):
                try:
                    there = append(store, there, "x" * 1000)
                except InsufficientStorage:
                    break
            else:
                pytest.fail("a thousand receipts of a kilobyte went into a full disk")
            return there

        session = commit_until_full(session)
        there = store.get(session.session_id)
        assert there is not None
        assert there.committed_offset == session.committed_offset
        assert len(store.receipts(session.session_id)) == session.committed_offset // session.chunk_size
        ballast.unlink()
        append(store, there, "after")


def test_a_catalogue_on_a_full_disk_can_still_be_read(small_disk: Path) -> None:
    with closing(Catalogue(f"sqlite:///{small_disk}/catalogue.sqlite3")) as catalogue:
        ballast = fill(small_disk)

        def record_until_full() -> int:
            for number in range(1000):
                sha, name = f"{number:064}", "n" * 255
                try:
                    catalogue.record("ann", f"s{number}", name, 1, "x/y", sha, f"at {number}", 1.0)
                except InsufficientStorage:
                    return number
            pytest.fail("a thousand records went into a full disk")

        recorded = record_until_full()
        assert len(catalogue.page("ann", 1000, None)[0]) == recorded
        ballast.unlink()
        catalogue.record("ann", "after", "n", 1, "x/y", "a" * 64, "at last", 1.0)
        assert len(catalogue.page("ann", 1000, None)[0]) == recorded + 1


def test_starting_on_a_full_disk_says_so(small_disk: Path) -> None:
    ballast = fill(small_disk)
    with pytest.raises(InsufficientStorage):
        open_session_store("sqlite", small_disk)
    ballast.unlink()
    open_session_store("sqlite", small_disk).close()


def test_a_chunk_that_does_not_fit_is_refused_at_its_first_block(small_disk: Path) -> None:
    """Not after megabytes were sent for nothing; and what was set aside for it is free again."""
    store = DiskStore(small_disk)
    kept, chunk = Upload(store, b"a" * 1000, 1000), Sent(bytes(2 * MIB))
    with pytest.raises(InsufficientStorage):
        Upload(store, bytes(2 * MIB), 2 * MIB).append(chunk)
    assert chunk.position <= chunk.largest < MIB
    kept.send_all()
    assert kept.content() == kept.data


def test_a_client_that_stalls_reserves_no_more_than_a_step(tmp_path: Path) -> None:
    """Whoever announces a huge chunk and sends its beginning must not hold the disk."""
    store = DiskStore(tmp_path)
    held = []

    def look(position: int) -> None:
        held.append(sum(path.stat().st_blocks * 512 for path in store.incoming.iterdir()))

    body = Sent(bytes(64 * MIB), stop=600_000, before=look)
    with pytest.raises(IncompleteBody):
        Upload(store, bytes(64 * MIB), 64 * MIB).append(body)
    assert held[0] <= FENCE
    assert max(held) <= RESERVED + FENCE
    assert not any(path.stat().st_blocks for path in store.incoming.iterdir() if path.suffix != ".fence")
