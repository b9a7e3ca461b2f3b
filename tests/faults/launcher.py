"""`upload-levels` with one function wrapped, so that something happens exactly there. The product knows
nothing of it.

    python -m tests.faults.launcher 'before os:fdatasync 2 kill' serve 2 --port 0 …

kills all of the server when ``os.fdatasync`` is called for the second time, before it does anything.

A fault is four words: ``before`` or ``after``, ``module:attribute.path``, which call (from 1; 0 is every
call), what to do:

- ``kill``: SIGKILL to the own process group.
- ``half``: for ``os.pwrite`` only: write half of what was asked, then kill.
- ``short``: for ``os.pwrite`` only: write half of what was asked and say so, as a nearly full disk does.
- ``refuse``: fail; the test wants this function not to be called.
- ``skip``: do not call it, return None.
- ``hold``: make the file ``$HELD_AT``, wait until it is gone, go on.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HELD_AT = "HELD_AT"


def main() -> None:
    """Wrap, then be `upload-levels`."""
    _wrap(*sys.argv.pop(1).split())
    from shared.cli import main as upload_levels  # noqa: PLC0415 - what it imports must find the wrapper

    upload_levels()


def _wrap(when: str, target: str, which: str, action: str) -> None:
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner: Any = functools.reduce(getattr, owners, importlib.import_module(module))
    wrapped: Callable[..., Any] = getattr(owner, name)
    calls = itertools.count(1)

    @functools.wraps(wrapped)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if int(which) not in (0, next(calls)):
            return wrapped(*args, **kwargs)
        if action == "skip":
            return None
        if action in ("half", "short"):
            fd, data, *rest = args
            written = wrapped(fd, data[: len(data) // 2], *rest)
            return written if action == "short" else _kill()
        if when == "before":
            ACTIONS[action]()
            return wrapped(*args, **kwargs)
        result = wrapped(*args, **kwargs)
        ACTIONS[action]()
        return result

    setattr(owner, name, wrapper)


def _kill() -> None:
    os.killpg(0, signal.SIGKILL)


def _hold() -> None:
    mark = Path(os.environ[HELD_AT])
    mark.touch()
    while mark.exists():
        time.sleep(0.005)


def _refuse() -> None:
    raise AssertionError("this function was not to be called")


ACTIONS: dict[str, Callable[[], None]] = {"kill": _kill, "hold": _hold, "refuse": _refuse}

if __name__ == "__main__":
    main()
