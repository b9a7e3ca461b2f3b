"""What a stop of the tour has at hand: a running server, sample files, a place to tell its story."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from shared.commands.sample_file import make_sample
from shared.commands.server_process import LevelServer
from shared.commands.terminal import Bars
from shared.uploader.download import Downloader
from shared.uploader.observer import Observer
from shared.uploader.state import SessionFiles
from shared.uploader.upload import Uploader

MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Row:
    """A line of the closing table."""

    level: int
    file: str
    chunks: str
    resumed_at: str
    speed: str
    verified: bool


class Meter(Bars):
    """The progress bar, which also adds up the time the chunks took: waits and restarts are not the line's
    speed."""

    def __init__(self, console: Console) -> None:
        super().__init__(console=console)
        self._bytes = 0
        self._seconds = 0.0

    def on_chunk(self, number: int, offset: int, length: int, seconds: float) -> None:
        super().on_chunk(number, offset, length, seconds)
        self._bytes += length
        self._seconds += seconds

    @property
    def speed(self) -> str:
        return pace(self._bytes, self._seconds)


@dataclass
class Stage:
    """One level's part of the tour.

    Attributes:
        folder: for sample files, downloads and the client's memory.
        surprises: what differed from what was expected, in words.
    """

    console: Console
    folder: Path
    server: LevelServer
    surprises: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.console.print(f"  {text}")

    def expect(self, what: str, expected: object, found: object) -> bool:
        """Tell ``what``, and remember it as a surprise when ``found`` is not ``expected``."""
        if expected == found:
            self.console.print(f"  [green]ok[/green]  {escape(what)}")
            return True
        self.surprises.append(f"level {self.server.level}: {what}: expected {expected}, found {found}")
        self.console.print(f"  [red]NO[/red]  {escape(what)}: expected {expected}, found {found}")
        return False

    @contextmanager
    def sample(self, mebibytes: int) -> Iterator[tuple[Path, str]]:
        """A file of that size, and its SHA-256; removed afterwards."""
        path = self.folder / f"sample-{mebibytes}MiB.bin"
        digest = make_sample(path, mebibytes * MIB, seed=mebibytes)
        try:
            yield path, digest
        finally:
            path.unlink()

    def uploader(self, address: str, observer: Observer) -> Uploader:
        """A client that remembers its sessions in the tour's own folder."""
        return Uploader(address, state=SessionFiles(self.folder / "state"), observer=observer)

    def fetch_back(self, file_id: str, expected: str) -> bool:
        """Download the file, hash it here, and compare with what was sent."""
        target = self.folder / "fetched-back.bin"
        try:
            Downloader(self.server.url).fetch(file_id, target, force=True)
            with target.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        finally:
            target.unlink(missing_ok=True)
        return self.expect(f"fetched back, SHA-256 {found[:16]}… is that of the file sent", expected, found)


def pace(size: int, seconds: float) -> str:
    """MiB/s of ``size`` bytes in ``seconds``."""
    return f"{size / MIB / seconds:.0f}" if seconds > 0 else "-"
