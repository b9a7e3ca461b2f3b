"""Starting servers with a fault inside, and waiting for it to happen."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.faults.launcher import HELD_AT
from tests.raw_http import NoAnswer

GONE: Final = (NoAnswer, ConnectionError)
"""What a client notices of a server that was killed."""

COMMIT: Final = "shared.sessions.sql:SqlSessionStore.replace"


def with_fault(fault: str) -> dict[str, Any]:
    """Attributes for ``serve`` or ``restart``: a server that has ``fault`` (see the launcher)."""
    return {"command": (sys.executable, "-m", "tests.faults.launcher", fault)}


def held_at(mark: Path) -> dict[str, str]:
    """The environment in which a ``hold`` uses ``mark``."""
    return {HELD_AT: str(mark)}


def until(condition: Callable[[], object], what: str, patience: float = 20.0) -> None:
    """Wait for something that another process brings about; fail with ``what`` if it never comes."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.005)
