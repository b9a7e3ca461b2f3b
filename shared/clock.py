"""One clock for all servers that share a store: the store's.

A session's end of life is a moment, written by one server and read by others. If each went by its own clock,
a server that is ten minutes ahead would let the sessions of the others die ten minutes early. So all go by
the clock of the store. It is asked once a minute; in between, time is counted by this machine's monotonic
clock, which nobody sets. What remains is half of the time that an answer takes, and a minute's drift.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from shared.errors import UploadError

TRUSTED_FOR: Final = 60.0
"""Seconds until the store is asked again."""


class SharedClock:
    """Seconds since the epoch as the store counts them.

    Args:
        ask: the store's clock now. It may raise, then the last answer goes on; the first must succeed.
        monotonic: this machine's clock that nobody sets.

    Raises:
        UploadError: whatever ``ask`` raised the first time.
    """

    def __init__(self, ask: Callable[[], float], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._asking = threading.Lock()
        self._asked_at, self._ahead = self._measure()

    def __call__(self) -> float:
        """Now."""
        if self._monotonic() - self._asked_at > TRUSTED_FOR and self._asking.acquire(blocking=False):
            try:
                self._asked_at, self._ahead = self._measure()
            except UploadError:
                # Whoever needs the store will hear of it. Time goes on meanwhile.
                self._asked_at = self._monotonic()
            finally:
                self._asking.release()
        return self._monotonic() + self._ahead

    def _measure(self) -> tuple[float, float]:
        """When the store was asked, and how far it was ahead of the monotonic clock."""
        before = self._monotonic()
        there = self._ask()
        after = self._monotonic()
        return after, there - (before + after) / 2
