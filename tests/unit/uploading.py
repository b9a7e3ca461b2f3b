"""A client under a clock of its own, and what it is told."""

from __future__ import annotations

from pathlib import Path

from shared.uploader.observer import Observer
from shared.uploader.retry import Timing
from shared.uploader.state import SessionFiles
from shared.uploader.upload import Uploader
from tests.moody_server import MoodyServer

DATA = bytes(range(256)) * 17  # 4,352 bytes: four chunks of 1,000 and one of 352
OFFSETS = [(0, 1000), (1000, 1000), (2000, 1000), (3000, 1000), (4000, 352)]


class Diary(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.progress: list[int] = []
        self.chunks: list[tuple[int, int, int]] = []
        self.retries: list[tuple[float, str]] = []
        self.resumed: list[int] = []
        self.hashed: list[int] = []
        self.lost: list[str] = []

    def on_fingerprint_progress(self, hashed: int, total: int) -> None:
        self.hashed.append(hashed)

    def on_progress(self, confirmed: int, total: int) -> None:
        assert total == len(DATA)
        self.progress.append(confirmed)

    def on_chunk(self, number: int, offset: int, length: int, seconds: float) -> None:
        self.chunks.append((number, offset, length))

    def on_retry(self, wait: float, reason: str) -> None:
        self.retries.append((wait, reason))

    def on_resume(self, offset: int) -> None:
        self.resumed.append(offset)

    def on_state_lost(self, reason: str) -> None:
        self.lost.append(reason)


class World:
    """A client with a clock that only moves when somebody sleeps."""

    def __init__(self, server: MoodyServer, folder: Path) -> None:
        self.server = server
        self.state_folder = folder / "state"
        self.path = folder / "data.bin"
        self.path.write_bytes(DATA)
        self.slept: list[float] = []
        self.now = 0.0
        self.diary = Diary()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def uploader(self, **options: object) -> Uploader:
        return Uploader(
            self.server.url,
            state=SessionFiles(self.state_folder),
            observer=self.diary,
            timing=Timing(clock=lambda: self.now, sleep=self.sleep, random=lambda: 0.5),
            **options,  # type: ignore[arg-type]
        )

    def stored(self) -> list[Path]:
        return list(self.state_folder.iterdir()) if self.state_folder.exists() else []
