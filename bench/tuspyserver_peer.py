"""tuspyserver, a tus server for FastAPI, with its local storage, under uvicorn."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Final

from bench.processes import Server, free_port, running

PROGRAM: Final = """
import sys
import uvicorn
from fastapi import FastAPI
from tuspyserver import create_tus_router
directory, port = sys.argv[1:]
app = FastAPI()
app.include_router(create_tus_router(prefix="files", files_dir=directory))
uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
"""


def version() -> str | None:
    """Its version, if it and uvicorn are installed; otherwise None."""
    try:
        version_of("uvicorn")
        return version_of("tuspyserver")
    except PackageNotFoundError:
        return None


@contextmanager
def tuspyserver(folder: Path) -> Iterator[Server]:
    """Run it on files below ``folder``.

    Raises:
        NotStarted: it did not get ready.
    """
    files = folder / "files"
    files.mkdir()
    port = free_port()
    command = [sys.executable, "-c", PROGRAM, str(files), str(port)]
    with running(command, folder, os.environ, f"http://127.0.0.1:{port}/files") as server:
        yield server
