"""How fast, smoothed (article, "Progress: measuring what actually matters"). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ALPHA: Final = 0.25
"""Weight of the newest chunk: quick to notice a real change, calm about jitter (the article's 0.2-0.3)."""


@dataclass(frozen=True)
class Speed:
    """An exponential moving average of chunk speeds.

    Attributes:
        bytes_per_second: ``None`` until the first chunk is confirmed.
    """

    bytes_per_second: float | None = None

    def after(self, length: int, seconds: float) -> Speed:
        """The speed after ``length`` more bytes were confirmed in ``seconds``."""
        newest = length / max(seconds, 1e-6)
        if self.bytes_per_second is None:
            return Speed(newest)
        return Speed(newest * ALPHA + self.bytes_per_second * (1 - ALPHA))

    def seconds_for(self, length: int) -> float | None:
        """How long ``length`` bytes will take at this speed; ``None`` while nobody can know."""
        if length == 0:
            return 0.0
        return length / self.bytes_per_second if self.bytes_per_second else None
