"""The client under test, and the server it meets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.moody_server import MoodyServer
from tests.unit.uploading import World


@pytest.fixture
def server() -> Iterator[MoodyServer]:
    with MoodyServer() as server:
        yield server


@pytest.fixture
def world(server: MoodyServer, tmp_path: Path) -> World:
    return World(server, tmp_path)
