"""The browser: the system's own Chromium, none is downloaded."""

from __future__ import annotations

import shutil
from typing import Final

import psutil

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


def running() -> psutil.Process:
    """The first process of the Chromium that this process has started by way of Playwright."""
    for one in psutil.Process().children(recursive=True):
        if "chrom" in one.name() and not any(word.startswith("--type=") for word in one.cmdline()):
            return one
    raise LookupError("no Chromium runs")
