"""One SQL database: its connections, who writes when, and what its errors mean to an upload.

The session store and the catalogue both stand on this. SQL itself stays in their own files, in the part of
the language that SQLite and PostgreSQL share; what only one of them does stands in :mod:`shared.sqlite` and
:mod:`shared.postgresql`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, MetaData, extract, func, inspect, select
from sqlalchemy.exc import DBAPIError, IntegrityError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared import postgresql, sqlite
from shared.clock import SharedClock
from shared.errors import StorageFailure, StorageUnavailable, UploadError
from shared.group_commit import GroupCommit, Write
from shared.settings import SettingError

CONNECTIONS: Final = 8
"""Connections at once. A query takes well under a millisecond, so a thousand threads share few of them."""


T = TypeVar("T")


class Conflict(StorageFailure):
    """A unique constraint refused the row; whoever expects that asks what is there instead."""


class Database:
    """Connections to one database, whose tables exist once the constructor has returned.

    Args:
        url: ``sqlite:///path`` or ``postgresql://…``, see :class:`~shared.sqlite.Sqlite` and
            :class:`~shared.postgresql.PostgreSql`.
        schema: the tables wanted. Several processes may open the same new database at once.

    Raises:
        SettingError: there is no such database, or what is there is none of ours.
        StorageUnavailable, InsufficientStorage: the place is right, the moment is not.

    Attributes:
        shared: whether other machines may use it as well.
        clock: seconds since the epoch, the same for everybody who uses it.
    """

    def __init__(self, url: str, schema: MetaData) -> None:
        kind = postgresql.PostgreSql if url.startswith(postgresql.SCHEME) else sqlite.Sqlite
        self._kind = kind(url, CONNECTIONS)
        self._engine = self._kind.engine
        # SQLite lets one writer in at a time and tells the others to poll, in steps of up to 100 ms
        # (its busy handler). Threads of one process queue here instead; polling is left to processes among
        # each other. PostgreSQL groups commits by itself.
        self._writers = GroupCommit(self._transact)
        try:
            self._prepare(schema)
            self.shared = not self._kind.one_writer
            self.clock: Callable[[], float] = SharedClock(self._now) if self.shared else time.time
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for one query. Each query sees the last commit; there is no transaction around two.

        Raises:
            StorageUnavailable, InsufficientStorage, StorageFailure: instead of anything of SQLAlchemy's.
        """
        with translated(), self._engine.connect() as connection:
            yield connection

    def write(self, operation: Callable[[Connection], T], *, promise: bool = True) -> T:
        """Run ``operation`` in a transaction; return its answer once that is committed.

        Args:
            operation: everything it does happens, or nothing. May be called again after a failure.
            promise: ``False`` for what a power cut may take back: it does not wait for the disk. It still
                survives the death of the process, and any later promise makes it durable too.

        Raises:
            Conflict: a unique constraint was violated.
            StorageUnavailable, InsufficientStorage, StorageFailure: instead of anything of SQLAlchemy's;
                nothing was committed. One exception: a server that vanishes while it commits may have done
                so; who asks again finds out.
        """
        write = Write(operation, promise)
        answer: T = self._writers.submit(write) if self._kind.one_writer else self._transact([write])[0]
        return answer

    def alone(self, connection: Connection, about: str) -> None:
        """Within :meth:`write`: wait until nobody else is alone with ``about``, and keep others waiting until
        the transaction ends. For what is looked at first and written then, across rows."""
        self._kind.alone(connection, about)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _now(self) -> float:
        with self.reading() as connection:
            now = connection.execute(select(extract("epoch", func.clock_timestamp()))).scalar_one()
        return float(now)

    def _transact(self, group: Sequence[Write]) -> Sequence[Any]:
        with translated(), self._engine.begin() as connection:
            self._kind.begin(connection, promise=any(write.promise for write in group))
            return [write.operation(connection) for write in group]

    def _prepare(self, schema: MetaData) -> None:
        def make_tables(connection: Connection) -> None:
            # `CREATE TABLE IF NOT EXISTS` of two servers in the same moment fails for one of them.
            self.alone(connection, "tables")
            self._recognise(connection, schema)
            schema.create_all(connection)

        try:
            self.write(make_tables)
            with translated():
                self._kind.finish()
        except UploadError as error:
            reason = error.__cause__.orig if isinstance(error.__cause__, DBAPIError) else error
            if refusal := self._kind.refusal(reason):
                raise SettingError(f"{self._kind.name} cannot be used as a database: {refusal}") from error
            raise

    def _recognise(self, connection: Connection, schema: MetaData) -> None:
        """A table of the right name may be somebody else's: better to stop now than inside an upload."""
        inspector = inspect(connection)
        for table in schema.sorted_tables:
            if not inspector.has_table(table.name):
                continue
            there = {column["name"] for column in inspector.get_columns(table.name)}
            if missing := [column.name for column in table.columns if column.name not in there]:
                name = self._kind.name
                raise SettingError(f"{name} has a table {table.name!r} not ours: no column {missing[0]!r}.")


@contextmanager
def translated() -> Iterator[None]:
    """Turn what SQLAlchemy raises into what the core understands."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict() from error
    except PoolTimeout as error:
        raise StorageUnavailable("All connections to the database are busy.", retry_after=1) from error
    except (OperationalError, InternalError) as error:
        # InternalError: among others, PostgreSQL's "read-only", from a standby that is not in charge.
        raise sqlite.meaning(error.orig) or postgresql.meaning(error.orig) from error
    except SQLAlchemyError as error:
        raise StorageFailure() from error
