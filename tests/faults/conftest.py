"""Servers shared by the tests of a module, for tests that leave the server as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Server


def _shared(factory: pytest.TempPathFactory, level: int) -> Iterator[Server]:
    folder = factory.mktemp(f"level{level}")
    server = Server(folder, level=level)
    server.start()
    try:
        yield server
        assert {path.name for path in folder.iterdir()} == {"data", "server.log"}, "a file somewhere else"
        assert "Traceback" not in server.log.read_text(), (
            "hostile input reached a place that did not expect it"
        )
    finally:
        server.close()


@pytest.fixture(scope="module")
def level1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Level 1, of which nothing may be left on disk but its data, and in the log no stack trace."""
    yield from _shared(tmp_path_factory, 1)


@pytest.fixture(scope="module")
def level2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Level 2, under the same condition."""
    yield from _shared(tmp_path_factory, 2)
