"""A line between browser and server that stops where it is told, and counts."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from shared.relay import Cut, Relay
from tests.browser.driver import UploadPage
from tests.browser.stages import CHUNK, Stage

HELD_WITHIN = 20.0


class Wire:
    """A relay before a stage; a context manager.

    Attributes:
        relay: counts the bytes that went to the server.
    """

    def __init__(self, stage: Stage) -> None:
        self.relay = Relay(stage.uploads.port)
        self._held = threading.Event()
        self._released = threading.Event()

    @property
    def address(self) -> str:
        """Where the page is, by way of the relay."""
        return self.relay.url + "/"

    def __enter__(self) -> Self:
        self.relay.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        self.relay.__exit__(kind, error, trace)

    def hold_inside(self, chunk: int, *, cut: bool = False) -> None:
        """Let the line stand still in the middle of the chunk with this number (from 1), counted from now,
        until :meth:`release`. The headers on the way there are shorter than half a chunk.

        Args:
            cut: the connection is dead afterwards, and what was on the line is lost with it.
        """
        self._held.clear()
        self._released.clear()

        def hold() -> Cut | None:
            self._held.set()
            self._released.wait(60)
            return Cut.RESET if cut else None

        self.relay.call_after((chunk - 1) * CHUNK + CHUNK // 2, hold)

    def wait_until_held(self, tab: UploadPage) -> None:
        """Until the line stands still. The tab's events are taken in meanwhile."""
        deadline = time.monotonic() + HELD_WITHIN
        while not self._held.is_set():
            assert time.monotonic() < deadline, "so many bytes did not come"
            tab.page.wait_for_timeout(5)

    def release(self) -> None:
        """Let it go on."""
        self._released.set()
