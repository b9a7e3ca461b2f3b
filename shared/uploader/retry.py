"""When to try again, and when to stop (protocol, "Client rules"; article, "Retries and error handling")."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from shared.uploader.errors import Interrupted, ServerAway

T = TypeVar("T")


@dataclass(frozen=True)
class RetryRules:
    """How patient to be; all in seconds.

    Attributes:
        waits: before the second try, before the third, …; one failure more than waits ends the attempt.
        jitter: each wait is stretched or shortened by at most this share, so that a thousand clients of a
            server that came back do not return in the same instant.
        longest_wait: a ``Retry-After`` beyond it ends the attempt instead of holding a terminal for hours.
        finalize_patience: how long to wait for a finalization that goes on after 202.
    """

    waits: tuple[float, ...] = (1.0, 3.0)
    jitter: float = 0.25
    longest_wait: float = 300.0
    finalize_patience: float = 600.0


@dataclass(frozen=True)
class Timing:
    """The outside world that tests replace.

    Attributes:
        clock: seconds, monotonic.
        sleep: waits that many seconds.
        random: 0 ≤ x < 1.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random


class Patience:
    """Counts failures; progress forgets them.

    Attributes:
        retries: failures borne so far, over the whole attempt.
    """

    def __init__(self, rules: RetryRules, timing: Timing, on_retry: Callable[[float, str], None]) -> None:
        self._rules = rules
        self._timing = timing
        self._on_retry = on_retry
        self._failures = 0
        self.retries = 0

    def progress(self) -> None:
        """A byte was confirmed that was not confirmed before: the count starts again."""
        self._failures = 0

    def bear(self, failure: Interrupted, *, at_once: bool = False) -> None:
        """Count ``failure`` and wait before the next try; ``at_once`` counts without waiting.

        Raises:
            ServerAway: too many failures without progress, or the server asked for too long a wait.
        """
        if self._failures >= len(self._rules.waits):
            raise ServerAway(
                f"Gave up after {self._failures + 1} failures without progress: {failure.detail}.",
                resumable=True,
            ) from failure
        wait = 0.0 if at_once else self._wait_after(failure)
        if wait > self._rules.longest_wait:
            raise ServerAway(
                f"The server asks to come again in {wait:.0f} s: {failure.detail}.", resumable=True
            ) from failure
        self._failures += 1
        self.retries += 1
        self._on_retry(wait, failure.detail)
        self._timing.sleep(wait)

    def until_done(self, call: Callable[[], T]) -> T:
        """Repeat ``call`` until it works.

        Raises:
            ServerAway: as :meth:`bear`.
        """
        while True:
            try:
                return call()
            except Interrupted as failure:
                self.bear(failure)

    def _wait_after(self, failure: Interrupted) -> float:
        if failure.retry_after is not None:
            return failure.retry_after
        stretch = 1 + self._rules.jitter * (2 * self._timing.random() - 1)
        return self._rules.waits[self._failures] * stretch
