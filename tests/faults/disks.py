"""Disks that fill up and disks that fail: a small tmpfs, and strace in a running server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.faults.faulty import until
from tests.servers import Server


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of ``size`` bytes at ``folder``, for as long as the context lasts."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        # Lazily: a server that is still being killed must not make the test fail twice.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Fill ``disk`` but for ``leave`` bytes; return the file that does so, to be removed again."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        block = bytes(4096)
        try:
            while file.write(block) == len(block):
                pass
        except OSError:
            pass
        file.truncate(max(0, ballast.stat().st_size - leave))
    return ballast


class Injected:
    """System calls of a running server fail within this context.

    Args:
        injections: as ``strace -e inject=`` takes them: ``fdatasync:error=EIO:when=1``.
        path: only calls about this file or folder.
    """

    def __init__(self, server: Server, *injections: str, path: Path | None = None) -> None:
        self.report = server.folder / "strace.txt"
        calls = ",".join(injection.partition(":")[0] for injection in injections)
        self._words = ["strace", "-f", "-o", str(self.report)]
        self._words += ["-p", str(server.worker.pid), "-e", f"trace={calls}"]
        for injection in injections:
            self._words += ["-e", f"inject={injection}"]
        if path is not None:
            self._words += ["-P", str(path)]

    def __enter__(self) -> Injected:
        log = self.report.with_suffix(".log")
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(self._words, stderr=stderr)
        until(lambda: b"attached" in log.read_bytes(), "strace in the server")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def happened(self) -> int:
        """How many calls have failed so far."""
        return self.report.read_text().count("(INJECTED)")
