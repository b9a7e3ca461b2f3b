"""The browser client's core under node's own test runner: over real sockets, and against every level."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Serve

HERE: Final = Path(__file__).parent
FILES: Final = sorted(path.name for path in HERE.glob("*.test.mjs"))
MINIMUM: Final = 18
"""The oldest node that has the test runner, `fetch` and `File`; Debian 12's."""


def node() -> str:
    """Where node is. A missing node fails the test: a skip would look like a pass."""
    found = shutil.which("node")
    assert found, f"the client's tests need node {MINIMUM} or newer (Debian: apt install nodejs)"
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(version.strip().lstrip("v").split(".")[0])
    assert major >= MINIMUM, f"the client's tests need node {MINIMUM} or newer; this is {version.strip()}"
    return found


def run(*files: str, **environment: str) -> None:
    done = subprocess.run(
        [node(), "--test", *(str(HERE / name) for name in files)],
        capture_output=True,
        text=True,
        timeout=110,
        env=os.environ | environment,
        check=False,
    )
    passed = re.search(r"^[#ℹ] pass (\d+)$", done.stdout, re.MULTILINE)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert passed, done.stdout[-2000:]
    assert int(passed[1]) > 0, "no test ran"


@pytest.mark.parametrize("name", [name for name in FILES if name != "levels.test.mjs"])
def test_the_core(name: str) -> None:
    run(name)


@pytest.mark.parametrize("level", [1, 2])
def test_a_real_level(serve: Serve, level: int) -> None:
    server = serve("--complete-wait", "0", level=level)
    run("levels.test.mjs", UPLOAD_TEST_ENDPOINT=f"http://127.0.0.1:{server.port}/upload")
