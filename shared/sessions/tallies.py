"""Counting unfinished sessions inside the transaction that changes them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, TextClause, select, text

from shared.allowance import UNBOUNDED, Allowance
from shared.session import Session
from shared.sessions.schema import EVERYBODY, TALLIES, owner_scope


def _enter(condition: str = "") -> TextClause:
    # Adding under a condition is one statement, so that rivals pass it one by one. In this form SQLite and
    # PostgreSQL both know it; without a row there is nothing to wait for and nothing to exceed.
    return text(
        "INSERT INTO tallies (scope, sessions, bytes) VALUES (:scope, 1, :size) "  # noqa: S608 - constants
        "ON CONFLICT (scope) DO UPDATE "
        f"SET sessions = tallies.sessions + 1, bytes = tallies.bytes + excluded.bytes {condition}"
    )


ENTER: Final = _enter()
ENTER_BELOW_COUNT: Final = _enter("WHERE tallies.sessions < :most")
ENTER_BELOW_QUOTA: Final = _enter("WHERE tallies.bytes + excluded.bytes <= :most")
LEAVE: Final = text("UPDATE tallies SET sessions = sessions - 1, bytes = bytes - :size WHERE scope = :scope")
FORGET: Final = text("DELETE FROM tallies WHERE scope = :scope AND sessions <= 0")
LARGEST: Final = 2**63 - 1
"""The largest number that both databases take."""
LOOK: Final = select(TALLIES.c.scope, TALLIES.c.sessions, TALLIES.c.bytes)


def enter(connection: Connection, session: Session, allowance: Allowance = UNBOUNDED) -> bool:
    """Count ``session`` in if there is room for it, and say whether there was; if not, nothing changed.

    The scope of all comes before the owner's, here and in :func:`leave`: two transactions that lock in
    different orders would wait for each other for ever.
    """
    if not session.is_unfinished:
        return True
    size, quota = session.declared_size, allowance.owner_bytes
    if not _add(connection, ENTER_BELOW_COUNT, EVERYBODY, size, allowance.sessions):
        return False
    if (quota is None or size <= quota) and _add(
        connection, ENTER_BELOW_QUOTA, owner_scope(session.owner), size, quota
    ):
        return True
    connection.execute(LEAVE, {"scope": EVERYBODY, "size": size})
    return False


def leave(connection: Connection, session: Session) -> None:
    """Count ``session`` out. An owner with nothing unfinished leaves no row behind."""
    if session.is_unfinished:
        for scope in (EVERYBODY, owner_scope(session.owner)):
            connection.execute(LEAVE, {"scope": scope, "size": session.declared_size})
        connection.execute(FORGET, {"scope": owner_scope(session.owner)})


def move(connection: Connection, current: Session, new: Session) -> None:
    """Count again what :meth:`~shared.ports.SessionStore.replace` changes; for most changes, nothing."""
    if _counted(current) != _counted(new):
        leave(connection, current)
        enter(connection, new)


def look(connection: Connection, owner: str) -> tuple[int, int]:
    """Unfinished sessions of everybody, and the bytes that the owner's declare."""
    scopes = (EVERYBODY, owner_scope(owner))
    rows = connection.execute(LOOK.where(TALLIES.c.scope.in_(scopes)))
    there = {scope: (sessions, int(size)) for scope, sessions, size in rows}
    return there.get(EVERYBODY, (0, 0))[0], there.get(owner_scope(owner), (0, 0))[1]


def _add(connection: Connection, bounded: TextClause, scope: str, size: int, most: int | None) -> bool:
    values: dict[str, Any] = {"scope": scope, "size": size}
    if most is None or most > LARGEST:
        return connection.execute(ENTER, values).rowcount == 1
    return connection.execute(bounded, values | {"most": most}).rowcount == 1


def _counted(session: Session) -> tuple[bool, str, int]:
    return session.is_unfinished, session.owner, session.declared_size
