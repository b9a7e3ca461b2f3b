"""PROTOCOL.md, section `single-request`."""

from __future__ import annotations

from typing import Final

from tests.conformance.case import Section

SECTION: Final = Section("single-request", claim="single-request")
