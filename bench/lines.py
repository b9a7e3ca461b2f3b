"""Lines to a server: the delay proxy in processes of its own, or the kernel's netem."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from bench.delay_proxy import Conditions
from bench.processes import running

SEND_BUFFER: Final = 128 * 1024
"""Bytes that a client's kernel may take ahead of a slow line (:class:`bench.connection.Connection`)."""


class Lines(Protocol):
    """Whoever lays a line to a server."""

    def lay(self, url: str, conditions: Conditions, number: int) -> str:
        """Lay a line, or find the one that was laid before.

        Args:
            number: lines with different numbers have different processes.

        Returns:
            the address at which it begins.
        """

    def close(self) -> dict[str, int]:
        """Take all lines away.

        Returns:
            bytes that each carried to the server, by its address, where that is known.
        """


class ProxiedLines:
    """A delay proxy to each line: a process of its own, charged neither to client nor to server."""

    def __init__(self) -> None:
        self._laid: dict[tuple[str, Conditions, int], str] = {}
        self._carried: dict[str, int] = {}
        self._stack = ExitStack()

    def lay(self, url: str, conditions: Conditions, number: int) -> str:
        """See :class:`Lines`."""
        key = (url, conditions, number)
        if key not in self._laid:
            folder = Path(
                self._stack.enter_context(tempfile.TemporaryDirectory(prefix="upload-levels-line-"))
            )
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
            # It prints two addresses; the last one is its own, the first one the server's, without http://.
            command = [sys.executable, "-m", "bench.delay_proxy", *_arguments(url, conditions)]
            # Called when the proxy has ended and its folder is still there.
            self._stack.callback(self._read, key, folder / "server.log")
            self._laid[key] = self._stack.enter_context(running(command, folder, environment)).url
        return self._laid[key]

    def _read(self, key: tuple[str, Conditions, int], log: Path) -> None:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        with suppress(ValueError, KeyError, IndexError):
            self._carried[self._laid[key]] = int(json.loads(last[0])["up"])

    def close(self) -> dict[str, int]:
        """See :class:`Lines`."""
        self._carried = {}
        self._stack.close()
        self._laid.clear()
        return self._carried


def _arguments(url: str, conditions: Conditions) -> list[str]:
    where = urlsplit(url)
    given = ["--to", f"{where.hostname}:{where.port}", "--rtt", f"{conditions.rtt * 1000:.3f}ms"]
    given += ["--jitter", f"{conditions.jitter * 1000:.3f}ms", "--seed", str(conditions.seed)]
    if not math.isinf(conditions.bandwidth):
        given += ["--bandwidth", f"{conditions.bandwidth:.0f}B/s"]
    if conditions.cuts_per_byte:
        given += ["--cuts", f"{conditions.cuts_per_byte * (1 << 30):.6f}/GiB"]
    return given
