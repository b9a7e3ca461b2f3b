"""The servers that are measured: a level, or any command that speaks the protocol."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from bench.connection import Connection, Unexpected
from bench.processes import READY, NotStarted, Server, running


def command_of_this_environment() -> str:
    """`upload-levels`, also where the environment is not activated."""
    return shutil.which("upload-levels", path=str(Path(sys.executable).parent)) or "upload-levels"


def serve_command(level: int = 2) -> str:
    """How a level is started."""
    return shlex.join([command_of_this_environment(), "serve", str(level)])


def levels_there() -> list[int]:
    """The levels that the command line of this environment can serve."""
    asked = subprocess.run(
        [command_of_this_environment(), "serve", "--help"], capture_output=True, text=True, check=False
    )
    found = re.search(r"[\[{(]((?:\d\|)+\d)[\]})]", asked.stdout)
    return [int(level) for level in found[1].split("|")] if found else []


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
        "UPLOAD_APPLICATION_PORT": "0",
        "UPLOAD_DATA": str(folder / "data"),
        "UPLOAD_READ_TIMEOUT": str(read_timeout),
        "UPLOAD_COMPLETE_WAIT": "60",
    }
    with running(shlex.split(command), folder, os.environ | settings) as server:
        yield server


@dataclass(frozen=True)
class Place:
    """A running level.

    Attributes:
        server: its address and its processes, whatever else it starts among them.
        upload_url: where uploads go.
        other_url: something small to ask for, at whoever owns the files (level 4: the application).
    """

    server: Server
    upload_url: str
    other_url: str


@contextmanager
def place(folder: Path, command: str) -> Iterator[Place]:
    """Run ``command``, and find out from its own words what is where.

    Raises:
        NotStarted: it did not get ready.
    """
    with level2(folder, command) as server:
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline:
            for url in re.findall(r"https?://[\w.:-]+", (folder / "server.log").read_text(errors="replace")):
                links = capabilities(url).get("links", {})
                if urlsplit(urljoin(url, links.get("upload", "//?"))).netloc == urlsplit(url).netloc:
                    yield Place(server, url, urljoin(url, f"{links['files']}?limit=1"))
                    return
            time.sleep(0.05)
        raise NotStarted("none of the addresses it printed answers GET /upload")


def capabilities(url: str) -> dict[str, Any]:
    """What a server says of itself; nothing, if it does not speak the protocol."""
    base = urlsplit(url).path.rstrip("/")
    with suppress(OSError, HTTPException, Unexpected, ValueError):
        connection = Connection(url)
        found = connection.ask("GET", f"{base}/upload", {}).expect(200).json()
        connection.close()
        return found if isinstance(found, dict) else {}
    return {}


@contextmanager
def sink(folder: Path) -> Iterator[Server]:
    """Run the server that throws everything away."""
    root = Path(__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": str(root)}
    with running([sys.executable, "-m", "bench.sink"], folder, environment) as server:
        yield server
