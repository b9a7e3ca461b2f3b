"""What PostgreSQL, Redis and nginx have in common here: a folder, a port, a process that goes when we go."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

START_TIMEOUT: Final = 60.0


class ServiceDidNotStart(Exception):
    """The server left, or could not be reached in time; the message carries its log."""


class Service:
    """One server process. A subclass says how it is started and how one knows that it is there.

    Args:
        port: 0 takes a free one.

    Attributes:
        port: the same over all starts.
        folder: its data and its log; removed at the end.
    """

    name: str
    user: str | None = None
    """Who runs it when we are root."""

    def __init__(self, port: int = 0) -> None:
        self.port = port or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"upload-levels-{self.name}-"))
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """The command line."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it is ready."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start, and return once it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.as_user(), *self.command()],
                stdin=subprocess.PIPE,  # never written to: its end says that we are gone
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=clean_environment(),
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ServiceDidNotStart(f"{self.name}: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    @property
    def log(self) -> Path:
        """What it said, over all its starts."""
        return self.folder / "log"

    def kill(self) -> None:
        """SIGKILL to all its processes at once."""
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        """What a restart of the service does."""
        raise NotImplementedError

    def pause(self) -> None:
        """SIGSTOP to all its processes: connections stay open, and nobody answers."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)

    def end(self, number: signal.Signals) -> None:
        """A signal, and wait until it is gone."""
        if self._process is None:
            return
        self.send(number)
        try:
            self._process.wait(20)
        finally:
            self.send(signal.SIGKILL)
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None

    def as_user(self) -> Sequence[str]:
        """What stands before a command: it must go when we go, and some refuse to be run by root."""
        words = ["setpriv", "--pdeathsig", "KILL"]
        if self.user is not None and os.geteuid() == 0:
            words += [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        return [*words, "--"]

    def send(self, number: signal.Signals) -> None:
        """A signal to all its processes, if it runs."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def clean_environment() -> Mapping[str, str]:
    """The environment without what would tell clients of a server where another one is."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "REDIS"))}
