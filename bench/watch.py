"""What is watched while uploads run: the server's CPU and memory, a small request, and everybody else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

import psutil

from bench.connection import Connection, Unexpected

EVERY: Final = 0.02
"""Seconds between two small requests."""


class SmallRequests:
    """Asks for something small, again and again, while this context lasts.

    Attributes:
        seconds: how long each answer took.
        failures: requests without a good answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.seconds: list[float] = []
        self.failures = 0

    def _ask(self) -> None:
        where = urlsplit(self._url)
        connection: Connection | None = None
        while not self._over.wait(EVERY):
            began = time.monotonic()
            try:
                connection = connection or Connection(self._url)
                connection.ask("GET", f"{where.path}?{where.query}", {}).expect(200)
                self.seconds.append(time.monotonic() - began)
            except (OSError, HTTPException, Unexpected):
                self.failures += 1
                connection = None
        if connection is not None:
            connection.close()

    def __enter__(self) -> SmallRequests:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()


class Neighbours:
    """How busy the machine is with what is not ours."""

    def __init__(self) -> None:
        self._then = self._now()

    def share(self) -> float:
        """Share of all CPUs, 0 to 1, that others used since the last call."""
        began, (at, everything, ours) = self._then, self._now()
        self._then = (at, everything, ours)
        elapsed = (at - began[0]) * (os.cpu_count() or 1)
        used = everything - began[1] - (ours - began[2])
        return min(max(used / elapsed, 0.0), 1.0) if elapsed > 0 else 0.0

    @staticmethod
    def _now() -> tuple[float, float, float]:
        times = psutil.cpu_times()
        busy = sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
        me = psutil.Process()
        ours = sum(_total(process) for process in [me, *me.children(recursive=True)])
        return time.monotonic(), busy, ours


def _total(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:4]))
    except psutil.NoSuchProcess:
        return 0.0


def peak_of(command: Sequence[str], log: Path) -> tuple[int, int]:
    """Run a command to its end; the peak of its RSS in bytes, and its exit code."""
    peak = 0
    with log.open("wb") as output, psutil.Popen(command, stdout=output, stderr=output) as process:
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                peak = max(peak, process.memory_info().rss)
            time.sleep(0.01)
        return peak, int(process.returncode)
