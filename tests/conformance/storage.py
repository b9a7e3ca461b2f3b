"""What the server stores, as far as anybody told how to measure it (the hook ``stored``).

Without the hook these checks hold nothing to anything, and their cases see only what shows from outside.
"""

from __future__ import annotations

import time
from typing import Final

from tests.conformance.expect import require
from tests.conformance.target import Target, Upload

LARGE: Final = 256 * 1024
"""Bytes of a chunk that stand out from what a database takes for its own records."""


def stored(target: Target) -> int | None:
    """Bytes that the server stores now; None where nobody can tell."""
    return target.hooks.stored()


def upload_to_measure(target: Target, name: str) -> Upload:
    """A session for a file large enough to be seen in what is stored."""
    wish = min(max(target.sizes.minimum, LARGE), target.sizes.maximum)
    total = min(max(wish, 4 * LARGE), target.sizes.file)
    return target.begin(target.blob(total), fileName=name, chunkSize=wish)


def expect_freed(target: Target, before: int | None, full: int | None, size: int, seconds: float) -> None:
    """Hold the server to giving space back in time.

    Args:
        before, full: bytes stored before and after ``size`` bytes were uploaded.

    Raises:
        Violation
    """
    if before is None or full is None:
        return
    require(full - before >= size // 2, f"the stored hook to see {size:,} bytes more", f"{full - before:,}")
    deadline = time.monotonic() + seconds
    while True:
        kept = (stored(target) or 0) - before
        if kept < size // 4:
            return
        require(
            time.monotonic() < deadline,
            f"what was stored to be removed within {seconds:.0f} s",
            f"{kept:,} of {size:,} bytes are still there",
        )
        time.sleep(0.2)
