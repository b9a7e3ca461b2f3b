"""What the other processes of a contract test do. A module of its own, so that they can import it.

Every function takes what a session store's URL and folder are, works until it is done or killed, and reports
through a pipe or by its exit code.
"""

from __future__ import annotations

from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Final

from shared.catalogue import Catalogue
from shared.session import Session, State
from shared.sessions import open_session_store

ROUNDS: Final = 10
"""How often processes race for the record of the same bytes."""

Target = tuple[str, Path]
"""What `open_session_store` takes."""


def open_at_once(target: Target, start: Barrier, session: Session) -> None:
    """Open a store that does not exist yet, and use it."""
    start.wait()
    store = open_session_store(*target)
    store.insert(session)
    assert store.get(session.session_id) == session
    store.close()


def climb(target: Target, session_id: str, start: Barrier, steps: int) -> None:
    """Commit ``steps`` chunks to a session that others commit to as well."""
    store = open_session_store(*target)
    start.wait()
    while steps:
        there = store.get(session_id)
        assert there is not None
        done = there.claimed().appended(there.chunk_size, there.expires_at)
        steps -= store.replace(there, done, f"{there.chunk_number}")
    store.close()


def commit_until_killed(target: Target, session_id: str, acknowledge: Connection) -> None:
    """Commit chunk after chunk, and tell of each after it was committed."""
    store = open_session_store(*target)
    while True:
        there = store.get(session_id)
        assert there is not None
        claimed = there.claimed()
        assert store.replace(there, claimed)
        done = claimed.appended(there.chunk_size, there.expires_at)
        assert store.replace(claimed, done, f"{there.chunk_number}")
        acknowledge.send(done.committed_offset)


def delete_until_killed(target: Target, acknowledge: Connection) -> None:
    """Delete refused sessions one by one, and tell of each."""
    store = open_session_store(*target)
    for session in store.in_state(State.REJECTED, 10_000):
        assert store.delete(session)
        acknowledge.send(session.session_id)


def record_same_bytes(url: str, start: Barrier, number: int, results: Connection) -> None:
    """Record uploads of the same bytes that others record in the same moment."""
    catalogue = Catalogue(url)
    for round_ in range(ROUNDS):
        session_id, fingerprint = f"{number}/{round_}", f"{round_:064}"
        start.wait()
        file, duplicate = catalogue.record(
            "ann", session_id, "a.bin", 3, "x/y", fingerprint, f"at {session_id}", 1.0
        )
        results.send((file.file_id, duplicate))
    catalogue.close()
