"""Finalization as an outbox: what is due stands in the sessions; one process at a time works on it; failures
are remembered over restarts; after a day an operator is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest

from level2_disk_chunks.disk_store import DiskStore
from shared.backoff import Backoff
from shared.errors import FinalizationStalled, StorageUnavailable
from shared.files import FileRecord
from shared.finalization import Finalizations
from shared.lease import Leases
from shared.limits import TINY
from shared.outbox import Outbox, send_again
from shared.ports import Accepted, Rejected, SessionStore, StagedObject
from shared.session import NEVER, Session, State
from shared.sessions.memory import MemorySessionStore
from shared.sessions.sql import SqlSessionStore
from shared.uploads import Lifetimes, NewUpload, Uploads
from shared.wire import session_json

DAY: Final = 24 * 3600.0
FILE: Final = FileRecord("id", "a.bin", 0, "x/y", "0" * 64, 1.0)
LEASE: Final = 0.4


@dataclass
class Application:
    """A finalizer that does what it is told, and counts."""

    behaviour: Callable[[], None] = lambda: None
    calls: int = 0
    at_once: int = 0
    most_at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def finalize(self, session: Session, staged: StagedObject) -> Accepted | Rejected:
        with self._lock:
            self.calls += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.behaviour()
        finally:
            with self._lock:
                self.at_once -= 1
        return Accepted(FILE, duplicate=False, adopted=True)

    def owns(self, location: str) -> bool:
        return True


def away() -> None:
    raise StorageUnavailable("the application is away")


@dataclass
class World:
    """One folder; every call of :meth:`process` is another process on it."""

    folder: Path
    application: Application
    now: float = 1000.0
    sessions: list[SessionStore] = field(default_factory=list)

    def process(self, clock: Callable[[], float] | None = None, **lifetimes: object) -> Uploads:
        sessions = SqlSessionStore(f"sqlite:///{self.folder}/sessions.sqlite3")
        self.sessions.append(sessions)
        return Uploads(
            sessions,
            DiskStore(self.folder),
            self.application,
            TINY,
            Lifetimes(DAY, **lifetimes),  # type: ignore[arg-type]
            clock or (lambda: self.now),
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, Application())
    yield made
    for sessions in made.sessions:
        sessions.close()


def intent(uploads: Uploads) -> str:
    """An upload of nothing, asked to complete."""
    session_id = uploads.init(NewUpload("a.bin", 0)).session_id
    assert uploads.complete(session_id).state is State.FINALIZING
    return session_id


def test_the_intent_says_since_when(world: World) -> None:
    uploads = world.process()
    assert uploads.status(intent(uploads)).finalizing_since == world.now


def test_a_session_that_another_process_works_on_is_left_alone(world: World) -> None:
    first, second = world.process(), world.process()
    session_id = intent(first)

    def meanwhile() -> None:
        assert Outbox(second).finalize(session_id).state is State.FINALIZING

    world.application.behaviour = meanwhile
    assert Outbox(first).finalize(session_id).state is State.COMPLETED
    assert world.application.calls == 1
    assert Outbox(second).finalize(session_id).file == FILE


def test_the_lease_of_a_process_that_died_runs_out(world: World) -> None:
    def die() -> None:
        raise SystemExit

    world.application.behaviour = die
    first, second = world.process(lease=10.0), world.process(lease=10.0)
    session_id = intent(first)
    with pytest.raises(SystemExit):
        Outbox(first).finalize(session_id)
    world.application.behaviour = lambda: None
    world.now += 9.9
    assert Outbox(second).finalize(session_id).state is State.FINALIZING
    world.now += 0.2
    assert Outbox(second).finalize(session_id).state is State.COMPLETED


def test_a_lease_is_renewed_for_as_long_as_the_work_takes(world: World) -> None:
    """Two processes look for work all the time; the one that has it takes four leases' time."""
    world.application.behaviour = lambda: time.sleep(4 * LEASE)
    processes = [Finalizations(world.process(time.time, lease=LEASE), patience=60.0) for _ in range(2)]
    session_id = intent(processes[0].uploads)
    waiting = threading.Thread(target=lambda: processes[0].run(session_id))
    waiting.start()
    while waiting.is_alive():
        for process in processes:
            process.recover()
        time.sleep(0.01)
    assert processes[1].run(session_id).state is State.COMPLETED
    assert (world.application.calls, world.application.most_at_once) == (1, 1)
    for process in processes:
        process.stop()


def test_whoever_has_not_the_lease_waits_for_whoever_has(world: World) -> None:
    first, second = (Finalizations(world.process(time.time), patience=60.0) for _ in range(2))
    begun, go_on = threading.Event(), threading.Event()

    def take_long() -> None:
        begun.set()
        assert go_on.wait(60)

    world.application.behaviour = take_long
    session_id = intent(first.uploads)
    running = threading.Thread(target=lambda: first.run(session_id))
    running.start()
    assert begun.wait(60)
    impatient = replace(second, patience=0.2)
    assert impatient.run(session_id).state is State.FINALIZING
    threading.Timer(0.2, go_on.set).start()
    assert second.run(session_id).state is State.COMPLETED
    running.join()
    assert world.application.calls == 1


def test_the_thread_that_renews_ends_with_the_work(world: World) -> None:
    leases = Leases(Outbox(world.process(time.time, lease=LEASE)))
    with leases.keep(world.process().status(intent(leases.outbox.uploads))):
        assert any(thread.name == "leases" for thread in threading.enumerate())
    deadline = time.monotonic() + 30
    while any(thread.name == "leases" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_failure_is_remembered_over_restarts(world: World) -> None:
    world.application.behaviour = away
    uploads = world.process()
    session_id = intent(uploads)
    pauses = []
    for attempts in (1, 2, 3):
        with pytest.raises(StorageUnavailable):
            Outbox(uploads).finalize(session_id)
        session = uploads.status(session_id)
        assert (session.attempts, session.last_error) == (attempts, "the application is away")
        pauses.append(session.lease_until - world.now)
        assert Outbox(uploads).finalize(session_id).state is State.FINALIZING, (
            "not due yet, so nothing happens"
        )
        assert world.application.calls == attempts
        world.now = session.lease_until
        uploads = world.process()
    for least, pause in zip((1.0, 2.0, 4.0), pauses, strict=True):
        assert least <= pause <= 1.5 * least
    world.application.behaviour = lambda: None
    assert Outbox(uploads).finalize(session_id).state is State.COMPLETED


def test_the_application_may_ask_for_a_longer_pause(world: World) -> None:
    def later() -> None:
        raise StorageUnavailable(retry_after=700)

    world.application.behaviour = later
    uploads = world.process()
    with pytest.raises(StorageUnavailable):
        Outbox(uploads).finalize(session_id := intent(uploads))
    assert uploads.status(session_id).lease_until == world.now + 700


def test_a_late_renewal_does_not_take_a_failure_back(world: World) -> None:
    uploads = world.process()
    session_id = intent(uploads)
    claims = []

    def note_and_fail() -> None:
        claims.append(uploads.status(session_id))
        away()

    world.application.behaviour = note_and_fail
    with pytest.raises(StorageUnavailable):
        Outbox(uploads).finalize(session_id)
    failed = uploads.status(session_id)
    Outbox(uploads).renew(claims[0])
    assert uploads.status(session_id) == failed


def test_only_what_is_due_is_started(world: World) -> None:
    world.application.behaviour = away
    running = Finalizations(world.process(), patience=60.0)
    assert running.run(session_id := intent(running.uploads)).state is State.FINALIZING
    assert running.recover() == 0
    world.application.behaviour = lambda: None
    world.now += 2
    assert running.recover() == 1
    assert running.run(session_id).state is State.COMPLETED
    assert running.recover() == 0


@pytest.mark.parametrize("sessions", ["memory", "sql"])
def test_after_a_day_the_session_waits_for_an_operator(world: World, sessions: str) -> None:
    world.application.behaviour = away
    uploads = world.process(backoff=Backoff(chance=lambda: 0.0))
    if sessions == "memory":
        uploads = replace(uploads, sessions=MemorySessionStore())
    began, session_id = world.now, intent(uploads)
    while not (session := uploads.status(session_id)).is_stalled:
        world.now = max(world.now, session.lease_until)
        with pytest.raises(StorageUnavailable):
            Outbox(uploads).finalize(session_id)
    assert DAY <= world.now - began < DAY + 3600
    assert world.application.calls == session.attempts < 120
    assert session_json(session)["state"] == "finalizing"
    assert session_json(session)["problem"]["code"] == "finalization-stalled"
    world.now += 30 * DAY  # nobody tries, nothing expires
    assert Outbox(uploads).finalize(session_id) == session
    with pytest.raises(FinalizationStalled):
        uploads.complete(session_id)

    world.application.behaviour = lambda: None
    assert send_again(uploads.sessions, session)
    assert not send_again(uploads.sessions, session), "it has changed"
    again = uploads.status(session_id)
    assert (again.attempts, again.last_error) == (0, "the application is away")
    assert Outbox(uploads).finalize(session_id).state is State.COMPLETED
    assert not send_again(uploads.sessions, uploads.status(session_id))


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_the_pauses_grow_to_a_bound_and_fill_the_time(chance: float) -> None:
    backoff = Backoff(chance=lambda: chance)
    pauses: list[float] = []
    while (pause := backoff.pause(len(pauses) + 1)) is not None:
        pauses.append(pause)
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (1 + chance / 2, 900 * (1 + chance / 2))
    assert sum(pauses) >= DAY
    assert backoff.pause(1000) is None


def test_a_moment_that_never_comes_can_be_stored(world: World) -> None:
    uploads = world.process()
    session = uploads.status(intent(uploads))
    assert uploads.sessions.replace(session, replace(session, lease_until=NEVER))
    assert uploads.status(session.session_id).is_stalled
