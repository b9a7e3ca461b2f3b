"""The process that makes one thumbnail: a picture on stdin, a JPEG on stdout, and limits on everything else.

What somebody uploaded meets decoders written in C here. If one of them loops, swallows memory or crashes,
this process does, within its limits, and nothing else.
"""

from __future__ import annotations

import io
import resource
import sys
import warnings
from typing import Final

from PIL import Image, ImageOps

FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
MOST_PIXELS: Final = 100_000_000
"""A picture whose header promises more is not unpacked."""

SIDE: Final = 320
"""Pixels of the longer side."""

MEMORY: Final = 1024 * 1024 * 1024
SECONDS: Final = 20


def main() -> None:
    """Limited first, then reading."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=FORMATS) as picture:
        picture.draft("RGB", (2 * SIDE, 2 * SIDE))
        upright = ImageOps.exif_transpose(picture)  # cameras turn pictures by metadata, which is left behind
        upright.thumbnail((SIDE, SIDE))
        upright.convert("RGB").save(sys.stdout.buffer, "JPEG", quality=80)


if __name__ == "__main__":
    main()
