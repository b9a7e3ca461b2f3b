"""A load of uploads through one address, by the project's own client with its own patience."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from shared.uploader.observer import Observer
from shared.uploader.state import SessionFiles
from shared.uploader.upload import Result, Uploader
from shared.uploader.wire import RemoteFile

MOVING_WITHIN: Final = 60.0
CHUNKS_A_FILE: Final = 60


@dataclass
class _Watcher(Observer):
    """Sees what the server confirms, and that it never takes anything back."""

    confirmed: int = 0
    chunks: int = 0
    fell: list[tuple[int, int]] = field(default_factory=list)

    def on_progress(self, confirmed: int, total: int) -> None:  # noqa: ARG002 - as it is called
        if confirmed < self.confirmed:
            self.fell.append((self.confirmed, confirmed))
        self.chunks += confirmed > self.confirmed
        self.confirmed = confirmed


class Load:
    """Uploads that run in threads of this process while the block does; then all are waited for.

    Args:
        url: where to.
        folder: for the files and for what the clients remember.
        uploads: how many at once.
        chunks: of each file, one file a thread; None: file after file until the block ends.
        chunk_size: bytes.

    Attributes:
        failures: what no client's own retries have healed.
    """

    def __init__(self, url: str, folder: Path, *, uploads: int, chunks: int | None, chunk_size: int) -> None:
        self._url, self._folder = url, folder
        self._chunks, self._chunk_size = chunks, chunk_size
        self._threads = [threading.Thread(target=self._send, args=[number]) for number in range(uploads)]
        self._ending = threading.Event()
        self._watchers: list[_Watcher] = []
        self._sent: dict[str, int] = {}
        self.results: list[Result] = []
        self.failures: list[Exception] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def until_moving(self) -> None:
        """Wait until each upload has had two more chunks confirmed, or has ended."""
        before = self._confirmed()
        deadline = time.monotonic() + MOVING_WITHIN
        while any(thread.is_alive() for thread in self._threads):
            if self._confirmed() >= before + 2 * len(self._threads):
                return
            assert time.monotonic() < deadline, "nothing moves any more"
            time.sleep(0.01)

    def check(self, listed: Iterable[RemoteFile]) -> None:
        """Nothing failed, nothing confirmed was taken back, and every file is there, once and right.

        Args:
            listed: the files at the server, at least all of these.
        """
        assert not self.failures, self.failures
        fell = [step for watcher in self._watchers for step in watcher.fell]
        assert not fell, f"confirmed, then less: {fell}"
        there = [file.fingerprint for file in listed]
        assert self._sent, "nothing was sent"
        wrong = {fingerprint for fingerprint in self._sent if there.count(fingerprint) != 1}
        assert not wrong, f"of {len(self._sent)} files {len(wrong)} are not there once"

    def _confirmed(self) -> int:
        return sum(watcher.chunks for watcher in self._watchers)

    def _send(self, number: int) -> None:
        count = 0
        while True:
            try:
                self._send_one(f"{number}-{count}")
            except Exception as error:  # noqa: BLE001 - told by `check`
                self.failures.append(error)
                return
            count += 1
            if self._chunks is not None or self._ending.is_set():
                return

    def _send_one(self, name: str) -> None:
        size = (self._chunks or CHUNKS_A_FILE) * self._chunk_size - 5
        source = bytes(8) + random.Random(f"{self._folder} {name}").randbytes(size - 8)
        path = self._folder / f"{name}.bin"
        path.write_bytes(source)
        watcher = _Watcher()
        self._watchers.append(watcher)
        uploader = Uploader(
            self._url,
            chunk_size=self._chunk_size,
            fingerprint=False,
            state=SessionFiles(self._folder / "state" / name),
            observer=watcher,
        )
        self.results.append(uploader.upload(path))
        self._sent[hashlib.sha256(source).hexdigest()] = size
