"""The tables of the SQL session store."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, MetaData, Numeric, Table, Text

from shared.sessions.record import FIELDS

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
    Column("file", Text),
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


COLUMNS: Final = tuple(SESSIONS.c[name] for name in FIELDS)
"""All columns of a session in the order of its fields, which is the order `from_record` wants."""
