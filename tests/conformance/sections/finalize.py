"""PROTOCOL.md, section `finalize`."""

from __future__ import annotations

from typing import Final

from tests.conformance.case import Section

SECTION: Final = Section("finalize", claim="finalize")
