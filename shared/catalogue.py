"""The application's side: which files there are, and that the same bytes are kept once an owner.

Two unique constraints carry it. ``session_id``: an upload makes one record, however often it is finalized.
``(owner, fingerprint)``: of two uploads of the same bytes that finish in the same moment, in whichever
processes, one makes the record and the other is told of it. So `record` simply inserts, and asks what is
there only when it was refused: looking first and inserting then would leave a gap between the two.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
)

from shared.database import Conflict, Database
from shared.errors import InvalidRequest, MemberError, StorageFailure
from shared.files import FileRecord
from shared.settings import SettingError

SCHEMA: Final = MetaData()

FILES: Final = Table(
    "files",
    SCHEMA,
    # `seq` orders the list and makes its cursor. AUTOINCREMENT, so that SQLite never gives a number twice.
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("file_id", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_size", BigInteger, nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("location", Text, nullable=False, unique=True),
    Column("session_id", Text, nullable=False, unique=True),
    UniqueConstraint("owner", "fingerprint"),
    sqlite_autoincrement=True,
)
Index("files_by_owner", FILES.c.owner, FILES.c.seq)

RECORD: Final = tuple(
    FILES.c[name] for name in ("file_id", "file_name", "file_size", "mime_type", "fingerprint", "created_at")
)
"""The columns of a :class:`~shared.files.FileRecord`, in its order."""


Also = Callable[[Connection, FileRecord], object]
"""What else belongs to making a record: it happens in the same transaction, or neither does."""


class OverQuota(Exception):
    """The owner's files leave no room for this one. What that means to an upload is the caller's business."""


class Catalogue:
    """The records of finished files, in a database that several processes may share.

    Args:
        url: as :class:`~shared.database.Database` takes it.

    Every method may raise ``StorageUnavailable``, ``InsufficientStorage`` or ``StorageFailure``.

    Raises:
        SettingError: the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url, SCHEMA)

    def record(  # noqa: PLR0917 - a row, column by column
        self,
        owner: str,
        session_id: str,
        file_name: str,
        size: int,
        mime_type: str,
        fingerprint: str,
        location: str,
        now: float,
        *,
        quota: int | None = None,
        also: Also | None = None,
    ) -> tuple[FileRecord, bool]:
        """Make the record of a finished upload, unless there is one.

        Args:
            size: bytes.
            now: seconds since the epoch.
            quota: bytes that the owner's files may have together; None: no limit.
            also: called when the record is new.

        Raises:
            OverQuota: nothing was recorded.

        Returns:
            The record, and whether it is a duplicate: another upload of the same owner had brought the same
            bytes before. A repeated call gives the same answer.
        """
        file = FileRecord(secrets.token_urlsafe(16), file_name, size, mime_type, fingerprint, now)
        row = asdict(file) | {"owner": owner, "location": location, "session_id": session_id}

        def make(connection: Connection) -> None:
            if quota is not None:
                self._database.alone(connection, f"quota of {owner}")  # two at once would both find room
                if _used(connection, owner) + size > quota:
                    raise OverQuota
            connection.execute(insert(FILES), row)
            if also is not None:
                also(connection, file)

        try:
            self._database.write(make)
        except Conflict as conflict:
            if mine := self.recorded(session_id):
                return mine, False
            if theirs := self.find(owner, fingerprint, size):
                return theirs, True
            raise StorageFailure("Two uploads name the same stored object.") from conflict
        return file, False

    def recorded(self, session_id: str) -> FileRecord | None:
        """The record that this upload made."""
        return self._one(FILES.c.session_id == session_id)

    def find(self, owner: str, fingerprint: str, size: int) -> FileRecord | None:
        """The owner's file with this SHA-256 (lower-case hex) and this many bytes."""
        return self._one(
            FILES.c.owner == owner, FILES.c.fingerprint == fingerprint, FILES.c.file_size == size
        )

    def get(self, file_id: str, owner: str) -> tuple[FileRecord, str] | None:
        """The record of one of the owner's files, and where its bytes are."""
        if "\0" in file_id:
            return None  # PostgreSQL knows no such text
        query = select(*RECORD, FILES.c.location).where(FILES.c.file_id == file_id, FILES.c.owner == owner)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (FileRecord(*row[:-1]), row[-1])

    def page(self, owner: str, limit: int, after: str | None) -> tuple[Sequence[FileRecord], str | None]:
        """Up to ``limit`` (≥ 1) of the owner's files, newest first, and the cursor of what follows.

        Args:
            after: a cursor from an earlier page. Files that come or go meanwhile shift nothing.

        Raises:
            InvalidRequest: no cursor of ours.
        """
        query = select(*RECORD, FILES.c.seq).where(FILES.c.owner == owner)
        if after is not None:
            query = query.where(FILES.c.seq < parse_cursor(after))
        query = query.order_by(FILES.c.seq.desc()).limit(limit + 1)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        shown = rows[:limit]
        following = make_cursor(shown[-1].seq) if len(rows) > limit else None
        return [FileRecord(*row[:-1]) for row in shown], following

    def used(self, owner: str) -> int:
        """Bytes of all the owner's files."""
        with self._database.reading() as connection:
            return _used(connection, owner)

    def owns(self, location: str) -> bool:
        """Whether the object at ``location`` is a finished file."""
        return self._one(FILES.c.location == location) is not None

    def close(self) -> None:
        """Let go of connections."""
        self._database.close()

    def _one(self, *conditions: ColumnElement[bool]) -> FileRecord | None:
        with self._database.reading() as connection:
            row = connection.execute(select(*RECORD).where(*conditions)).one_or_none()
        return None if row is None else FileRecord(*row)


def open_catalogue(url: str, folder: Path) -> Catalogue:
    """The catalogue that the setting ``catalogue`` names.

    Args:
        url: ``sqlite`` (a file in ``folder``), or as :class:`~shared.database.Database` takes it.

    Raises:
        SettingError: no such database.
    """
    return Catalogue(catalogue_url(url, folder))


def catalogue_url(url: str, folder: Path) -> str:
    """The same, as the address of the database: for what else is kept beside the records.

    Raises:
        SettingError: no such database.
    """
    if url == "sqlite":
        return f"sqlite:///{folder.absolute() / 'catalogue.sqlite3'}"
    if url.startswith(("sqlite:///", "postgresql://")):
        return url
    raise SettingError(f"catalogue is sqlite, sqlite:///PATH or postgresql://…, not {url!r}")


def _used(connection: Connection, owner: str) -> int:
    total = select(func.coalesce(func.sum(FILES.c.file_size), 0)).where(FILES.c.owner == owner)
    return int(connection.execute(total).scalar_one())


def make_cursor(seq: int) -> str:
    """A place in the list. Opaque to clients, so that its meaning may change."""
    return base64.urlsafe_b64encode(b"%d" % seq).decode().rstrip("=")


def parse_cursor(text: str) -> int:
    """The inverse of :func:`make_cursor`.

    Raises:
        InvalidRequest: `make_cursor` never made this.
    """
    try:
        seq = int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:  # not ASCII, not base64, not a number
        seq = 0
    if not 0 < seq < 2**63 or make_cursor(seq) != text:
        raise InvalidRequest(errors=[MemberError("after", "is no cursor from an earlier page")])
    return seq
