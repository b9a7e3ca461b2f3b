"""@tus/server, the reference implementation of another resumable protocol, with its file store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path

from bench.processes import Server, free_port, running

PACKAGES: Final = ("@tus/server@^2.4", "@tus/file-store@^2.1")

PROGRAM: Final = """
import { Server } from '@tus/server'
import { FileStore } from '@tus/file-store'
const [directory, port] = process.argv.slice(2)
new Server({ path: '/files', datastore: new FileStore({ directory }) })
  .listen({ host: '127.0.0.1', port: Number(port) })
"""


class NotInstalled(Exception):
    """The packages are not there and cannot be had; the message says why."""


def install() -> str:
    """Put the packages into a cache folder of our own, once.

    Returns:
        the version of @tus/server.

    Raises:
        NotInstalled: no node, no npm, or npm failed.
    """
    home = _home()
    manifest = home / "node_modules" / "@tus" / "server" / "package.json"
    if shutil.which("node") is None:
        raise NotInstalled("there is no node")
    if not manifest.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise NotInstalled("there is no npm")
        home.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(home), *PACKAGES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0 or not manifest.exists():
            raise NotInstalled(f"npm: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return str(json.loads(manifest.read_text())["version"])


@contextmanager
def tus_server(folder: Path) -> Iterator[Server]:
    """Run @tus/server on files below ``folder``. It does not sync them.

    Raises:
        NotStarted: it did not get ready.
    """
    # The program lies beside the packages: that is where node looks for them.
    program = _home() / "serve.mjs"
    program.write_text(PROGRAM)
    files = folder / "files"
    files.mkdir()
    port = free_port()
    command = [shutil.which("node") or "node", str(program), str(files), str(port)]
    with running(command, folder, os.environ, f"http://127.0.0.1:{port}/files") as server:
        yield server


def _home() -> Path:
    return user_cache_path("upload-levels") / "bench-tus"
