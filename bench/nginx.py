"""nginx as the yardstick: its DAV module stores each PUT as a file, in C, without syncing it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.processes import Server, free_port, running

CONFIG: Final = """
daemon off;
{user}
worker_processes auto;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_max_body_size 0;
    # Bodies go to a temporary file on the same file system, and are renamed: the module's own way.
    client_body_temp_path {folder}/incoming;
    client_body_buffer_size {buffer};
    proxy_temp_path {folder}/unused-proxy;
    fastcgi_temp_path {folder}/unused-fastcgi;
    uwsgi_temp_path {folder}/unused-uwsgi;
    scgi_temp_path {folder}/unused-scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        dav_methods PUT;
    }}
}}
"""


def version() -> str | None:
    """nginx's version if it is installed and has the DAV module; otherwise None."""
    program = _program()
    if program is None:
        return None
    built = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stderr
    found = re.search(r"nginx/(\S+)", built)
    return found[1] if found and "http_dav_module" in built else None


@contextmanager
def nginx(folder: Path, buffer: str = "1m") -> Iterator[Server]:
    """Run nginx on files below ``folder``.

    Args:
        buffer: what a worker holds of a body before it writes, in nginx's notation.

    Raises:
        NotStarted: it did not get ready.
    """
    (folder / "files").mkdir()
    port = free_port()
    # Started as root it would give its workers to a user who may not enter the temporary folder.
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, user=user, buffer=buffer))
    command = [_program() or "nginx", "-c", str(config), "-p", str(folder)]
    with running(command, folder, os.environ, f"http://127.0.0.1:{port}") as server:
        yield server


def _program() -> str | None:
    # Debian keeps it where only root's PATH looks.
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
