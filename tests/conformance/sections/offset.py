"""PROTOCOL.md, section `offset`."""

from __future__ import annotations

from typing import Final

from tests.conformance.case import Section

SECTION: Final = Section("offset", claim="chunked")
