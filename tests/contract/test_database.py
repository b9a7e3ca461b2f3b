"""What both SQL stores stand on: one writer at a time, errors in our words, a clear refusal at the start."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, Text, insert, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

import shared.database
import shared.group_commit
import shared.sqlite
from shared.database import Conflict, Database, translated
from shared.errors import InsufficientStorage, StorageFailure, StorageUnavailable, UploadError
from shared.settings import SettingError
from tests.contract.steps import at_once

SCHEMA = MetaData()
NOTES = Table("notes", SCHEMA, Column("id", Integer, primary_key=True), Column("text", Text, unique=True))


def note(text: str) -> Callable[[Connection], Any]:
    return lambda connection: connection.execute(insert(NOTES), {"text": text})


def notes(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(NOTES.c.text).order_by(NOTES.c.id)).scalars())


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path}/notes.db", SCHEMA)) as opened:
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.sqlite, "PATIENCE", 0.1)
    monkeypatch.setattr(shared.group_commit, "PATIENCE", 0.1)


# --- at the start ---


def foreign_bytes(path: Path) -> None:
    path.write_bytes(b"\xff\xd8\xff\xe0 a holiday picture " * 100)


def foreign_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (somebody, elses)")
        connection.commit()


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "reason"),
    [(foreign_bytes, "not a database"), (foreign_table, "not ours"), (a_folder, "unable to open")],
)
def test_what_is_no_database_of_ours_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / "notes.db"
    make(path)
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(SettingError, match=reason) as caught:
        Database(f"sqlite:///{path}", SCHEMA)
    assert str(path) in str(caught.value)
    assert before is None or path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_a_setting_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingError, match="cannot be made"):
        Database(f"sqlite:///{tmp_path}/file/below/notes.db", SCHEMA)


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/one/two/notes.db", SCHEMA).close()
    assert (tmp_path / "one" / "two" / "notes.db").is_file()


def test_opening_twice_keeps_what_is_there(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with closing(Database(f"sqlite:///{tmp_path}/notes.db", SCHEMA)) as database:
            database.write(note(text))
            assert notes(database)[-1] == text
    assert notes(database) == ["first", "second"]
    database.close()


def test_a_write_waits_for_the_disk_only_if_it_is_a_promise(database: Database) -> None:
    def level(connection: Connection) -> Any:
        return connection.exec_driver_sql("PRAGMA synchronous").scalar_one()

    full, normal = 2, 1
    for _ in range(2):
        assert database.write(level) == full
        assert database.write(level, promise=False) == normal
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_a_group_with_one_promise_in_it_waits_for_the_disk(database: Database) -> None:
    levels: list[int] = []
    queued = database._writers._waiting

    def wait_for_company(_connection: Connection) -> None:
        while len(queued) < 2:
            time.sleep(0.001)

    def note_level(connection: Connection) -> None:
        levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    with ThreadPoolExecutor() as pool:
        pool.submit(database.write, wait_for_company)
        pool.submit(database.write, note_level, promise=False)
        pool.submit(database.write, note_level, promise=True)
    assert levels == [2, 2]


# --- transactions ---


def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    def half(connection: Connection) -> None:
        note("half")(connection)
        raise KeyError("changed my mind")

    with pytest.raises(KeyError, match="changed my mind"):
        database.write(half)
    assert notes(database) == []
    database.write(note("whole"))
    assert notes(database) == ["whole"]


def test_a_conflict_is_the_business_of_the_one_who_caused_it(database: Database) -> None:
    database.write(note("taken"))

    def write(number: int) -> str:
        try:
            database.write(note("taken" if number % 2 else f"mine {number}"))
        except Conflict:
            return "conflict"
        return "written"

    assert at_once(write, 16) == ["written", "conflict"] * 8
    assert sorted(notes(database)) == sorted(["taken", *(f"mine {n}" for n in range(0, 16, 2))])


def test_many_writers_and_readers_share_few_connections(database: Database) -> None:
    def work(number: int) -> None:
        for step in range(5):
            database.write(note(f"{number}.{step}"), promise=bool(step % 2))
            assert f"{number}.{step}" in notes(database)

    at_once(work, 3 * shared.database.CONNECTIONS)
    assert len(notes(database)) == 5 * 3 * shared.database.CONNECTIONS


# --- errors ---


def test_opening_waits_for_another_who_is_just_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself does not: the switch to WAL is refused at once while somebody writes the old way."""
    path = tmp_path / "notes.db"
    switch = shared.sqlite.switch_to_wal
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        end = threading.Timer(0.2, other.execute, ["COMMIT"])

        def switch_while_another_writes(engine: Engine) -> None:
            other.execute("BEGIN IMMEDIATE")
            end.start()
            switch(engine)

        monkeypatch.setattr(shared.sqlite, "switch_to_wal", switch_while_another_writes)
        with closing(Database(f"sqlite:///{path}", SCHEMA)) as database, database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        end.join()


@pytest.mark.usefixtures("impatient")
def test_a_locked_database_is_unavailable_until_the_lock_goes(tmp_path: Path) -> None:
    with (
        closing(Database(f"sqlite:///{tmp_path}/notes.db", SCHEMA)) as database,
        closing(sqlite3.connect(tmp_path / "notes.db", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable) as caught:
            database.write(note("not now"))
        assert caught.value.retry_after == 1
        assert notes(database) == []  # reading goes on meanwhile
        other.execute("ROLLBACK")
        database.write(note("now"))
        assert notes(database) == ["now"]


def fill(database: Database) -> list[str]:
    """Write until it does not fit any more."""
    kept: list[str] = []
    while len(kept) < 10_000:
        text = f"{len(kept)} {'x' * 500}"
        database.write(note(text))
        kept.append(text)
    return kept


def test_a_full_database_says_so_and_loses_nothing(database: Database) -> None:
    def allow(pages: int) -> None:
        database.write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages}"))

    database.write(note("kept"))
    allow(database.write(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one()) + 4)
    with pytest.raises(InsufficientStorage):
        fill(database)
    written = notes(database)
    assert written[0] == "kept"
    assert len(written) > 4
    allow(100_000)
    database.write(note("room again"))
    assert notes(database) == [*written, "room again"]


def sqlite_error(name: str) -> OperationalError:
    error = sqlite3.OperationalError("as the driver says it")
    error.sqlite_errorname = name
    return OperationalError("UPDATE", {}, error)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (sqlite_error("SQLITE_FULL"), InsufficientStorage),
        (sqlite_error("SQLITE_IOERR_SHMSIZE"), InsufficientStorage),
        (sqlite_error("SQLITE_IOERR_FSYNC"), StorageFailure),
        (sqlite_error("SQLITE_BUSY"), StorageUnavailable),
        (sqlite_error("SQLITE_CANTOPEN"), StorageUnavailable),
        (OperationalError("SELECT", {}, Exception("server closed the connection")), StorageUnavailable),
        (InterfaceError("SELECT", {}, Exception("the cursor is closed")), StorageFailure),
        (PoolTimeout("QueuePool limit reached"), StorageUnavailable),
    ],
)
def test_errors_in_our_words(raised: Exception, expected: type[UploadError]) -> None:
    def fail() -> None:
        with translated():
            raise raised

    with pytest.raises(expected) as caught:
        fail()
    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised
    assert "SELECT" not in caught.value.detail
    assert "UPDATE" not in caught.value.detail
    if expected is StorageUnavailable:
        assert caught.value.retry_after == 1
