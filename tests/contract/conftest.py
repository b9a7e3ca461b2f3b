"""What several contracts ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.ports import SessionStore
from shared.sessions import open_session_store
from tests.services import STORES


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SessionStore]:
    """An empty session store of every kind. (The byte stores' contract has a `store` of its own.)"""
    with closing(open_session_store(STORES[request.param](tmp_path), tmp_path)) as opened:
        yield opened
