"""A server that the conformance suite's hooks can kill, stop and start: `python -m tests.controlled_server`.

    python -m tests.controlled_server FOLDER start|stop|restart

The folder remembers how it was started (`command.json`) and as which process (`pid`). It runs in a process
group of its own, so that SIGKILL takes the worker with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START_TIMEOUT: Final = 20.0


@dataclass(frozen=True)
class ControlledServer:
    """One server and the folder that remembers it."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, command: Sequence[str]) -> ControlledServer:
        """Remember ``command``, whose port must be a fixed one; start with :meth:`start`."""
        (folder / "command.json").write_text(json.dumps(list(command)))
        return cls(folder)

    def start(self) -> str:
        """Start and return the address, once the ready line is there.

        Raises:
            RuntimeError: it was not ready in time; the message holds its log.
        """
        ready, log = self.folder / "ready", self.folder / "log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("UPLOAD_")}
        with ready.open("wb") as out, log.open("ab") as errors:
            command = json.loads((self.folder / "command.json").read_text())
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
        (self.folder / "pid").write_text(str(process.pid))
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and process.poll() is None:
            if (line := ready.read_text()).endswith("\n"):
                process.returncode = 0  # it goes on without us; nobody here waits for it
                return line.splitlines()[0].split()[-1]
            time.sleep(0.02)
        raise RuntimeError(f"not ready: {log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Ask it to leave, and return at once."""
        with suppress(ProcessLookupError):
            os.kill(self._pid(), signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to all of it; returns when the port is free."""
        pid = self._pid()
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and _group_lives(pid):
            time.sleep(0.01)

    def _pid(self) -> int:
        return int((self.folder / "pid").read_text())


def _group_lives(group: int) -> bool:
    """Whether any process of the group still runs; a zombie does not."""
    with suppress(ChildProcessError):
        os.waitpid(group, os.WNOHANG)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) == group and fields[0] not in "ZX":
                    return True
    return False


def main(folder: str, verb: str) -> None:
    """Carry out one hook."""
    server = ControlledServer(Path(folder))
    if verb == "restart":
        server.kill()
    if verb == "stop":
        server.stop()
    else:
        server.start()


if __name__ == "__main__":
    main(*sys.argv[1:3])
