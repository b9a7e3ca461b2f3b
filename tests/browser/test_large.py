"""Two gibibytes, from a file of holes: neither the page nor the browser keeps them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
import pytest
from playwright.sync_api import Browser

from shared.uploader.listing import list_files
from tests.browser.chromium import running
from tests.browser.conftest import Open, Stages
from tests.browser.stages import ANY_CHUNKED, MIB

SIZE: Final = 2048 * MIB + 1
"""Past 2³¹, where 32 bits would end."""

CHUNK: Final = 8 * MIB
FINGERPRINT: Final = "b8030a8ab89280935633d8d991da3d9907c0f12e8b6fc3bfc515f4d440872b6e"
"""SHA-256 of so many zeros."""
BOUND: Final = 512 * MIB
"""Bytes that all of the browser's processes together may grow by. Some 250 MiB were seen, of blocks that wait
to be collected, with chunks of 8 and of 32 MiB. A file held whole is fourfold."""


@contextmanager
def growth(browser: psutil.Process) -> Iterator[list[int]]:
    """Watch the memory of a process and all its children; the list gets the greatest growth, in bytes."""
    result: list[int] = []
    ended = threading.Event()
    before = memory(browser)

    def watch() -> None:
        most = before
        while not ended.wait(0.25):
            most = max(most, memory(browser))
        result.append(most - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield result
    finally:
        ended.set()
        thread.join()


def memory(process: psutil.Process) -> int:
    """Bytes that a process and its children have for themselves alone."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().uss
        except psutil.NoSuchProcess:
            continue
    return total


@pytest.fixture
def roomy(own_stage: Stages, tmp_path: Path) -> Iterator[Stages]:
    """Servers whose files do not stay behind: pytest keeps the folders of three runs."""
    yield own_stage
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.stat().st_size > MIB:
            path.unlink()


@pytest.mark.parametrize("level", ANY_CHUNKED)
def test_two_gibibytes_in_bounded_memory(
    roomy: Stages, browser: Browser, visit: Open, tmp_path: Path, level: int
) -> None:
    stage = roomy(level, chunk=CHUNK)
    file = tmp_path / "film.bin"
    with file.open("wb") as holes:
        holes.truncate(SIZE)
    tab = visit(stage.address)
    with growth(running()) as grown:
        tab.choose(file)
        tab.expect_state(file.name, "done", timeout=100_000)
    assert [chunk.offset for chunk in tab.chunks] == list(range(0, SIZE, CHUNK))
    (stored,) = list_files(stage.address.rstrip("/"))
    assert (stored.file_size, stored.fingerprint) == (SIZE, FINGERPRINT)
    assert grown[0] < BOUND, f"{grown[0] / MIB:.0f} MiB"
