"""PROTOCOL.md, section `cancel`."""

from __future__ import annotations

from typing import Final

from tests.conformance.case import Section

SECTION: Final = Section("cancel", claim="cancel")
