"""PROTOCOL.md, section `init`."""

from __future__ import annotations

from typing import Final

from tests.conformance.case import Section

SECTION: Final = Section("init", claim="chunked")
