"""The tour itself: what `make demo` shows is what happens, and nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from shared.commands.server_process import port_is_free
from shared.commands.tour import tour
from shared.commands.tour_stops import STOPS
from shared.uploader.listing import list_files
from tests.servers import COMMAND

# One at a time: its servers need ports side by side, and a machine with little else to do.
pytestmark = pytest.mark.xdist_group("tour")


def free_ports() -> int:
    """A first port for the tour. Not its default one, which a person at this machine may be using."""
    for first in range(18_000 + os.getpid() % 1000 * 10, 30_000, 10):  # not everybody from the same one
        if all(port_is_free(first + level) for level in range(1, 10)):
            return first
    raise AssertionError("no free ports")


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "tour", "--data", str(folder), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "UPLOAD_MAX_FILE_SIZE": "1KiB"},  # a setting of the shell must not matter
    )


def wait_for(process: subprocess.Popen[str], line: str) -> str:
    """Read up to ``line``, and return all that was said."""
    assert process.stdout is not None
    said = ""
    for text in process.stdout:
        said += text
        if line in text:
            return said
    raise AssertionError(f"never said {line!r}, but {said}")


def servers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The servers that run now."""
    return psutil.Process(process.pid).children(recursive=True)


def test_the_tour_goes_as_promised_and_the_servers_stay_until_ctrl_c(tmp_path: Path) -> None:
    """That it ends by itself with --once is shown in README.md, whose commands are run."""
    first = free_ports()
    with start(tmp_path, "--first-port", str(first)) as process:
        out = wait_for(process, "The servers stay until Ctrl-C")
        servers = servers_of(process)
        assert [file.file_size for file in list_files(f"http://127.0.0.1:{first + 2}")] == [100 * 2**20]
        process.send_signal(signal.SIGINT)
        out += process.communicate(timeout=60)[0]
    assert process.returncode == 0, out
    assert psutil.wait_procs(servers, timeout=5)[1] == []
    for promised in (
        f"level 1 (a single request) is served at http://127.0.0.1:{first + 1}",
        "100 MiB in one request: refused with 413",
        "40 MiB in one request: accepted",
        "the connection is cut inside chunk 5",
        "is killed with SIGKILL inside chunk 9",
        "13 chunks of 8 MiB, each confirmed once",
        "resumed both times at the confirmed offset, 32.0 MiB and 64.0 MiB",
        "recognised by its fingerprint, 0 bytes sent",
        "the object was not there while its parts were, and is there since Complete",
        "everything as expected",
    ):
        assert promised in out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    assert [(row[0], row[2], row[3], row[5]) for row in rows] == [
        ("1", "1 request", "cannot", "yes"),
        ("2", "13", "32.0 MiB, 64.0 MiB", "yes"),
        ("3", "13", "32.0 MiB, 64.0 MiB", "yes"),
        ("4", "13", "32.0 MiB, 64.0 MiB", "yes"),
    ]
    assert all(int(row[4]) > 0 for row in rows)
    assert list(tmp_path.iterdir()) == [], "the temporary folder is gone"
    assert "\x1b" not in out, "plain lines where nobody looks at a terminal"


@pytest.mark.parametrize(
    ("moment", "how"),
    [
        ("level 2 (", signal.SIGINT),
        ("Level 1:", signal.SIGTERM),
        ("the connection is cut", signal.SIGINT),
        ("the connection is cut", signal.SIGTERM),
    ],
)
def test_interrupted_it_takes_everything_with_it(tmp_path: Path, moment: str, how: signal.Signals) -> None:
    with start(tmp_path, "--once", "--first-port", str(free_ports())) as process:
        wait_for(process, moment)
        servers = servers_of(process)
        process.send_signal(how)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert len(servers) >= 2
    gone, alive = psutil.wait_procs(servers, timeout=5)
    assert alive == [], gone
    assert list(tmp_path.iterdir()) == []


def test_a_killed_tour_leaves_no_servers_behind(tmp_path: Path) -> None:
    """Nothing of the tour's own can run any more; the servers must notice by themselves. Level 2's was
    restarted by another thread than the one that started it first."""
    with start(tmp_path, "--first-port", str(free_ports())) as process:
        wait_for(process, "resumed both times")
        servers = servers_of(process)
        assert len(servers) >= 2
        process.kill()
        assert psutil.wait_procs(servers, timeout=20)[1] == []


def test_the_levels_are_on_the_ports_the_documentation_names() -> None:
    [option] = [option for option in tour.params if option.name == "first_port"]
    assert option.default == 8000
    assert [stop.level for stop in STOPS] == list(range(1, len(STOPS) + 1))


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    first = free_ports()
    with socket.create_server(("127.0.0.1", first + 2)):
        began = time.monotonic()
        with start(tmp_path, "--first-port", str(first)) as process:
            out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    told = f"Error: Port {first + 2} of 127.0.0.1 is taken; stop what listens there, or see --first-port.\n"
    assert out == told
    assert time.monotonic() - began < 20
    assert list(tmp_path.iterdir()) == []
