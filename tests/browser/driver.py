"""The page as a person uses it: choose, look, press. And what went over the wire meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import CDPSession, ConsoleMessage, Error, Locator, Page, Request, expect

PATIENCE: Final = 20_000
"""Milliseconds for what should take a moment: the machine may be busy."""

OF_THE_NETWORK: Final = re.compile(r"Failed to load resource|net::ERR_")
"""What Chromium itself writes to the console when a request fails, as tests make them fail."""


@dataclass
class Sent:
    """One chunk on its way."""

    offset: int
    session: str


@dataclass
class UploadPage:
    """A tab with the page in it.

    Attributes:
        chunks: every chunk whose sending was begun, in order, over all reloads.
        complaints: what the console or the security policy had to say; tests expect nothing.
    """

    page: Page
    address: str
    chunks: list[Sent] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("request", self._requested)
        self.page.on("console", self._console)
        self.page.on("pageerror", self._error)
        # From now on, and not only once a test waits for one, dialogues for files are told and not opened.
        self.page.on("filechooser", lambda _chooser: None)

    def open(self) -> UploadPage:
        """Go there, and wait until the page is ready."""
        self.page.goto(self.address)
        return self.ready()

    def reload(self) -> UploadPage:
        self.page.reload()
        return self.ready()

    def ready(self) -> UploadPage:
        expect(self.page.locator("body")).to_have_attribute("data-ready", "true", timeout=PATIENCE)
        return self

    def choose(self, *paths: Path) -> None:
        """Choose files, as the dialogue behind "Choose files" does."""
        self.page.locator("#files-input").set_input_files(list(paths))

    def row(self, name: str) -> Locator:
        """The upload of this file."""
        return self.page.locator(f'#upload-list > li[aria-label="{name}"]')

    def unfinished(self, name: str) -> Locator:
        return self.page.locator("#unfinished-list > li").filter(has_text=name)

    def choose_again(self, name: str, path: Path) -> None:
        """Take up an unfinished upload, with a file that may be the right one. By keyboard."""
        with self.page.expect_file_chooser() as chooser:
            again = self.unfinished(name).get_by_role("button", name=f"Choose again {name}")
            again.press("Enter")
        chooser.value.set_files(path)

    def stored(self, name: str) -> Locator:
        return self.page.locator("#stored-list > li").filter(has_text=name)

    def names(self, of: str) -> list[str]:
        """The names in one of the lists, whole."""
        names = self.page.locator(f"#{of} .name").evaluate_all("found => found.map(name => name.title)")
        return [str(name) for name in names]

    def expect_state(self, name: str, *states: str, timeout: float = PATIENCE) -> None:
        """Wait for an upload to be in one of these states."""
        pattern = re.compile(f"^({'|'.join(states)})$")
        expect(self.row(name)).to_have_attribute("data-state", pattern, timeout=timeout)

    def state(self, name: str) -> str:
        return self.row(name).get_attribute("data-state") or ""

    def words(self, name: str) -> str:
        """What the page says of an upload."""
        return self.row(name).locator(".state").inner_text()

    def press(self, name: str, button: str) -> None:
        """One of an upload's buttons, by what is written on it."""
        self.row(name).get_by_role("button", name=f"{button} {name}", exact=True).click()

    def buttons(self, name: str) -> list[str]:
        """What can be pressed in an upload's row."""
        return self.row(name).locator("button:visible .verb").all_inner_texts()

    def remembered(self) -> dict[str, Any]:
        """What the tab remembers: the upload sessions by key."""
        stored: dict[str, Any] = self.page.evaluate("() => ({...sessionStorage})")
        return {key: value for key, value in stored.items() if key.startswith("upload-session:")}

    def focused(self) -> str:
        """What has the focus; `body` means that it was lost."""
        return str(
            self.page.evaluate(
                "() => { const e = document.activeElement; if (!e || e === document.body) return 'body';"
                " return e.id || e.textContent.trim().replace(/\\s+/g, ' ') }"
            )
        )

    @contextmanager
    def slow(self, bytes_per_second: int) -> Iterator[None]:
        """Let no more than this leave the browser."""
        session = self.page.context.new_cdp_session(self.page)
        _throttle(session, bytes_per_second)
        try:
            yield
        finally:
            _throttle(session, -1)
            session.detach()

    def _requested(self, request: Request) -> None:
        self.requests.append(f"{request.method} {request.url}")
        if request.method == "PUT":
            offset = int(request.headers["x-upload-offset"])
            self.chunks.append(Sent(offset, request.url.rpartition("/")[2]))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not OF_THE_NETWORK.search(message.text):
            self.complaints.append(message.text)

    def _error(self, error: Error) -> None:
        self.complaints.append(str(error))


def _throttle(session: CDPSession, bytes_per_second: int) -> None:
    session.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": bytes_per_second,
        },
    )
