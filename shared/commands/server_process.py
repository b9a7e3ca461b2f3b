"""One level as a real process of its own, to be started, killed and started again."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

READY_WITHIN: Final = 30.0
STOP_WITHIN: Final = 15.0
PORT_WITHIN: Final = 5.0
ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:\d+")


class ServerDidNotStart(Exception):
    """``serve`` ended, or did not become ready in time; the message has what it said."""


def port_is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class LevelServer:
    """``upload-levels serve LEVEL`` in a session of its own, so that Ctrl-C in the terminal reaches only the
    program that started it; a context manager that stops it at the end.

    Args:
        port: 0 takes a free one, and keeps it over restarts.
        data: folder for everything the server stores, and for what it says on stderr.
        options: further words of the command line.
    """

    def __init__(self, level: int, *, data: Path, port: int = 0, options: tuple[str, ...] = ()) -> None:
        self.level = level
        self.port = port
        self.data = data
        self._options = options
        self._log = data / f"level{level}.log"
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process's id; 0 while none runs."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return when requests are answered.

        Raises:
            ServerDidNotStart: with the end of what it said.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "shared.commands.attended_serve", str(self.level)]
        command += ["--port", str(self.port), "--data", str(self.data), *self._options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                stdin=subprocess.PIPE,  # never written to: its end tells the server that we are gone
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_without_settings(),
                start_new_session=True,
            )
        try:
            self.port = int(self._ready_line().rpartition(":")[2])
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing flushed."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for a server that will not go."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None
        self._wait_for_port()

    def _wait_for_port(self) -> None:
        """A killed server's worker goes with it, but a moment later; until then it holds the port."""
        deadline = time.monotonic() + PORT_WITHIN
        while self.port and not port_is_free(self.port) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _ready_line(self) -> str:
        assert self._process is not None  # noqa: S101 - start() has just made it
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        deadline = time.monotonic() + READY_WITHIN
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            while waiting.select(max(0.0, deadline - time.monotonic())):
                line = self._process.stdout.readline()
                if found := ADDRESS.search(line):
                    return found[0]
                if not line:
                    break
        said = self._log.read_text(errors="replace")[-2000:].strip()
        raise ServerDidNotStart(f"Level {self.level} did not start. It said: {said or 'nothing'}")


def _without_settings() -> dict[str, str]:
    """Our environment without ``UPLOAD_*``: the server runs with its defaults, whatever the shell has."""
    return {name: value for name, value in os.environ.items() if not name.startswith("UPLOAD_")}
