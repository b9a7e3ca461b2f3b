"""The tables of the SQL session store, and a session as a row of the first."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, MetaData, Numeric, Row, Table, Text

from shared.files import FileRecord
from shared.session import Session, State

SCHEMA: Final = MetaData()

SESSIONS: Final = Table(
    "sessions",
    SCHEMA,
    Column("session_id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("declared_size", BigInteger, nullable=False),
    Column("chunk_size", BigInteger, nullable=False),
    Column("storage", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("committed_offset", BigInteger, nullable=False),
    Column("writer_epoch", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("finalizing_since", Double, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("file", Text),  # the FileRecord as JSON, once completed: only ever read as a whole
    Column("duplicate", Boolean, nullable=False),
    Column("problem_code", Text, nullable=False),
    Column("problem_detail", Text, nullable=False),
)
"""One row a session. The columns are the fields of :class:`~shared.session.Session`, by name."""

# `count`, `in_state` and `expired` read a stretch of an index, however many sessions lie idle.
Index("sessions_by_lease", SESSIONS.c.state, SESSIONS.c.lease_until)
Index("sessions_by_expiry", SESSIONS.c.state, SESSIONS.c.expires_at)

RECEIPTS: Final = Table(
    "receipts",
    SCHEMA,
    Column("session_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("receipt", Text, nullable=False),
    sqlite_with_rowid=False,  # the primary key is the table: one tree to write to, not two
)
"""One row a chunk, so that the 10,000th costs what the first did. No foreign key: `delete` removes both."""

TALLIES: Final = Table(
    "tallies",
    SCHEMA,
    Column("scope", Text, primary_key=True),
    Column("sessions", BigInteger, nullable=False),
    Column("bytes", Numeric, nullable=False),  # sums of sizes that may each be as large as a BigInteger
)
"""Unfinished sessions and what they declare: one row an owner, and one for all together. Counted as they come
and go, in their transactions, because counting them when asked costs more the more there are."""

EVERYBODY: Final = "all"
"""The scope of all owners together."""


def owner_scope(owner: str) -> str:
    """The scope of one owner; never the one of all."""
    return f"owner {owner}"


FIELDS: Final = tuple(field.name for field in fields(Session))


def to_row(session: Session) -> dict[str, Any]:
    """The column values of ``session``, by column name."""
    row = {name: getattr(session, name) for name in FIELDS}
    row["state"] = session.state.value
    row["file"] = None if session.file is None else json.dumps(asdict(session.file))
    return row


def from_row(row: Row[Any]) -> Session:
    """The session in a row of ``select(*COLUMNS)``."""
    values = dict(zip(FIELDS, row, strict=True))
    values["state"] = State(values["state"])
    if values["file"] is not None:
        values["file"] = FileRecord(**json.loads(values["file"]))
    return Session(**values)


COLUMNS: Final = tuple(SESSIONS.c[name] for name in FIELDS)
"""All columns of a session in the order of its fields, which is the order `from_row` wants."""
