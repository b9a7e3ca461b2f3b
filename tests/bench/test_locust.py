"""Locust, as users start it: without the web UI and with it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from bench.payload import MIB
from tests.conftest import Serve
from tests.servers import REPOSITORY

LOCUST = (str(Path(sys.executable).with_name("locust")), "-f", "bench/locustfile.py", "--skip-log-setup")


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LOCUST, *options],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_users_are_spread_over_chunk_sizes_and_everything_is_told(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    table = tmp_path / "table.json"
    sizes = ("--chunk-size", "256KiB,1MiB", "--file-size", "2MiB", "--summary-json", str(table))
    load = ("--headless", "--users", "4", "--spawn-rate", "4", "--run-time", "2s", "--only-summary")
    done = run("--host", f"http://127.0.0.1:{server.port}", *sizes, *load, "--ceiling-seconds", "0.5")
    assert done.returncode == 0, done.stderr
    found = json.loads(table.read_text())
    assert [one["chunk_size"] for one in found["chunk_sizes"]] == [MIB // 4, MIB]
    for one in found["chunk_sizes"]:
        assert one["files"] >= 1
        assert one["mib_s"] > 0
        assert one["confirmed"] >= one["files"] * 2 * MIB
        assert 0 < one["p50"] <= one["p95"] <= one["p99"]
        assert (one["conflicts"], one["refused"], one["gave_up"]) == (0, 0, 0)
        # What was under way when the time was up, at most: each user's one chunk.
        assert one["sent_twice"] <= 2 * one["chunk_size"]
    assert found["ceiling_mib_s"] > found["mib_s"]
    assert "this client alone, into a sink" in done.stdout
    # Users who were stopped in the middle have cancelled.
    assert not [path for path in (server.level_folder / "incoming").iterdir() if path.suffix != ".fence"]


def test_level_1_is_loaded_with_whole_files(serve: Serve, tmp_path: Path) -> None:
    server = serve(level=1)
    load = ("--headless", "--users", "2", "--spawn-rate", "2", "--run-time", "1s", "--only-summary")
    done = run(
        "--host", f"http://127.0.0.1:{server.port}", "--file-size", "1MiB", *load, "--ceiling-seconds", "0"
    )
    assert done.returncode == 0, done.stderr
    assert "Confirmed, by chunk size" in done.stdout


def test_the_web_ui_drives_the_same_users(serve: Serve) -> None:
    server = serve()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--host", f"http://127.0.0.1:{server.port}", "--chunk-size", "1MiB", "--file-size", "1MiB")
    with subprocess.Popen(
        [*LOCUST, *options, "--web-host", "127.0.0.1", "--web-port", str(port), "--ceiling-seconds", "0"],
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as locust:
        try:
            asked = _until(f"http://127.0.0.1:{port}/")
            assert "Locust" in asked
            urlopen(f"http://127.0.0.1:{port}/swarm", b"user_count=1&spawn_rate=1").close()
            deadline = time.monotonic() + 20
            names: set[str] = set()
            while "chunk 1 MiB" not in names and time.monotonic() < deadline:
                stats = json.loads(_until(f"http://127.0.0.1:{port}/stats/requests"))
                names = {row["name"] for row in stats["stats"]}
                time.sleep(0.2)
            assert "chunk 1 MiB" in names
        finally:
            locust.terminate()
            said, _ = locust.communicate(timeout=20)
    assert "Confirmed, by chunk size" in said


def _until(url: str) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(OSError), urlopen(url) as answer:
            return str(answer.read().decode())
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "http://192.0.2.1"), "is not this machine"),
        (("--host", "http://127.0.0.1:9", "--chunk-size", "big"), "not a size"),
    ],
)
def test_it_refuses_before_anything_is_sent(options: tuple[str, ...], words: str) -> None:
    done = run(*options, "--headless", "--run-time", "1s")
    assert done.returncode != 0
    assert words in done.stderr + done.stdout


def test_a_load_that_reaches_nobody_is_a_failure() -> None:
    load = ("--headless", "--users", "1", "--run-time", "1s", "--only-summary", "--ceiling-seconds", "0")
    assert run("--host", "http://127.0.0.1:9", *load).returncode == 1
