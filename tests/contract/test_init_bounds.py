"""Init keeps its bounds however many ask at once, and a refused upload leaves nothing in the byte store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from level2_disk_chunks.disk_store import DiskStore
from shared.catalogue import Catalogue
from shared.errors import InsufficientStorage, TooManySessions
from shared.finalizer import CatalogueFinalizer
from shared.limits import TINY
from shared.session import Session
from shared.sessions import open_session_store
from shared.uploads import Lifetimes, NewUpload, Uploads
from tests.contract.steps import at_once

MOST, SIZE = 5, 100


@pytest.fixture(params=["memory://", "sqlite"])
def uploads(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Uploads]:
    store = DiskStore(tmp_path)
    with (
        closing(open_session_store(request.param, tmp_path)) as sessions,
        closing(Catalogue(f"sqlite:///{tmp_path}/catalogue.sqlite3")) as catalogue,
    ):
        finalizer = CatalogueFinalizer(catalogue, store.read, frozenset(), time.time)
        yield Uploads(sessions, store, finalizer, TINY, Lifetimes(60.0, max_sessions=MOST), time.time)


@pytest.mark.parametrize(
    ("quota", "error", "inside"),
    [(None, TooManySessions, MOST), (3 * SIZE, InsufficientStorage, 3)],
    ids=["sessions", "quota"],
)
def test_a_crowd_gets_in_up_to_the_bound(
    uploads: Uploads, tmp_path: Path, quota: int | None, error: type[Exception], inside: int
) -> None:
    def init(_number: int) -> Session | None:
        try:
            return uploads.init(NewUpload("a.bin", SIZE, owner="ann", quota=quota))
        except error:
            return None

    sessions = [session for session in at_once(init, 16) if session]
    assert len(sessions) == inside
    there = {path.name for path in (tmp_path / "incoming").iterdir() if path.suffix != ".fence"}
    assert there == {session.session_id for session in sessions}
    uploads.cancel(sessions[0].session_id)
    assert init(0)
