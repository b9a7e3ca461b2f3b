"""One SQL database: its engine, who writes when, and what its errors mean to an upload.

The session store and the catalogue both stand on this. SQL itself stays in their own files, in the part of
the language that SQLite and PostgreSQL share; only here does the code ask which of the two it talks to.

SQLite is opened in WAL mode, so that reading never waits for writing, and with ``synchronous=FULL``: in WAL
mode that is the level at which a committed transaction survives a power cut, ``NORMAL`` loses the last ones
(sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, inspect
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.errors import InsufficientStorage, StorageFailure, StorageUnavailable, UploadError
from shared.group_commit import PATIENCE, GroupCommit, Write
from shared.settings import SettingError

SQLITE: Final = "sqlite:///"
CONNECTIONS: Final = 8
"""Connections at once. A query takes well under a millisecond, so a thousand threads share few of them."""


T = TypeVar("T")


class Conflict(StorageFailure):
    """A unique constraint refused the row; whoever expects that asks what is there instead."""


class Database:
    """Connections to one database, whose tables exist once the constructor has returned.

    Args:
        url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``. A missing folder is made.
        schema: the tables wanted. Several processes may open the same new database at once.

    Raises:
        SettingError: there is no such database, or what is there is none of ours.
        StorageUnavailable, InsufficientStorage: the place is right, the moment is not.
    """

    def __init__(self, url: str, schema: MetaData) -> None:
        self._path = sqlite_path(url)
        self._engine = _sqlite_engine(self._path)
        # SQLite lets one writer in at a time and tells the others to poll, in steps of up to 100 ms
        # (its busy handler). Threads of one process queue here instead; polling is left to processes among
        # each other.
        self._writers = GroupCommit(self._transact)
        try:
            self._prepare(schema)
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
                nothing was committed.
        """
        answer: T = self._writers.submit(Write(operation, promise))
        return answer

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _transact(self, group: Sequence[Write]) -> Sequence[Any]:
        synchronous = "FULL" if any(write.promise for write in group) else "NORMAL"
        with translated(), self._engine.begin() as connection:
            connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
            # IMMEDIATE takes the write lock before the first read. With a plain BEGIN two transactions that
            # have both read cannot both go on, and SQLite fails one of them without any waiting.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return [write.operation(connection) for write in group]

    def _prepare(self, schema: MetaData) -> None:
        def make_tables(connection: Connection) -> None:
            self._recognise(connection, schema)
            schema.create_all(connection)

        try:
            self.write(make_tables)
            with translated():
                _switch_to_wal(self._engine)
        except UploadError as error:
            reason = error.__cause__.orig if isinstance(error.__cause__, DBAPIError) else error
            if _errorname(reason).startswith(("SQLITE_NOTADB", "SQLITE_CANTOPEN", "SQLITE_READONLY")):
                raise SettingError(f"{self._path} cannot be used as a database: {reason}") from error
            raise

    def _recognise(self, connection: Connection, schema: MetaData) -> None:
        """A table of the right name may be somebody else's: better to stop now than inside an upload."""
        inspector = inspect(connection)
        for table in schema.sorted_tables:
            if not inspector.has_table(table.name):
                continue
            there = {column["name"] for column in inspector.get_columns(table.name)}
            if missing := [column.name for column in table.columns if column.name not in there]:
                raise SettingError(
                    f"{self._path} has a table {table.name!r} that is not ours: no column {missing[0]!r}."
                )


def sqlite_path(url: str) -> Path:
    """The file that ``sqlite:///path`` names: everything after the third slash, taken literally.

    Raises:
        SettingError: not of this form, or without a file: a database in memory would be a new and empty one
            for every connection.
    """
    path = url.removeprefix(SQLITE)
    if path == url or path in ("", ":memory:"):
        raise SettingError(
            f"{url!r} names no database file; write sqlite:///relative/path or sqlite:////path"
        )
    return Path(path).expanduser()


@contextmanager
def translated() -> Iterator[None]:
    """Turn what SQLAlchemy raises into what the core understands.

    An I/O error is a StorageFailure and no StorageUnavailable: after a failed fsync nobody knows what the
    disk has, so "nothing was lost" would be a guess.
    """
    try:
        yield
    except IntegrityError as error:
        raise Conflict() from error
    except PoolTimeout as error:
        raise StorageUnavailable("All connections to the database are busy.", retry_after=1) from error
    except OperationalError as error:
        name = _errorname(error.orig)
        # SHMSIZE: no room for the index beside the log. SQLite calls that an I/O error.
        if name in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"):
            raise InsufficientStorage(retry_after=30) from error
        if name.startswith("SQLITE_IOERR"):
            raise StorageFailure() from error
        raise StorageUnavailable("The database is away or busy.", retry_after=1) from error
    except SQLAlchemyError as error:
        raise StorageFailure() from error


def _errorname(reason: object) -> str:
    """SQLite's own name for what happened; for any other database, nothing."""
    return str(getattr(reason, "sqlite_errorname", ""))


def _sqlite_engine(path: Path) -> Engine:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"{path.parent} cannot be made: {error.strerror}") from error
    # isolation_level None: the driver begins nothing by itself, `_transact` says BEGIN IMMEDIATE.
    return create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"isolation_level": None, "timeout": PATIENCE},
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=PATIENCE,
        hide_parameters=True,  # errors quote them, and logs quote errors: session ids, names of files
        pool_use_lifo=True,  # the connection used last has the warmest page cache
    )


def _switch_to_wal(engine: Engine) -> None:
    """Ask for write-ahead logging. The file remembers it; only the first process to come changes anything.

    SQLite answers "locked" at once, without its busy handler, when several try in the same moment.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with engine.connect() as connection:
                mode: Any = connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar()
                # The first look makes the log and its index. Without them even reading fails on a full disk.
                connection.exec_driver_sql("SELECT 1 FROM sqlite_master").all()
        except OperationalError as error:
            if _errorname(error.orig) != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - spreads rivals, keeps no secret
        else:
            if mode != "wal":
                raise SettingError("The file system of the database cannot do write-ahead logging.")
            return
