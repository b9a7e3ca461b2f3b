"""The session stores: one contract over all, and what only stores that outlive a process can promise.

A new kind of store is a new row in :data:`tests.services.STORES`.
"""

from __future__ import annotations

import multiprocessing
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import pytest

from shared.database import Database
from shared.errors import UploadError
from shared.measured import MeasuredSessions
from shared.metrics import Metrics
from shared.ports import SessionStore
from shared.sessions import open_session_store
from shared.settings import SettingError
from tests.contract import rivals
from tests.contract.session_store_contract import SessionStoreContract
from tests.contract.steps import append, appended
from tests.services import STORES
from tests.sessions_made import CHUNK, a_session

DURABLE: Final = ["sqlite", "postgresql", "redis"]

PROCESSES: Final = 4

# Processes of their own, which inherit no connection; what they import, they import once for all.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.contract.rivals"])


class TestEveryStore(SessionStoreContract):
    """All of them, the whole suite."""


class TestMeasuredSessions(SessionStoreContract):
    """The stop-watch changes nothing."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> SessionStore:
        return MeasuredSessions(open_session_store("memory://", tmp_path), Metrics())


# --- stores that outlive their process ---


@pytest.fixture(params=DURABLE)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> rivals.Target:
    return STORES[request.param](tmp_path), tmp_path


@pytest.fixture
def opened(target: rivals.Target) -> Iterator[Callable[[], SessionStore]]:
    """Opens the same store again and again."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(open_session_store(*target)))


def run_at_once(function: Callable[..., None], *arguments: Any, each: list[Any]) -> None:
    """One process for every value of ``each``, which comes last in its arguments; all must end well."""
    start = processes.Barrier(len(each))
    racing = [processes.Process(target=function, args=(*arguments, start, value)) for value in each]
    for rival in racing:
        rival.start()
    for rival in racing:
        rival.join(60)
    assert [rival.exitcode for rival in racing] == [0] * len(each)


def kill_after(seconds: float, function: Callable[..., None], *arguments: Any) -> list[Any]:
    """SIGKILL a process ``seconds`` after its first acknowledgement; return all that it acknowledged."""
    ours, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=function, args=(*arguments, theirs))
    process.start()
    theirs.close()
    acknowledged = [ours.recv()]
    time.sleep(seconds)
    process.kill()
    process.join()
    try:
        while ours.poll():
            acknowledged.append(ours.recv())
    except EOFError:
        pass
    ours.close()
    return acknowledged


def test_durable_says_whether_sessions_outlive_the_process(tmp_path: Path) -> None:
    for name, url in STORES.items():
        with closing(open_session_store(url(tmp_path), tmp_path)) as store:
            assert store.durable == (name != "memory")


def test_a_session_is_there_after_a_restart(opened: Callable[[], SessionStore]) -> None:
    first = opened()
    session = a_session()
    first.insert(session)
    session = append(first, session, "r1")
    first.close()
    second = opened()
    assert second.get(session.session_id) == session
    assert list(second.receipts(session.session_id)) == ["r1"]
    append(second, session, "r2")


def test_what_one_server_commits_the_other_sees_at_once(opened: Callable[[], SessionStore]) -> None:
    one, other = opened(), opened()
    session = a_session()
    one.insert(session)
    for number in range(6):
        writer, reader = (one, other) if number % 2 else (other, one)
        session = append(writer, session, f"{number}")
        assert reader.get(session.session_id) == session
        assert len(reader.receipts(session.session_id)) == number + 1
    assert not other.replace(appended(session), session)
    assert other.delete(session)
    assert one.get(session.session_id) is None


def test_several_processes_make_the_store_at_once(target: rivals.Target) -> None:
    sessions = [a_session() for _ in range(PROCESSES)]
    run_at_once(rivals.open_at_once, target, each=sessions)
    with closing(open_session_store(*target)) as store:
        assert all(store.get(session.session_id) == session for session in sessions)


def test_processes_that_race_for_one_session_lose_no_update(
    target: rivals.Target, opened: Callable[[], SessionStore]
) -> None:
    store, session, steps = opened(), a_session(), 20
    store.insert(session)
    run_at_once(rivals.climb, target, session.session_id, each=[steps] * PROCESSES)
    there = store.get(session.session_id)
    assert there is not None
    assert there.committed_offset == PROCESSES * steps * CHUNK
    assert there.writer_epoch == PROCESSES * steps
    assert list(store.receipts(session.session_id)) == [str(n + 1) for n in range(PROCESSES * steps)]


@pytest.mark.parametrize("seconds", [0.0, 0.013, 0.05, 0.11])
def test_a_killed_writer_leaves_what_it_acknowledged_and_no_half_commit(
    target: rivals.Target, opened: Callable[[], SessionStore], seconds: float
) -> None:
    store, session = opened(), a_session(declared_size=10**9)
    store.insert(session)
    acknowledged = kill_after(seconds, rivals.commit_until_killed, target, session.session_id)
    there = store.get(session.session_id)
    assert there is not None
    assert there.committed_offset in (acknowledged[-1], acknowledged[-1] + CHUNK)
    chunks = there.committed_offset // CHUNK
    assert list(store.receipts(session.session_id)) == [str(n + 1) for n in range(chunks)]
    append(store, there, "the next writer goes on")


def test_a_killed_deletion_leaves_no_receipts_without_their_session(
    target: rivals.Target, opened: Callable[[], SessionStore]
) -> None:
    store, sessions = opened(), []
    for _ in range(150):
        session = a_session()
        store.insert(session)
        session = append(store, append(store, session, "1"), "2")
        done = appended(session).finalizing("", 0.0).rejected("x", "y", expires_at=1.0)
        assert store.replace(session, done)
        sessions.append(done)
    acknowledged = kill_after(0.01, rivals.delete_until_killed, target)
    for session in sessions:
        there = store.get(session.session_id)
        assert len(store.receipts(session.session_id)) == (0 if there is None else 2)
        assert there is None or session.session_id not in acknowledged


# --- choosing ---


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql:/x",
        "redis:x",
        "memory",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "mysql://db/x",
        "somewhere/x.db",
    ],
)
def test_a_url_that_names_no_store_is_a_setting_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="sqlite:///"):
        open_session_store(url, tmp_path)


def test_sqlite_alone_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    with closing(open_session_store("sqlite", tmp_path / "data")):
        assert (tmp_path / "data" / "sessions.sqlite3").is_file()


# --- SQLite from the inside ---


def raw(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "sessions.sqlite3")


def test_a_receipt_that_cannot_be_kept_takes_the_commit_back(tmp_path: Path) -> None:
    """One transaction: a session must never be ahead of its receipts."""
    with closing(open_session_store("sqlite", tmp_path)) as store, closing(raw(tmp_path)) as database:
        session = a_session()
        store.insert(session)
        database.execute("CREATE TRIGGER t BEFORE INSERT ON receipts BEGIN SELECT RAISE(ABORT, 'no'); END")
        with pytest.raises(UploadError):
            store.replace(session, appended(session), "r")
        assert store.get(session.session_id) == session
        database.execute("DROP TRIGGER t")
        append(store, session, "r")


def test_receipts_that_cannot_be_removed_keep_the_session(tmp_path: Path) -> None:
    with closing(open_session_store("sqlite", tmp_path)) as store, closing(raw(tmp_path)) as database:
        session = a_session()
        store.insert(session)
        session = append(store, session, "r")
        database.execute("CREATE TRIGGER t BEFORE DELETE ON receipts BEGIN SELECT RAISE(ABORT, 'no'); END")
        with pytest.raises(UploadError):
            store.delete(session)
        assert store.get(session.session_id) == session


def test_only_a_claim_need_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that a client is told of is synced first."""
    promises: list[bool] = []
    write = Database.write

    def watched(self: Database, operation: Any, *, promise: bool = True) -> Any:
        promises.append(promise)
        return write(self, operation, promise=promise)

    with closing(open_session_store("sqlite", tmp_path)) as store:
        monkeypatch.setattr(Database, "write", watched)
        session = a_session(declared_size=CHUNK)
        store.insert(session)
        claimed = session.claimed()
        committed = appended(claimed)
        intent = committed.finalizing("", lease_until=0.0)
        finalizer = intent.claimed(lease_until=60.0)
        done = finalizer.rejected("content-rejected", "no", expires_at=9.0)
        history = [session, claimed, committed, intent, finalizer, done]
        assert all(map(store.replace, history, history[1:]))
        assert store.delete(done)
    assert promises == [True, False, True, True, False, True, True]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM sessions WHERE session_id = 'x'", "sqlite_autoindex_sessions_1"),
        ("SELECT * FROM tallies WHERE scope IN ('all', 'owner x')", "sqlite_autoindex_tallies_1"),
        ("SELECT * FROM sessions WHERE state = 'x' ORDER BY lease_until LIMIT 5", "sessions_by_lease"),
        (
            "SELECT * FROM sessions WHERE state = 'x' AND expires_at <= 5 ORDER BY expires_at LIMIT 5",
            "sessions_by_expiry",
        ),
    ],
)
def test_every_question_is_answered_from_an_index(tmp_path: Path, query: str, index: str) -> None:
    with closing(open_session_store("sqlite", tmp_path)), closing(raw(tmp_path)) as database:
        plan = " ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {query}"))
    assert index in plan
    assert "B-TREE" not in plan, "sorted instead of read in order"
