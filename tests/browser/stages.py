"""The levels a browser is sent to, each as real processes. A new level is one line of :data:`LEVELS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shared.uploader.listing import list_files
from tests.level4.halves import Halves
from tests.s3.stores import Stores
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
        behind: what has to end after them.
    """

    level: int
    uploads: Server
    pages: Server
    behind: ExitStack = field(default_factory=ExitStack)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.pages.port}/"

    @property
    def protocol(self) -> str:
        """Where the protocol is spoken; another origin than the page's at level 4."""
        return f"http://127.0.0.1:{self.uploads.port}"

    def files(self) -> dict[str, str]:
        """What is stored: fingerprint by name."""
        return {file.file_name: file.fingerprint for file in list_files(self.protocol)}

    def close(self) -> None:
        for server in {id(self.pages): self.pages, id(self.uploads): self.uploads}.values():
            server.close()
        self.behind.close()


Start = Callable[[int, Path, Sequence[str]], Stage]


def one_server(level: int, folder: Path, options: Sequence[str]) -> Stage:
    """A level that is one process: it serves the page and takes the bytes."""
    server = Server(folder, level=level, options=options).start()
    return Stage(level, server, server)


def over_a_store(level: int, folder: Path, options: Sequence[str]) -> Stage:
    """The same with an S3 server of our own behind it, which is there at once and gone at once."""
    with ExitStack() as stack:
        store = stack.enter_context(Stores(folder)).open("rclone")
        store.client().create_bucket(Bucket="uploads")
        words = ("--s3-endpoint", store.url, "--s3-addressing", "path", "--s3-min-part", "1", *options)
        server = Server(folder, level=level, options=words, environment=dict(store.environment)).start()
        return Stage(level, server, server, stack.pop_all())


def two_halves(level: int, folder: Path, options: Sequence[str]) -> Stage:
    """Level 4: the page comes from one origin and uploads to another."""
    with ExitStack() as stack:
        store = stack.enter_context(Stores(folder)).open("rclone")
        store.client().create_bucket(Bucket="uploads")
        # rclone removes a folder with its last object, and staged objects come and go.
        store.client().put_object(Bucket="uploads", Key="staged/.keep", Body=b"")
        words = ("--s3-endpoint", store.url, "--s3-addressing", "path", *options)
        halves = Halves(folder, environment=dict(store.environment))
        stack.callback(halves.close)
        application = halves.application(*words)
        service = halves.service(*words)
        return Stage(level, service, application, stack.pop_all())


LEVELS: Final[dict[int, Start]] = {
    1: one_server,
    2: one_server,
    3: over_a_store,
    4: two_halves,
}

CHUNKED: Final = tuple(level for level in LEVELS if level > 1)

ONE_ORIGIN: Final = tuple(level for level in CHUNKED if level < 4)
"""Those that can be seen through a wire: one address for the page and for what it sends."""

ANY_CHUNKED: Final = CHUNKED[:1]
"""For what the page does by itself, whatever the server does with the chunks."""


def open_stage(level: int, folder: Path, *options: str, chunk: int = CHUNK) -> Stage:
    """Start a level with small chunks.

    Args:
        options: further words of the command line; the last of two wins.
        chunk: bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = ("--chunk-size", str(chunk), "--min-chunk-size", str(min(chunk, KIB)), *options)
    return LEVELS[level](level, folder, words)
