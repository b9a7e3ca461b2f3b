"""How long to wait before the next try, and when to stop trying. Pure, apart from the dice.

The count of failed tries is kept in the session, so a restart neither begins anew nor forgets. Giving up goes
by that count and not by the clock: hours in which no server ran are no hours of trying.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

DOUBLINGS = 60
"""Where doubling stops mattering: every pause is bounded long before."""


@dataclass(frozen=True)
class Backoff:
    """Pauses that double up to a bound. Durations in seconds.

    Attributes:
        first, longest: the shortest pause and the longest one, before chance adds up to a half.
        at_least: for how long is tried, counting nothing but the shortest pauses there can be.
        chance: from 0 to 1. It spreads those who failed in the same moment, because they failed for the
            same reason and would all come back at once.
    """

    first: float = 1.0
    longest: float = 15 * 60.0
    at_least: float = 24 * 3600.0
    chance: Callable[[], float] = random.random

    def pause(self, failures: int) -> float | None:
        """Seconds to wait after the ``failures``-th failure in a row (from 1); None: give up."""
        if sum(self._base(earlier) for earlier in range(1, failures)) >= self.at_least:
            return None
        return self._base(failures) * (1 + self.chance() / 2)

    def _base(self, failures: int) -> float:
        return min(self.longest, self.first * 2.0 ** min(failures - 1, DOUBLINGS))
