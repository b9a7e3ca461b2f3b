"""The S3 server that comes along: shared by all, there for a server that comes back, gone after the last."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from level3_s3_multipart.embedded_s3 import EmbeddedDidNotStart, find_rclone
from tests.faults.faulty import until
from tests.servers import REPOSITORY

LINGER = 2.0
ATTACHED = (
    "import sys, pathlib; from level3_s3_multipart.embedded_s3 import attach; "
    f"print(attach(pathlib.Path(sys.argv[1]), linger={LINGER}).url, flush=True); sys.stdin.read()"
)


@contextmanager
def attached(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that uses the store, and where it found it."""
    with subprocess.Popen(
        [sys.executable, "-c", ATTACHED, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def stores(folder: Path) -> list[psutil.Process]:
    """The rclone processes over ``folder``."""
    found = psutil.process_iter(["name", "cmdline"])
    return [p for p in found if p.info["name"] == "rclone" and str(folder) in (p.info["cmdline"] or [])]


def test_who_attaches_shares_one_store(tmp_path: Path) -> None:
    with ExitStack() as stack:
        found = [stack.enter_context(attached(tmp_path))[1] for _ in range(2)]
        assert found[0] == found[1] != ""
        assert len(stores(tmp_path)) == 1


def test_it_outlives_a_killed_server_for_the_next_one_and_then_ends(tmp_path: Path) -> None:
    with attached(tmp_path) as (first, url):
        first.send_signal(signal.SIGKILL)
        first.wait()
    with attached(tmp_path) as (_, again):
        assert again == url
    until(lambda: not stores(tmp_path), "the end of the store after its last user")
    with attached(tmp_path) as (_, anew):
        assert anew != ""
    until(lambda: not stores(tmp_path), "the end of the store after its last user")


def test_its_keys_are_nobody_elses(tmp_path: Path) -> None:
    with attached(tmp_path):
        assert (tmp_path / ".address.json").stat().st_mode & 0o077 == 0
        [rclone] = stores(tmp_path)
        assert "--auth-key" not in rclone.cmdline()


def test_a_store_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedDidNotStart, match="pip install"):
        find_rclone()
