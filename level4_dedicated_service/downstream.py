"""Work on a file after it is recorded: where an application of your own hooks in.

The article lists what does not belong into an upload: thumbnails, transcoding, metadata. Here that is one
function, from the bytes of a file to the bytes of a result, with one example: the thumbnail of a picture.
To hook in something else, hand another :class:`Work` to :class:`Downstream`.

It is an outbox again. The row is written in the transaction that makes the record; a thread of any
application process takes it from there; failures are tried again with growing pauses, and left after a day.
The upload is over by then: whatever happens here, it stays completed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    and_,
    insert,
    select,
    update,
)

from shared.backoff import Backoff
from shared.database import Database
from shared.files import FileRecord
from shared.session import LONGEST_ERROR, NEVER

log = logging.getLogger(__name__)

SCHEMA: Final = MetaData()

WORK: Final = Table(
    "downstream",
    SCHEMA,
    Column("file_id", Text, primary_key=True),
    Column("location", Text, nullable=False),
    Column("file_size", Integer, nullable=False),
    Column("due", Double, nullable=False),  # NEVER once done, or given up
    Column("failures", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("result", LargeBinary),
)
Index("downstream_by_due", WORK.c.due)

LOOK_INTERVAL: Final = 2.0
PAUSE_AFTER_FAILURE: Final = 15.0
LEASE: Final = 120.0
"""Seconds until another process takes a piece of work over; longer than the longest try."""

BATCH: Final = 4


class Hopeless(Exception):
    """It will not work another time either; the message says why."""


@dataclass(frozen=True)
class Work:
    """What is done with files.

    Attributes:
        wants: whether there is anything to do with this file. Called in the recording transaction: pure.
        do: its bytes, in blocks → the result. Raises whatever it likes and is called again later, unless
            what it raises is :class:`Hopeless`.
    """

    wants: Callable[[FileRecord], bool]
    do: Callable[[Iterable[bytes]], bytes]


@dataclass
class Downstream:
    """The planned work of one database, and the thread of this process that does it.

    Attributes:
        read: (location, start, stop) → blocks.
    """

    url: str
    work: Work
    read: Callable[[str, int, int], Iterator[bytes]]
    backoff: Backoff = field(default_factory=Backoff)
    _database: Database = field(init=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _woken: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        self._database = Database(self.url, SCHEMA)

    def plan(self, connection: Connection, file: FileRecord, location: str) -> None:
        """Write down what is to be done with a new file, in the transaction of ``connection``."""
        if self.work.wants(file):
            row = {
                "file_id": file.file_id,
                "location": location,
                "file_size": file.file_size,
                "due": 0.0,
                "failures": 0,
                "last_error": "",
            }
            connection.execute(insert(WORK), row)

    def wake(self) -> None:
        """There may be something to do now."""
        self._woken.set()

    def start(self) -> None:
        """Work until :meth:`stop`."""
        threading.Thread(target=self._run, name="downstream", daemon=True).start()

    def stop(self) -> None:
        """The process is about to leave. What is cut off is done by another one, or after the next start."""
        self._stopping.set()
        self._woken.set()
        self._database.close()

    def result(self, file_id: str) -> bytes | None:
        """What was made of a file, if it was."""
        query = select(WORK.c.result).where(WORK.c.file_id == file_id)
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def do_due(self) -> int:
        """Do what is due now; returns how many pieces of work were taken up."""
        now = self._database.clock()
        due = select(WORK).where(WORK.c.due <= now).order_by(WORK.c.due).limit(BATCH)
        with self._database.reading() as connection:
            rows = connection.execute(due).all()
        return sum(self._take(row, now) for row in rows)

    def _take(self, row: Row[tuple[object, ...]], now: float) -> bool:
        mine = self._change(row.file_id, row.due, due=now + LEASE)
        if mine:
            try:
                result = self.work.do(self.read(row.location, 0, row.file_size))
            except Exception as error:  # noqa: BLE001 - whatever it was, it must not end this thread
                self._failed(row, now + LEASE, error)
            else:
                self._change(row.file_id, now + LEASE, due=NEVER, result=result, last_error="")
        return mine

    def _failed(self, row: Row[tuple[object, ...]], leased: float, error: Exception) -> None:
        failures = row.failures + 1
        pause = None if isinstance(error, Hopeless) else self.backoff.pause(failures)
        log.warning("work on file %s failed (%d): %s", row.file_id, failures, error)
        self._change(
            row.file_id,
            leased,
            due=NEVER if pause is None else self._database.clock() + pause,
            failures=failures,
            last_error=f"{type(error).__name__}: {error}"[:LONGEST_ERROR],
        )

    def _change(self, file_id: str, seen: float, /, **values: object) -> bool:
        """Change a row that is due when we saw it be; false if somebody else has taken it meanwhile."""
        change = update(WORK).where(and_(WORK.c.file_id == file_id, WORK.c.due == seen)).values(**values)
        changed = self._database.write(lambda connection: connection.execute(change).rowcount)
        return changed == 1

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = LOOK_INTERVAL
            self._woken.clear()
            try:
                while self.do_due() and not self._stopping.is_set():
                    pass
            except Exception:
                if not self._stopping.is_set():
                    log.exception("downstream work stopped; again in a while")
                pause = PAUSE_AFTER_FAILURE
            self._woken.wait(pause)
