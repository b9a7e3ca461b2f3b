"""A large file of made-up bytes: the same every time, and nothing that compresses."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Final

BLOCK: Final = 1024 * 1024


def make_sample(path: Path, size: int, *, seed: int) -> str:
    """Write ``size`` bytes made from ``seed``; their SHA-256, lower-case hex, is returned."""
    source, digest = random.Random(seed), hashlib.sha256()  # noqa: S311 - no secret, only noise
    with path.open("wb") as file:
        for offset in range(0, size, BLOCK):
            block = source.randbytes(min(BLOCK, size - offset))
            digest.update(block)
            file.write(block)
    return digest.hexdigest()
