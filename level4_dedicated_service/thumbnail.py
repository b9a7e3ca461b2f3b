"""The example of downstream work: a small picture of a large one, made by Pillow in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from typing import Final

from level4_dedicated_service.downstream import Hopeless, Work
from shared.files import FileRecord

MIME_TYPES: Final = frozenset(
    {"image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp", "image/tiff"}
)
LARGEST_FILE: Final = 64 * 1024 * 1024
PATIENCE: Final = 60.0
PROCESS: Final = (sys.executable, "-m", "level4_dedicated_service.thumbnail_process")


class NoThumbnail(Exception):
    """The process was ended before it was done; another time it may have the memory or the time."""


def is_picture(file: FileRecord) -> bool:
    """Whether a thumbnail is made of this file."""
    return file.mime_type in MIME_TYPES and file.file_size <= LARGEST_FILE


def make_thumbnail(blocks: Iterable[bytes]) -> bytes:
    """The JPEG of the picture in ``blocks``, at most ``LARGEST_FILE`` bytes together.

    Raises:
        Hopeless: these bytes are no picture that Pillow can read, or one of too many pixels.
        NoThumbnail: the process did not come to an end of its own.
    """
    picture = b"".join(blocks)
    try:
        made = subprocess.run(  # noqa: S603 - our own command line
            PROCESS, input=picture, capture_output=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NoThumbnail("it took too long") from error
    if made.returncode < 0:
        raise NoThumbnail(f"the process was ended by signal {-made.returncode}")
    if made.returncode or not made.stdout:
        said = made.stderr.decode(errors="replace").strip().splitlines() or ["no picture came of it"]
        raise Hopeless(said[-1])
    return made.stdout


THUMBNAILS: Final = Work(is_picture, make_thumbnail)
