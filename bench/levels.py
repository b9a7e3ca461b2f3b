"""The server that is measured: level 2, or any command that speaks the protocol."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import Server, running


def serve_command() -> str:
    """How level 2 is started: the command of this environment, so that it need not be activated."""
    beside = shutil.which("upload-levels", path=str(Path(sys.executable).parent))
    return shlex.join([beside or "upload-levels", "serve", "2"])


@contextmanager
def level2(folder: Path, command: str, read_timeout: float = 30) -> Iterator[Server]:
    """Run ``command`` with its data below ``folder``, on a free port; durable, as it comes.

    Args:
        read_timeout: seconds that a client may be silent.

    Raises:
        NotStarted: it did not get ready.
    """
    settings = {
        "UPLOAD_PORT": "0",
        "UPLOAD_DATA": str(folder / "data"),
        "UPLOAD_READ_TIMEOUT": str(read_timeout),
        "UPLOAD_COMPLETE_WAIT": "60",
    }
    with running(shlex.split(command), folder, os.environ | settings) as server:
        yield server


@contextmanager
def sink(folder: Path) -> Iterator[Server]:
    """Run the server that throws everything away."""
    root = Path(__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": str(root)}
    with running([sys.executable, "-m", "bench.sink"], folder, environment) as server:
        yield server
