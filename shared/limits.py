"""How large files and chunks may be, and how server and client agree on a chunk size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.errors import FileTooLarge

KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_CHUNKS: Final = 10_000
"""S3 takes no more than 10,000 parts an object, and a chunk is a part: so the rule holds at every level."""


@dataclass(frozen=True)
class Limits:
    """The sizes a level works with, all in bytes (article, "Choosing a chunk size").

    Raises:
        ValueError: the sizes contradict each other; among others, a file of ``max_file_size`` must fit in
            10,000 chunks of ``maximum_chunk_size``, or the server would promise what it cannot keep.
    """

    max_file_size: int
    default_chunk_size: int = 8 * MIB
    minimum_chunk_size: int = 1 * KIB
    maximum_chunk_size: int = 64 * MIB

    def __post_init__(self) -> None:
        if not 1 <= self.minimum_chunk_size <= self.default_chunk_size <= self.maximum_chunk_size:
            raise ValueError("1 ≤ minimum ≤ default ≤ maximum chunk size does not hold")
        if not 0 <= self.max_file_size <= MAX_CHUNKS * self.maximum_chunk_size:
            raise ValueError("a file of max_file_size bytes would need more than 10,000 chunks")

    def check_declared_size(self, declared_size: int) -> None:
        """Refuse a file that is too large, before storage is touched.

        Raises:
            FileTooLarge: ``declared_size`` bytes are more than ``max_file_size``.
        """
        if declared_size > self.max_file_size:
            raise FileTooLarge(
                f"The file has {declared_size:,} bytes; this server takes at most {self.max_file_size:,}."
            )

    def chunk_size_for(self, declared_size: int, wish: int | None) -> int:
        """The chunk size (bytes) of an upload of ``declared_size`` bytes.

        The client's wish, clamped, then raised until the file needs no more than 10,000 chunks. It never
        exceeds the maximum, because ``__post_init__`` holds the largest file to that.
        """
        clamped = max(self.minimum_chunk_size, min(wish or self.default_chunk_size, self.maximum_chunk_size))
        return max(clamped, -(-declared_size // MAX_CHUNKS))


TINY: Final = Limits(
    max_file_size=64 * KIB, default_chunk_size=16, minimum_chunk_size=1, maximum_chunk_size=4 * KIB
)
"""Only for tests: every boundary is a few bytes away."""
