"""Blocks of memory that chunks pass through, used again and again.

A new block for each chunk costs the kernel a page fault for every 4 KiB of it. A few blocks are kept instead;
what a burst needs beyond them is given back.
"""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

BLOCK: Final = 512 * 1024
"""Bytes of a chunk in memory at once. Half of it costs an eighth of the throughput, in system calls and turns
of the interpreter; twice as much would take the server over 150 MiB with 64 uploads in flight."""

KEPT: Final = 64
"""Blocks kept for the next chunk."""


class Blocks:
    """The blocks of one process. Threads take and give back without a lock: a deque's ends are atomic."""

    def __init__(self) -> None:
        self._free: deque[memoryview] = deque(maxlen=KEPT)

    @contextmanager
    def one(self) -> Iterator[memoryview]:
        """A block, with whatever is in it."""
        block = None
        with suppress(IndexError):
            block = self._free.pop()
        if block is None:
            # Mapped and not allocated: pages that a stalled client never fills cost nothing.
            block = memoryview(mmap.mmap(-1, BLOCK))
        try:
            yield block
        finally:
            self._free.append(block)
