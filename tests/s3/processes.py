"""Servers that tests start beside themselves and that never outlive them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PATIENCE: Final = 90.0
"""Seconds until a server must have said that it is ready. Never a measure of anything."""


class NotAvailable(Exception):
    """This server cannot run here; the message says why."""


def spawn(
    words: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, which the kernel kills should we die without a word."""
    with log.open("ab") as out:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(environment or {}),
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its group; gone when this returns."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def background(
    words: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the context lasts."""
    process = spawn(words, log, environment)
    try:
        yield process
    finally:
        end(process)


def until_it_says(process: subprocess.Popen[bytes], log: Path, pattern: re.Pattern[str]) -> str:
    """Wait for ``pattern`` in the log; return what matched.

    Raises:
        AssertionError: the process left, or never said it; the message holds its log.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := pattern.search(log.read_text(errors="replace")):
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"{process.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")


def until_it_listens(process: subprocess.Popen[bytes], log: Path, port: int) -> None:
    """Wait until somebody accepts connections on ``port``.

    Raises:
        AssertionError: the process left, or nobody ever listened.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.02)
    raise AssertionError(f"{process.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    """A port that was free a moment ago, for servers that cannot choose one themselves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
