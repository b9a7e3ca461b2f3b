"""Level 4's halves, started for one test or shared by a module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.level4.go_between import GoBetween, between
from tests.level4.halves import Halves, free_port
from tests.servers import Server


@dataclass
class World:
    """A service and an application that work, and somebody between them who may be told to break things.

    Attributes:
        metrics: the port at which the service shows its numbers.
    """

    halves: Halves
    service: Server
    application: Server
    between: GoBetween
    metrics: int


@pytest.fixture
def halves(tmp_path: Path) -> Iterator[Halves]:
    """None is running yet."""
    made = Halves(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for the tests of a module; what they upload stays."""
    port, metrics = free_port(), free_port()
    with between(port) as go_between:
        halves = Halves(tmp_path_factory.mktemp("level4"), callback=go_between.url, application_port=port)
        try:
            application = halves.application()
            service = halves.service("--callback-timeout", "2s", "--metrics", f"127.0.0.1:{metrics}")
            yield World(halves, service, application, go_between, metrics)
        finally:
            halves.close()


@pytest.fixture
def world(shared_world: World) -> World:
    """The shared one, with nothing planned and nothing heard."""
    between = shared_world.between
    between.plan, between.heard, between.answers = [], [], []
    between.always, between.target = lambda forward: forward(), shared_world.application.port
    return shared_world
