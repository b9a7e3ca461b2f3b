"""The application's memory of deliveries: each is worked on by one process at a time, and answered once.

A delivery is claimed for a short while, and the claim renewed while bytes are copied; so a repetition that
comes meanwhile, here or at another application process, waits for the answer instead of copying it all again.
The claim saves work and nothing else: that one upload makes one record is the catalogue's unique constraint.

The answer is stored in the transaction that makes the record (:meth:`answer` works on its connection), and so
is the downstream work: there is no moment in which there is one and not the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    delete,
    insert,
    select,
    update,
)

from shared.database import Conflict, Database

SCHEMA: Final = MetaData()

DELIVERIES: Final = Table(
    "deliveries",
    SCHEMA,
    Column("webhook_id", Text, primary_key=True),
    Column("busy_until", Double, nullable=False),
    Column("status", Integer),
    Column("answer", Text),
    Column("taken_at", Double, nullable=False),
)


@dataclass(frozen=True)
class Answer:
    """What the service is told: an HTTP status, and the text of a JSON document."""

    status: int
    document: str


@dataclass(frozen=True)
class Claimed:
    """The delivery is ours to work on."""


@dataclass(frozen=True)
class Busy:
    """Somebody works on it."""


class Inbox:
    """Deliveries in a database that all application processes share.

    Args:
        url: as :class:`~shared.database.Database` takes it.
        lease: seconds for which a claim holds without being renewed.

    Attributes:
        clock: seconds since the epoch, the same for all who share the database.
    """

    def __init__(self, url: str, lease: float) -> None:
        self._database = Database(url, SCHEMA)
        self.lease = lease
        self.clock = self._database.clock

    def claim(self, webhook_id: str, now: float) -> Claimed | Busy | Answer:
        """Begin to work on a delivery, unless it has been answered or somebody is at it."""
        free = (
            update(DELIVERIES)
            .where(
                and_(
                    DELIVERIES.c.webhook_id == webhook_id,
                    DELIVERIES.c.status.is_(None),
                    DELIVERIES.c.busy_until <= now,
                )
            )
            .values(busy_until=now + self.lease)
        )
        new = insert(DELIVERIES).values(webhook_id=webhook_id, busy_until=now + self.lease, taken_at=now)
        try:
            if self._database.write(lambda connection: connection.execute(free).rowcount, promise=False):
                return Claimed()
            if (there := self._there(webhook_id)) is not None:
                return there
            self._database.write(lambda connection: connection.execute(new), promise=False)
        except Conflict:  # somebody else's first delivery came between the look and the insert
            return Busy()
        return Claimed()

    def renew(self, webhook_id: str, now: float) -> None:
        """Hold on to a claimed delivery; also how it is let go, with a moment that has passed."""
        longer = (
            update(DELIVERIES)
            .where(DELIVERIES.c.webhook_id == webhook_id)
            .values(busy_until=now + self.lease)
        )
        self._database.write(lambda connection: connection.execute(longer), promise=False)

    def release(self, webhook_id: str) -> None:
        """Let go of a delivery that could not be answered, so that its next try need not wait."""
        self.renew(webhook_id, -self.lease)

    def answer(self, connection: Connection, webhook_id: str, answer: Answer) -> None:
        """Store the answer, in the transaction of ``connection``. The first one stays."""
        connection.execute(
            update(DELIVERIES)
            .where(and_(DELIVERIES.c.webhook_id == webhook_id, DELIVERIES.c.status.is_(None)))
            .values(status=answer.status, answer=answer.document)
        )

    def store(self, webhook_id: str, answer: Answer) -> Answer:
        """Store an answer by itself; returns the one that stands."""
        self._database.write(lambda connection: self.answer(connection, webhook_id, answer))
        there = self._there(webhook_id)
        return there if isinstance(there, Answer) else answer

    def forget(self, before: float) -> None:
        """Forget answers to deliveries that first came before ``before``."""
        old = delete(DELIVERIES).where(and_(DELIVERIES.c.taken_at < before, DELIVERIES.c.status.is_not(None)))
        self._database.write(lambda connection: connection.execute(old), promise=False)

    def close(self) -> None:
        """Let go of connections."""
        self._database.close()

    def _there(self, webhook_id: str) -> Answer | Busy | None:
        query = select(DELIVERIES.c.status, DELIVERIES.c.answer).where(DELIVERIES.c.webhook_id == webhook_id)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return Busy() if row.status is None else Answer(row.status, row.answer)
