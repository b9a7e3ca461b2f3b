"""SQLite as one of the two databases that :mod:`shared.database` speaks to: a file, one writer at a time.

It is opened in WAL mode, so that reading never waits for writing, and with ``synchronous=FULL``: in WAL mode
that is the level at which a committed transaction survives a power cut, ``NORMAL`` loses the last ones
(sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from shared.errors import InsufficientStorage, StorageFailure, StorageUnavailable, UploadError
from shared.group_commit import PATIENCE
from shared.settings import SettingError

SCHEME: Final = "sqlite:///"


class Sqlite:
    """One database file.

    Args:
        url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``. A missing folder is made.
        connections: at most so many at once.

    Raises:
        SettingError: no such place.
    """

    one_writer = True

    def __init__(self, url: str, connections: int) -> None:
        path = sqlite_path(url)
        self.name = str(path)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(f"{path.parent} cannot be made: {error.strerror}") from error
        # isolation_level None: the driver begins nothing by itself, `begin` says BEGIN IMMEDIATE.
        self.engine = create_engine(
            URL.create("sqlite", database=str(path)),
            connect_args={"isolation_level": None, "timeout": PATIENCE},
            pool_size=connections,
            max_overflow=0,
            pool_timeout=PATIENCE,
            hide_parameters=True,  # errors quote them, and logs quote errors: session ids, names of files
            pool_use_lifo=True,  # the connection used last has the warmest page cache
        )

    def begin(self, connection: Connection, *, promise: bool) -> None:
        """Open a transaction that waits for the disk if it is a promise."""
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if promise else 'NORMAL'}")
        # IMMEDIATE takes the write lock before the first read. With a plain BEGIN two transactions that
        # have both read cannot both go on, and SQLite fails one of them without any waiting.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def alone(self, _connection: Connection, _about: str) -> None:
        """Nobody else writes meanwhile: the write lock sees to that."""

    def finish(self) -> None:
        """What remains once the tables are there."""
        switch_to_wal(self.engine)

    def refusal(self, reason: object) -> str:
        """Why this can never become a database of ours; empty: it may."""
        hopeless = errorname(reason).startswith(("SQLITE_NOTADB", "SQLITE_CANTOPEN", "SQLITE_READONLY"))
        return str(reason) if hopeless else ""


def meaning(reason: object) -> UploadError | None:
    """What an error of the driver means to an upload; None: it is none of SQLite's."""
    name = errorname(reason)
    if not name:
        return None
    # SHMSIZE: no room for the index beside the log. SQLite calls that an I/O error.
    if name in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"):
        return InsufficientStorage(retry_after=30)
    # After a failed fsync nobody knows what the disk has, so "nothing was lost" would be a guess.
    if name.startswith("SQLITE_IOERR"):
        return StorageFailure()
    return StorageUnavailable("The database is away or busy.", retry_after=1)


def errorname(reason: object) -> str:
    """SQLite's own name for what happened; for any other database, nothing."""
    return str(getattr(reason, "sqlite_errorname", ""))


def sqlite_path(url: str) -> Path:
    """The file that ``sqlite:///path`` names: everything after the third slash, taken literally.

    Raises:
        SettingError: not of this form, or without a file: a database in memory would be a new and empty one
            for every connection.
    """
    path = url.removeprefix(SCHEME)
    if path == url or path in ("", ":memory:"):
        raise SettingError(
            f"{url!r} names no database file; write sqlite:///relative/path or sqlite:////path"
        )
    return Path(path).expanduser()


def switch_to_wal(engine: Engine) -> None:
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
            if errorname(error.orig) != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - spreads rivals, keeps no secret
        else:
            if mode != "wal":
                raise SettingError("The file system of the database cannot do write-ahead logging.")
            return
