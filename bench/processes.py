"""Servers as processes: start one, learn its address, watch its memory and CPU time, stop it."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

import psutil

READY: Final = 60.0
"""Seconds that a server may take until it says its address."""

LEAVE: Final = 15.0
"""Seconds that a server may take to end when asked."""

SAMPLE: Final = 0.05
"""Seconds between two looks at a server's memory."""


class NotStarted(Exception):
    """A server did not get ready; the message has its last words."""


class Server:
    """A running server, by its address and its process tree."""

    def __init__(self, url: str, process: psutil.Process) -> None:
        self.url = url
        self._process = process

    def rss(self) -> int:
        """Bytes resident, summed over all processes; pages that they share count more than once."""
        return int(sum(_still_there(it, lambda it: it.memory_info().rss) for it in self._tree()))

    def cpu(self) -> float:
        """Seconds of CPU used so far by all processes, in user mode and in the kernel."""
        return sum(_still_there(it, lambda it: sum(it.cpu_times()[:2])) for it in self._tree())

    def _tree(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


def _still_there(process: psutil.Process, ask: Callable[[psutil.Process], float]) -> float:
    """What a process answers; nothing, if it has ended since it was listed."""
    try:
        return ask(process)
    except psutil.NoSuchProcess:
        return 0


class PeakMemory:
    """The largest RSS of a server while this context lasts.

    Attributes:
        bytes: so far.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.bytes = server.rss()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE):
            self.bytes = max(self.bytes, self._server.rss())

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.bytes = max(self.bytes, self._server.rss())


@contextmanager
def running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], url: str | None = None
) -> Iterator[Server]:
    """Run a server; yield it once it is ready.

    Args:
        folder: where it runs, and where what it prints is kept.
        url: for servers that do not say where they are: ready when something listens there.

    Raises:
        NotStarted: it ended, or was not ready in time.
    """
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield Server(_address(process, log, url), psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(LEAVE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path, url: str | None) -> str:
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline and process.poll() is None:
        said = log.read_text(errors="replace")
        if url is not None:
            if _listens(url):
                return url
        elif found := re.search(r"https?://\S+", said):
            return found[0]
        time.sleep(0.02)
    raise NotStarted(f"not ready ({process.poll()}): {log.read_text(errors='replace')[-500:].strip()}")


def _listens(url: str) -> bool:
    where = urlsplit(url)
    with suppress(OSError), socket.create_connection((where.hostname, where.port), timeout=1):
        return True
    return False


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
