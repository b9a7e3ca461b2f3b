"""Sessions for tests: one plain one, and any one at all."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st

from shared.files import FileRecord
from shared.session import Session, State

CHUNK: Final = 10
LARGEST: Final = 2**63 - 1

names = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40)
sizes = st.integers(0, LARGEST)
moments = st.floats(0, 4e9)

file_records = st.builds(FileRecord, names, names, sizes, names, names, moments)


def a_session(**fields: Any) -> Session:
    """A new session of a million bytes in chunks of ten, with an id of its own."""
    session = Session(
        session_id=secrets.token_urlsafe(24),
        file_name="holiday.mp4",
        declared_size=1_000_000,
        chunk_size=CHUNK,
        created_at=1000.0,
        expires_at=2000.0,
    )
    return replace(session, **fields)


any_sessions = st.builds(
    a_session,
    file_name=names,
    declared_size=sizes,
    chunk_size=st.integers(1, LARGEST),
    created_at=moments,
    expires_at=moments,
    storage=names,
    owner=names,
    mime_type=names,
    fingerprint=names,
    state=st.sampled_from(State),
    committed_offset=sizes,
    writer_epoch=sizes,
    lease_until=moments,
    finalizing_since=moments,
    attempts=sizes,
    last_error=names,
    file=st.none() | file_records,
    duplicate=st.booleans(),
    problem_code=names,
    problem_detail=names,
)
"""Sessions with any field set to anything it can be, also where no upload would get there."""
