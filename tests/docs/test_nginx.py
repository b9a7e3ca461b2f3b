"""The lines for nginx in the README let chunks of the usual size through, and requests are understood."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from shared.commands.server_process import port_is_free
from shared.uploader.listing import list_files
from shared.uploader.state import SessionFiles
from shared.uploader.upload import Uploader
from tests.conftest import Serve
from tests.docs.console import blocks, free_ports
from tests.oracle import some_bytes

MIB = 1024 * 1024
CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
{location}
    }}
}}
"""


def test_an_upload_through_nginx_as_the_readme_has_it(serve: Serve, tmp_path: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("NOT RUN: there is no nginx here")
    server, port = serve(), free_ports(1)
    (shown,) = (block.text for block in blocks("README.md") if block.language == "nginx")
    folder = tmp_path / "nginx"
    folder.mkdir()
    location = shown.replace("8002", str(server.port))
    (folder / "nginx.conf").write_text(CONFIGURATION.format(port=port, location=location))
    with subprocess.Popen(
        [nginx, "-p", f"{folder}/", "-c", "nginx.conf"], stderr=subprocess.DEVNULL
    ) as proxy:
        try:
            deadline = time.monotonic() + 10
            while port_is_free(port) and time.monotonic() < deadline:
                time.sleep(0.05)
            film = tmp_path / "film.bin"
            film.write_bytes(some_bytes(20 * MIB))
            address = f"http://127.0.0.1:{port}"
            result = Uploader(address, state=SessionFiles(tmp_path / "state")).upload(film)
            assert (result.chunks, result.retries) == (3, 0)
            assert result.file.fingerprint == hashlib.sha256(film.read_bytes()).hexdigest()
            assert [file.file_id for file in list_files(address)] == [result.file.file_id]
        finally:
            proxy.terminate()
