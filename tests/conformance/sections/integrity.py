"""PROTOCOL.md, section `integrity`."""

from __future__ import annotations

from typing import Final

from tests.conformance.case import Section

SECTION: Final = Section("integrity", claim="integrity")
