"""Starting servers with a fault inside, and waiting for it to happen."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.faults.launcher import HELD_AT
from tests.raw_http import NoAnswer
from tests.servers import Server

T = TypeVar("T")

GONE: Final = (NoAnswer, ConnectionError)
"""What a client notices of a server that was killed."""

COMMIT: Final = "shared.sessions.sql:SqlSessionStore.replace"


def with_fault(fault: str) -> dict[str, Any]:
    """Attributes for ``serve`` or ``restart``: a server that has ``fault`` (see the launcher)."""
    return {"command": (sys.executable, "-m", "tests.faults.launcher", fault)}


def until(condition: Callable[[], object], what: str, patience: float = 60.0) -> None:
    """Wait for something that another process brings about; fail with ``what`` if it never comes."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.005)


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Make all ``calls`` in the same moment, a thread each; return their results in order."""
    barrier = threading.Barrier(len(calls))

    def make(call: Callable[[], T]) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(make, calls))


def two_servers(serve: Callable[..., Server], **second: Any) -> tuple[Server, Server]:
    """Two servers over one data folder; ``second`` has these attributes."""
    first = serve()
    return first, serve(data=first.data_folder, name="second", **second)


class Held:
    """A server that stops at a certain call until it is let go (the launcher's ``hold``)."""

    def __init__(self, folder: Path, point: str) -> None:
        self._mark = folder / "held"
        self.fault: dict[str, Any] = with_fault(f"{point} hold") | {"environment": {HELD_AT: str(self._mark)}}

    def wait(self) -> None:
        """Until it is there."""
        until(self._mark.exists, "the call to hold at")

    def release(self) -> None:
        """Let it go on."""
        self._mark.unlink()
