"""Real server processes for the tests: started, killed, stopped, started again on the same port and data."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from tests import forks

REPOSITORY: Final = Path(__file__).resolve().parent.parent
COMMAND: Final = (str(Path(sys.executable).with_name("upload-levels")),)
START_TIMEOUT: Final = 75.0
"""Seconds until a server must have said that it is ready. Never a measure of anything: a start waits for the
disk to sync, and so does whoever else is busy with that disk."""


class DidNotStart(AssertionError):
    """The server left, or said nothing, before it was ready; the message carries its log."""


@dataclass
class Server:
    """One `upload-levels serve` process with everything it forks, in a process group of its own.

    Attributes:
        folder: holds the log and, unless ``data`` says otherwise, the data.
        options: further words of the command line.
        command: what stands before ``serve``; tests put strace or a launcher there.
        port: 0 until the first start has found a free one; later starts take the same again.
    """

    folder: Path
    level: int = 2
    options: Sequence[str] = ()
    command: Sequence[str] = COMMAND
    environment: Mapping[str, str] = field(default_factory=dict)
    data: Path | None = None
    name: str = "server"
    port: int = 0
    _process: subprocess.Popen[bytes] | forks.Forked | None = field(default=None, init=False)
    _family: Sequence[psutil.Process] = field(default=(), init=False)

    def start(self) -> Server:
        """Start, and return once the ready line has been read."""
        # Names of settings in the environment of whoever runs the tests would change what is tested.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("UPLOAD_")}
        words = [*self.command, "serve", str(self.level), "--port", str(self.port)]
        words += ["--data", str(self.data_folder), *self.options]
        environment |= self.environment
        with self.log.open("ab") as log:
            if self.command == COMMAND:
                self._process = forks.start(words[1:], REPOSITORY, environment, log)
            else:
                self._process = subprocess.Popen(
                    words,
                    cwd=REPOSITORY,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    bufsize=0,
                    start_new_session=True,
                )
        self.port = int(self._ready_line().rpartition(":")[2])
        self._family = psutil.Process(self.process.pid).children(recursive=True)
        return self

    @property
    def data_folder(self) -> Path:
        """The ``--data`` folder."""
        return self.data or self.folder / "data"

    @property
    def level_folder(self) -> Path:
        """Where this level keeps its bytes."""
        return self.data_folder / f"level{self.level}"

    @property
    def log(self) -> Path:
        """Everything the server wrote to stderr, over all its starts."""
        return self.folder / f"{self.name}.log"

    @property
    def process(self) -> subprocess.Popen[bytes] | forks.Forked:
        """The arbiter: the process that was started."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def worker(self) -> psutil.Process:
        """The process that answers requests."""
        return self._family[-1]

    def leave_out(self, *names: str) -> None:
        """Forget processes that it has started and that others use too, by words of their command line."""
        self._family = [
            process
            for process in self._family
            if not any(name in " ".join(_command(process)) for name in names)
        ]

    def kill(self) -> None:
        """SIGKILL to all of it at once: no handler runs, nothing is flushed, locks fall with the process."""
        self.signal_all(signal.SIGKILL)
        self.wait_gone()

    def terminate(self) -> None:
        """SIGTERM to the arbiter, as a service manager does; returns at once."""
        self.process.send_signal(signal.SIGTERM)

    def signal_all(self, number: signal.Signals) -> None:
        """A signal to the arbiter and its worker."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
            return
        # Once the arbiter has been waited for, its number may be somebody else's, and so may its group's.
        for process in self._family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def wait_gone(self, timeout: float = 15.0) -> int:
        """Wait until the process has left; return its exit code."""
        code = self.process.wait(timeout)
        # The worker dies with the arbiter (PR_SET_PDEATHSIG), a moment later.
        deadline = time.monotonic() + timeout
        while any(map(_lives, self._family)) and time.monotonic() < deadline:
            time.sleep(0.002)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def restart(self, **changes: object) -> Server:
        """Kill what is left of it and start again, on the same port and data.

        Args:
            changes: attributes that are different from now on.
        """
        self.kill()
        for name, value in changes.items():
            setattr(self, name, value)
        return self.start()

    def close(self) -> None:
        """Whatever state it is in: gone afterwards. A stopped process takes SIGKILL as well."""
        if self._process is not None:
            self.kill()

    def _ready_line(self) -> str:
        stdout = self.process.stdout
        assert stdout is not None
        deadline, line = time.monotonic() + START_TIMEOUT, b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            data = stdout.read(1) if readable else b""
            if not data:
                self.kill()
                raise DidNotStart(self.log.read_text(errors="replace")[-4000:])
            line += data
        return line.decode().strip()


def _command(process: psutil.Process) -> Sequence[str]:
    """Its command line; nothing once it is gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return ()


def _lives(process: psutil.Process) -> bool:
    """Whether it still runs: a zombie without threads holds no port and no lock, and waits only for init to
    look."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    except psutil.NoSuchProcess:
        return False
