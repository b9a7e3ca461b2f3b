"""PROTOCOL.md, section `files`."""

from __future__ import annotations

from typing import Final

from tests.conformance.case import Section

SECTION: Final = Section("files", claim="files")
