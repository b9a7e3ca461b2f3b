"""Names that come from a server, made safe for a file system and a terminal. Pure."""

from __future__ import annotations

import re
from typing import Final

LONGEST_NAME: Final = 200
"""Bytes. File systems take 255; the rest is left for what programs append."""

SEPARATORS: Final = re.compile(r"[/\\]")


def safe_file_name(name: str, otherwise: str) -> str:
    """The last path component of ``name``, fit to be created in the current folder.

    No folder, no leading dot (a download must not become ``.bashrc``), nothing unprintable, at most
    ``LONGEST_NAME`` bytes with the ending kept. ``otherwise`` stands in when nothing is left; it is made
    safe the same way.
    """
    for candidate in (name, otherwise):
        last = printable(SEPARATORS.split(candidate)[-1]).lstrip(". ").rstrip(". ")
        if last:
            return _shortened(last)
    return "download"


def printable(text: str) -> str:
    """``text`` with everything replaced that could steer a terminal or reorder what is read."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _shortened(name: str) -> str:
    encoded = name.encode("utf-8", "replace")
    if len(encoded) <= LONGEST_NAME:
        return encoded.decode()
    stem, dot, ending = name.rpartition(".")
    suffix = (dot + ending).encode("utf-8", "replace")
    if not stem or len(suffix) > LONGEST_NAME // 4:
        suffix = b""
    return encoded[: LONGEST_NAME - len(suffix)].decode("utf-8", "ignore") + suffix.decode()
