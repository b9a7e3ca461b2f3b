"""PostgreSQL as one of the two databases that :mod:`shared.database` speaks to: many servers, many writers.

What a client was told survives a crash of the database as long as PostgreSQL's own settings are left as they
are (``fsync = on``); with a standby that may take over, ``synchronous_standby_names`` decides the same.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, create_engine, func, make_url, select
from sqlalchemy.exc import ArgumentError

from shared.errors import InsufficientStorage, StorageFailure, StorageUnavailable, UploadError
from shared.group_commit import PATIENCE
from shared.settings import SettingError

SCHEME: Final = "postgresql://"

_TIMEOUTS: Final = {
    # libpq: seconds to connect, and until a host that has vanished without a word counts as gone.
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "application_name": "upload-levels",
}
_STATEMENT: Final = f"-c statement_timeout={int(PATIENCE * 1000)} -c lock_timeout={int(PATIENCE * 1000)}"

# SQLSTATE classes and codes (PostgreSQL manual, appendix A).
_FULL: Final = ("53100",)  # disk_full
_BROKEN: Final = ("58", "XX")  # system error (I/O), internal error, data corrupted
_HOPELESS: Final = ("28", "3D", "42501", "3F")  # not let in; no such database; no right to make tables


class PostgreSql:
    """One database on a server.

    Args:
        url: ``postgresql://user:password@host:port/database``. What stands behind ``?`` goes to libpq and
            wins over the time-outs that are set here.
        connections: at most so many at once.

    Raises:
        SettingError: no such URL.
    """

    one_writer = False

    def __init__(self, url: str, connections: int) -> None:
        try:
            parsed = make_url(url).set(drivername="postgresql+psycopg")
        except ArgumentError as error:
            raise SettingError("not of the form postgresql://user:password@host:port/database") from error
        self.name = parsed.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
        given = {name: value for name, value in _TIMEOUTS.items() if name not in parsed.query}
        own = str(parsed.query.get("options", ""))
        self.engine = create_engine(
            parsed.difference_update_query(["options"]),
            connect_args=given | {"options": f"{_STATEMENT} {own}"},
            # A server that was restarted has closed what lies in the pool. Asked first, such a connection is
            # replaced without anybody noticing; found out in use, it would cost a request.
            hide_parameters=True,  # errors quote them, and logs quote errors: session ids, names of files
            pool_pre_ping=True,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=PATIENCE,
            pool_use_lifo=True,
        )

    def begin(self, connection: Connection, *, promise: bool) -> None:
        """The driver begins by itself. What is no promise does not wait for the disk of the database."""
        if not promise:
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

    def alone(self, connection: Connection, about: str) -> None:
        """Until the end of the transaction nobody else is alone with ``about``, by an advisory lock."""
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(about, 0))))

    def finish(self) -> None:
        """What remains once the tables are there: nothing."""

    def refusal(self, reason: object) -> str:
        """Why this can never become a database of ours; empty: it may."""
        text = str(reason).strip()
        # While connecting, psycopg passes on the server's words and no code.
        unknown = "authentication failed" in text or ("FATAL" in text and "does not exist" in text)
        return text if unknown or sqlstate(reason).startswith(_HOPELESS) else ""


def meaning(reason: object) -> UploadError:
    """What an error of the driver means to an upload."""
    code = sqlstate(reason)
    if code.startswith(_FULL):
        return InsufficientStorage(retry_after=30)
    if code.startswith(_BROKEN):
        return StorageFailure()
    return StorageUnavailable("The database is away or busy.", retry_after=1)


def sqlstate(reason: object) -> str:
    """PostgreSQL's code of what happened; empty while no server has said anything."""
    return getattr(reason, "sqlstate", None) or ""
