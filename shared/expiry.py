"""The sweep: what nobody finished and what a crash left behind goes away after its lifetime.

The article's timer ("Invariants": sessions expire; cleanup runs every 30 minutes). The clock is the
uploads' own, so tests can move it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from shared.errors import UploadError
from shared.session import State
from shared.uploads import Uploads

log = logging.getLogger(__name__)

BATCH = 500
"""Sessions fetched at once: the sweep's memory does not grow with the number of sessions."""


@dataclass(frozen=True)
class Swept:
    """What one sweep removed."""

    sessions: int = 0
    strays: int = 0


def sweep(uploads: Uploads) -> Swept:
    """Remove expired sessions with their bytes, then stored bytes that belong to nobody.

    Killed half-way it has done half the work and the next sweep does the rest: a session's record goes
    before its bytes, and bytes without a record are what the second half looks for.
    """
    return Swept(sessions=expire_sessions(uploads), strays=remove_strays(uploads))


def expire_sessions(uploads: Uploads) -> int:
    """Remove every session whose lifetime is over; return how many."""
    removed = 0
    while True:
        now = uploads.clock()
        batch = uploads.sessions.expired(now, BATCH)
        gone = sum(uploads.remove(session) for session in batch)
        removed += gone
        # A session that changed under our hands (a chunk was committed) is not ours to remove any more. No
        # progress means that only such sessions are left; stopping here beats looping until they settle.
        if len(batch) < BATCH or gone == 0:
            return removed


def remove_strays(uploads: Uploads) -> int:
    """Remove stored bytes older than the lifetime that no session and no file knows; return how many.

    Age is counted from the last write, so an init that has stored its bytes' place and not yet its session
    is never mistaken for an orphan.
    """
    removed = 0
    for stray in uploads.store.strays(before=uploads.clock() - uploads.lifetimes.session_ttl):
        if uploads.sessions.get(stray.session_id) is not None:
            continue
        if stray.location and uploads.finalizer.owns(stray.location):
            continue
        try:
            if stray.location:
                uploads.store.discard(stray.location)
            else:
                uploads.store.abort(stray.session_id, stray.storage)
        except UploadError:
            # One that cannot be removed must not protect all that are listed behind it.
            log.exception("stray %.6s… could not be removed; again at the next sweep", stray.session_id)
        else:
            removed += 1
    return removed


def abort_unfinished(uploads: Uploads) -> int:
    """At shutdown: abort every unfinished upload (article, "Graceful shutdown aborts active uploads").

    Right for sessions that die with the process; sessions in a durable store are resumed by the next start
    or by another server, so there this would only destroy what people have already sent.
    """
    aborted = 0
    while batch := uploads.sessions.in_state(State.UPLOADING, BATCH):
        gone = 0
        for session in batch:
            try:
                gone += uploads.remove(session)
            except UploadError:
                log.exception("session %.6s… could not be aborted", session.session_id)
        aborted += gone
        if gone == 0:
            break
    return aborted
