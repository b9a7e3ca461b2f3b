"""The levels a browser is sent to, each as real processes. A new level is one line of :data:`LEVELS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.servers import Server

KIB: Final = 1024
MIB: Final = 1024 * KIB
CHUNK: Final = 64 * KIB
"""Small, so that a small file has many."""


@dataclass(frozen=True)
class Stage:
    """One level, running.

    Attributes:
        uploads: the process that takes the bytes.
        pages: the process that serves the page, and the finished files.
    """

    level: int
    uploads: Server
    pages: Server

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.pages.port}/"

    def close(self) -> None:
        for server in {id(self.pages): self.pages, id(self.uploads): self.uploads}.values():
            server.close()


Start = Callable[[int, Path, Sequence[str]], Stage]


def one_server(level: int, folder: Path, options: Sequence[str]) -> Stage:
    """A level that is one process: it serves the page and takes the bytes."""
    server = Server(folder, level=level, options=options).start()
    return Stage(level, server, server)


LEVELS: Final[dict[int, Start]] = {
    1: one_server,
    2: one_server,
}

CHUNKED: Final = tuple(level for level in LEVELS if level > 1)


def open_stage(level: int, folder: Path, *options: str, chunk: int = CHUNK) -> Stage:
    """Start a level with small chunks.

    Args:
        options: further words of the command line; the last of two wins.
        chunk: bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = ("--chunk-size", str(chunk), "--min-chunk-size", str(min(chunk, KIB)), *options)
    return LEVELS[level](level, folder, words)
