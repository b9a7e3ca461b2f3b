"""The browser: the system's own Chromium, none is downloaded."""

from __future__ import annotations

import shutil
from typing import Final

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def program() -> str | None:
    """Where Chromium lies, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)
