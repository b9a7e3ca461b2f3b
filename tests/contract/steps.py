"""What a caller does to a session store, in steps that several suites take."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

from shared.ports import SessionStore
from shared.session import Session
from tests.sessions_made import CHUNK

THREADS = 8

with_one_store = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""Examples share the fixture's store: every session has an id of its own."""


def at_once(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Run ``work(0)`` … ``work(threads - 1)`` at the same moment; return the answers in order."""
    answers: list[Any] = [None] * threads
    start = threading.Barrier(threads)

    def run(number: int) -> None:
        start.wait()
        answers[number] = work(number)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return answers


def appended(session: Session, length: int = CHUNK) -> Session:
    return session.appended(length, session.expires_at + 1)


def append(store: SessionStore, session: Session, receipt: str) -> Session:
    """Claim and commit one chunk, as the core does."""
    claimed = session.claimed()
    assert store.replace(session, claimed)
    done = appended(claimed)
    assert store.replace(claimed, done, receipt)
    return done
