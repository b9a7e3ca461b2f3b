"""Every case, in the order of PROTOCOL.md. Listed, not collected: what is not here does not exist."""

from __future__ import annotations

from typing import Final

from tests.conformance.case import Case
from tests.conformance.sections import (
    callback,
    cancel,
    capabilities,
    chunk,
    complete,
    dedup,
    errors,
    expiry,
    files,
    finalize,
    init,
    integrity,
    limits,
    offset,
    resume,
    several_servers,
    shutdown,
    single_request,
    tickets,
)

SECTIONS: Final = tuple(
    module.SECTION
    for module in (
        capabilities,
        init,
        chunk,
        offset,
        resume,
        integrity,
        complete,
        finalize,
        dedup,
        cancel,
        expiry,
        shutdown,
        several_servers,
        limits,
        errors,
        files,
        single_request,
        tickets,
        callback,
    )
)

CASES: Final[tuple[Case, ...]] = tuple(case for section in SECTIONS for case in section.cases)
