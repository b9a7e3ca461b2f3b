"""What every test can ask for: servers that are gone when the test is, and the truth about root."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import services
from tests.servers import Server

pytest_plugins = ["tests.s3.plugin"]

# Who was started in the background of a script ignores Ctrl-C, and so do all its children: not here.
signal.signal(signal.SIGINT, signal.default_int_handler)

Serve = Callable[..., Server]

NOT_RUN = "NOT RUN: needs root, for a file system of its own or for strace"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without root a test that needs it cannot say anything; the summary (-ra) names it and the reason."""
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason=NOT_RUN))


def pytest_sessionfinish() -> None:
    services.stop_all()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start servers: ``serve("--read-timeout", "2", level=1)``. All are gone after the test."""
    servers: list[Server] = []

    def start(*options: str, **attributes: object) -> Server:
        server = Server(tmp_path, options=options, **attributes)  # type: ignore[arg-type]
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.close()
