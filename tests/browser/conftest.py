"""One Chromium to a process of tests, one fresh profile to a test, servers shared where nobody harms them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.chromium import ARGUMENTS, program
from tests.browser.driver import UploadPage
from tests.browser.stages import Stage, open_stage

SHARED: Final = {"test_refusals", "test_resume", "test_upload"}
"""Modules that go to one worker of pytest-xdist, and all others to another: each worker has a browser and
servers of its own."""

Open = Callable[..., UploadPage]
Make = Callable[..., Path]
Stages = Callable[..., Stage]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            where = "browser 1" if item.path.stem in SHARED else "browser 2"
            item.add_marker(pytest.mark.xdist_group(where))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests of this process."""
    if program() is None:
        pytest.skip("NOT RUN: needs Chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program(), args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile of its own."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1000, "height": 900})
    yield context
    context.close()


@pytest.fixture(scope="session")
def shared_stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    """Servers that tests share, by level and options: a start costs a second."""
    stages: dict[tuple[object, ...], Stage] = {}

    def at(level: int, *options: str, chunk: int | None = None) -> Stage:
        key = (level, options, chunk)
        if key not in stages:
            folder = tmp_path_factory.mktemp(f"level{level}-")
            stages[key] = open_stage(level, folder, *options, **({} if chunk is None else {"chunk": chunk}))
        return stages[key]

    yield at
    for stage in stages.values():
        stage.close()


@pytest.fixture
def own_stage(tmp_path: Path) -> Iterator[Stages]:
    """Servers of this test alone, to be killed and restarted."""
    stages: list[Stage] = []

    def start(level: int, *options: str, **sizes: int) -> Stage:
        stages.append(open_stage(level, tmp_path / f"server{len(stages)}", *options, **sizes))
        return stages[-1]

    yield start
    for stage in stages:
        stage.close()


@pytest.fixture
def visit(context: BrowserContext) -> Iterator[Open]:
    """Open the page at an address. What the console complains of fails the test."""
    tabs: list[UploadPage] = []

    def open_page(address: str, *, ready: bool = True) -> UploadPage:
        tab = UploadPage(context.new_page(), address)
        tabs.append(tab)
        if ready:
            tab.open()
        return tab

    yield open_page
    assert [complaint for tab in tabs for complaint in tab.complaints] == []


@pytest.fixture
def sample(tmp_path: Path) -> Make:
    """Make a file of random bytes, other ones for each test."""

    def make(name: str, size: int, *, begins: bytes = b"", folder: str = "files") -> Path:
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((begins + random.randbytes(size))[:size])
        return path

    return make


def sha256(path: Path) -> str:
    """The fingerprint of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
