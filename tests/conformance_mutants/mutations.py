"""Every mutation, in the order of the protocol's sections."""

from __future__ import annotations

from typing import Final

from tests.conformance_mutants import wrong_chunks, wrong_ends, wrong_files, wrong_openings, wrong_services
from tests.conformance_mutants.mutation import Mutation

MUTATIONS: Final[tuple[Mutation, ...]] = (
    *wrong_openings.MUTATIONS,
    *wrong_chunks.MUTATIONS,
    *wrong_ends.MUTATIONS,
    *wrong_files.MUTATIONS,
)

SERVICE_MUTATIONS: Final[tuple[Mutation, ...]] = wrong_services.MUTATIONS
"""Those made in the tiny service."""


def table() -> str:
    """The mutations as a table, for the README."""
    rows = ["| what is wrong | caught by |", "|---|---|"]
    rows += [
        f"| {m.mistake} | [`{m.caught_by}`](../../shared/PROTOCOL.md#{m.caught_by}) |"
        for m in (*MUTATIONS, *SERVICE_MUTATIONS)
    ]
    return "\n".join(rows)
