"""Sessions in an SQL database: they survive the process, and several processes may share them.

Compare-and-set is one statement, ``UPDATE … WHERE state = … AND committed_offset = … AND writer_epoch = …``:
the database itself lets at most one of many rivals through, so there is no lock to hold, to lose or to clean
up after a crash. Statements are built once; SQLAlchemy then compiles each once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from shared.allowance import UNBOUNDED, Allowance
from shared.database import Database
from shared.errors import StorageUnavailable
from shared.session import TRANSITIONS, Event, Session, State
from shared.sessions import tallies
from shared.sessions.record import FIELDS, from_record, to_record
from shared.sessions.schema import COLUMNS, RECEIPTS, SCHEMA, SESSIONS

CONDITION: Final = ("session_id", "state", "committed_offset", "writer_epoch")
"""What must still be so for a change to happen."""


def _unchanged() -> ColumnElement[bool]:
    return and_(*(SESSIONS.c[name] == bindparam(f"current_{name}") for name in CONDITION))


def _current(session: Session) -> dict[str, Any]:
    return {f"current_{name}": getattr(session, name) for name in CONDITION} | {
        "current_state": session.state.value
    }


GET: Final = select(*COLUMNS).where(SESSIONS.c.session_id == bindparam("session_id"))
INSERT: Final = insert(SESSIONS)
# Every column is set, also those that did not change: the row then is `new` exactly, one compiled statement
# does for all, and SQLite writes the whole row anyway.
REPLACE: Final = (
    update(SESSIONS)
    .where(_unchanged())
    .values({name: bindparam(f"new_{name}") for name in FIELDS if name != "session_id"})
)
DELETE: Final = delete(SESSIONS).where(_unchanged())
ADD_RECEIPT: Final = insert(RECEIPTS)
GET_RECEIPTS: Final = (
    select(RECEIPTS.c.receipt)
    .where(RECEIPTS.c.session_id == bindparam("session_id"))
    .order_by(RECEIPTS.c.number)
)
DELETE_RECEIPTS: Final = delete(RECEIPTS).where(RECEIPTS.c.session_id == bindparam("gone"))
COUNT: Final = select(func.count()).select_from(
    select(literal_column("1"))
    .where(SESSIONS.c.state == bindparam("state"))
    .limit(bindparam("at_most"))
    .subquery()
)
IN_STATE: Final = (
    select(*COLUMNS)
    .where(SESSIONS.c.state == bindparam("state"))
    .order_by(SESSIONS.c.lease_until)
    .limit(bindparam("limit"))
)
EXPIRED: Final = (
    select(*COLUMNS)
    .where(SESSIONS.c.state == bindparam("state"), SESSIONS.c.expires_at <= bindparam("now"))
    .order_by(SESSIONS.c.expires_at)
    .limit(bindparam("limit"))
)
MAX_LOOKS: Final = 20
EXPIRING: Final = tuple(state for state in State if (state, Event.EXPIRE) in TRANSITIONS)


def is_claim(current: Session, new: Session) -> bool:
    """Whether nothing but the writer changes.

    A claim need not outlive a power cut: it fences writers off from each other, and a power cut ends them
    all. (Killing a process does not undo it: what was committed is the kernel's by then.) Waiting for the
    disk here as well would cost each chunk a second sync, before its first byte is read.
    """
    return replace(current, writer_epoch=new.writer_epoch, lease_until=new.lease_until) == new


class SqlSessionStore:
    """:class:`~shared.ports.SessionStore` over SQLite or PostgreSQL.

    Args:
        url: as :class:`~shared.database.Database` takes it.

    Raises:
        SettingError, StorageUnavailable, InsufficientStorage: as Database does.
    """

    durable = True

    def __init__(self, url: str) -> None:
        self._database = Database(url, SCHEMA)
        self.shared = self._database.shared
        self.clock = self._database.clock

    def insert(self, session: Session, allowance: Allowance = UNBOUNDED) -> None:
        row = to_record(session)

        def add(connection: Connection) -> tuple[int, int] | None:
            # A refusal is an answer here and no exception: that would take back what others wrote in the
            # same transaction (see `GroupCommit`).
            if not tallies.enter(connection, session, allowance):
                return tallies.look(connection, session.owner)
            connection.execute(INSERT, row)
            return None

        # Between the refusal and the look somebody may have left: then there is room after all.
        for _ in range(MAX_LOOKS):
            if (there := self._database.write(add)) is None:
                return
            allowance.check(*there, session.declared_size)
        raise StorageUnavailable("Too many uploads begin at once.", retry_after=1)

    def check_room(self, owner: str, declared_size: int, allowance: Allowance) -> None:
        with self._database.reading() as connection:
            there = tallies.look(connection, owner)
        allowance.check(*there, declared_size)

    def get(self, session_id: str) -> Session | None:
        if "\0" in session_id:
            return None  # PostgreSQL knows no such text
        with self._database.reading() as connection:
            row = connection.execute(GET, {"session_id": session_id}).one_or_none()
        return None if row is None else from_record(row)

    def replace(self, current: Session, new: Session, receipt: str | None = None) -> bool:
        values = {f"new_{name}": value for name, value in to_record(new).items()} | _current(current)
        row = {"session_id": current.session_id, "number": current.chunk_number, "receipt": receipt}

        def swap(connection: Connection) -> bool:
            if connection.execute(REPLACE, values).rowcount != 1:
                return False
            tallies.move(connection, current, new)
            if receipt is not None:
                connection.execute(ADD_RECEIPT, row)
            return True

        return self._database.write(swap, promise=not is_claim(current, new))

    def receipts(self, session_id: str) -> Sequence[str]:
        with self._database.reading() as connection:
            return connection.execute(GET_RECEIPTS, {"session_id": session_id}).scalars().all()

    def delete(self, current: Session) -> bool:
        def remove(connection: Connection) -> bool:
            if connection.execute(DELETE, _current(current)).rowcount != 1:
                return False
            tallies.leave(connection, current)
            connection.execute(DELETE_RECEIPTS, {"gone": current.session_id})
            return True

        return self._database.write(remove)

    def count(self, state: State, at_most: int) -> int:
        with self._database.reading() as connection:
            parameters = {"state": state.value, "at_most": at_most}
            return connection.execute(COUNT, parameters).scalar_one()

    def in_state(self, state: State, limit: int) -> Sequence[Session]:
        with self._database.reading() as connection:
            rows = connection.execute(IN_STATE, {"state": state.value, "limit": limit}).all()
        return [from_record(row) for row in rows]

    def expired(self, now: float, limit: int) -> Sequence[Session]:
        # One query a state, each a stretch of one index. A single query with `state IN (…)` makes SQLite
        # choose between the order and the filter, and either choice reads far more than `limit` rows.
        found: list[Session] = []
        for state in EXPIRING:
            with self._database.reading() as connection:
                parameters = {"state": state.value, "now": now, "limit": limit}
                found += map(from_record, connection.execute(EXPIRED, parameters))
        return sorted(found, key=lambda session: session.expires_at)[:limit]

    def close(self) -> None:
        self._database.close()
