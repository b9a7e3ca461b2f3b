"""`upload-levels` as processes that are forked from one which has imported everything already.

A server spends half a second on imports, and the tests start hundreds. What is forked is a process like any
other: a session of its own, its own descriptors and environment; it is killed, stopped and waited for as they
are. That the installed command starts from nothing is seen wherever tests run it by its name: on the command
line, in the tour, in the documents, behind the conformance suite, and with every fault in a server.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

MODULES: Final = (
    "shared.cli",
    "shared.server",
    "level1_single_request.app",
    "level2_disk_chunks.app",
    "level3_s3_multipart.app",
    "level4_dedicated_service.app",
    "level4_dedicated_service.application",
    "level4_dedicated_service.upload_service",
    "gunicorn.arbiter",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql.psycopg",
    "redis",
    "boto3",
)
LONGEST: Final = 1 << 17
"""Bytes of a message: a command line and an environment."""


class Forked:
    """One of them, as far as :class:`subprocess.Popen` goes here.

    Attributes:
        stdout: the reading end of its standard output.
        returncode: as Popen has it; None while it runs, or nobody has asked.
    """

    def __init__(self, origin: _Origin, pid: int, stdout: IO[bytes]) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._origin = origin
        self._ended = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Its exit code, if it has left."""
        return self._code(0.0)

    def wait(self, timeout: float) -> int:
        """Wait until it has left; return its exit code.

        Raises:
            subprocess.TimeoutExpired: not within ``timeout`` seconds.
        """
        code = self._code(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """To this process alone; nothing if it has left."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._ended, number)

    def _code(self, timeout: float) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            # Only its parent can collect it; until then it is a zombie, and its number stays its own.
            self.returncode = self._origin.ask({"collect": self.pid})
            os.close(self._ended)
        return self.returncode


def start(words: Sequence[str], folder: Path, environment: Mapping[str, str], stderr: IO[bytes]) -> Forked:
    """Start ``upload-levels`` with ``words`` in ``folder``."""
    with _lock:
        if not _origins:
            _origins.append(_Origin())
    wish = {"words": list(words), "folder": str(folder), "environment": dict(environment)}
    return _origins[0].start(wish, stderr)


_lock = threading.Lock()
_origins: list[_Origin] = []


class _Origin:
    """The process they are forked from; it ends with this one, and they do not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # Never waited for: it leaves when this process does. Its standard output is none, as a server's.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forks", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def start(self, wish: Mapping[str, Any], stderr: IO[bytes]) -> Forked:
        reading, writing = os.pipe()
        try:
            pid = self.ask(wish, (writing, stderr.fileno()))
        finally:
            os.close(writing)
        return Forked(self, pid, os.fdopen(reading, "rb", 0))

    def ask(self, wish: Mapping[str, Any], descriptors: Sequence[int] = ()) -> int:
        with self._lock:
            socket.send_fds(self._channel, [json.dumps(wish).encode()], descriptors)
            answer = self._channel.recv(LONGEST)
        assert answer, "the process that servers are forked from has died"
        return int(answer)


def main() -> None:
    """Be that process; in a fork, be the server."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    for module in MODULES:
        importlib.import_module(module)
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, LONGEST, 2)
        if not message:
            return
        wish = json.loads(message)
        if "collect" in wish:
            answer = os.waitstatus_to_exitcode(os.waitpid(wish["collect"], 0)[1])
        elif (answer := os.fork()) == 0:
            channel.close()
            _become(wish, descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(str(answer).encode())


def _become(wish: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    os.setsid()
    os.chdir(wish["folder"])
    for number, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(wish["environment"])
    time.tzset()
    gc.unfreeze()
    sys.argv = ["upload-levels", *wish["words"]]
    from shared.cli import main as upload_levels  # noqa: PLC0415 - imported long ago

    upload_levels()


if __name__ == "__main__":
    main()
