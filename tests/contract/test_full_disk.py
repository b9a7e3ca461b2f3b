"""A disk that is really full, under both SQL stores: said so, nothing lost, going on when there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.catalogue import Catalogue
from shared.errors import InsufficientStorage
from shared.session import Session
from shared.sessions import open_session_store
from tests.contract.session_store_contract import append
from tests.sessions_made import a_session

pytestmark = pytest.mark.root


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
