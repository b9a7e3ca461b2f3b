"""Finalization beside the requests: carried out once asked for, retried until done, resumed after a crash.

`complete` waits a little for the result, because most files are done in an instant; a large one is answered
202 and the client polls, while a thread here goes on. What is to be done, and when, stands in the sessions
alone: any process may do it, and one that starts knows all that one that died has left (an outbox).
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field

from shared.errors import Refused, SessionNotFound, UploadError, UploadLost
from shared.lease import Leases
from shared.outbox import Outbox, describe
from shared.session import Session, State
from shared.uploads import Uploads, refused_or

log = logging.getLogger(__name__)

AHEAD = 8
"""Due sessions taken up in one look, for each thread: more only wait here for what others could begin."""

LOOKS = (0.05, 0.5)
"""Seconds between looks at a session that another process works on: at first, and at most."""

END = (Refused, SessionNotFound, UploadLost)
"""Outcomes, not failures: there is nothing to retry."""


@dataclass
class Finalizations:
    """Runs :meth:`Outbox.finalize` in a few threads, one run a session at a time.

    Attributes:
        patience: seconds that :meth:`run` waits for a result.
        threads: how many sessions are finalized at once.
    """

    uploads: Uploads
    patience: float
    threads: int = 4
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _running: dict[str, Future[Session]] = field(default_factory=dict, init=False)
    _pool: ThreadPoolExecutor = field(init=False)
    _outbox: Outbox = field(init=False)
    _leases: Leases = field(init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="finalize")
        self._outbox = Outbox(self.uploads)
        self._leases = Leases(self._outbox)

    def run(self, session_id: str) -> Session:
        """Finalize and return the session, or return it as it stands when it takes longer than patience.

        Raises:
            SessionNotFound; Refused; UploadLost: the outcome.
        """
        deadline = time.monotonic() + self.patience
        try:
            session = self._start(session_id).result(timeout=self.patience)
        except END:
            raise
        except NotYet:
            return refused_or(self.uploads.status(session_id))
        except Exception:  # noqa: BLE001
            log.debug("not finalized yet; logged and postponed where it happened")
            return refused_or(self.uploads.status(session_id))
        pause, longest = LOOKS
        while session.state is State.FINALIZING and time.monotonic() + pause < deadline:
            # Another process has the lease, or the next try is not due: somebody will bring it to its end.
            time.sleep(pause)
            pause = min(2 * pause, longest)
            session = refused_or(self.uploads.status(session_id))
        return session

    def recover(self) -> int:
        """Start what is due: a next try, or what a process that died has left. Returns how many."""
        now = self.uploads.clock()
        found = [
            session.session_id
            for session in self.uploads.sessions.in_state(State.FINALIZING, AHEAD * self.threads)
            if session.lease_until <= now
        ]
        for session_id in found:
            self._start(session_id)
        return len(found)

    def stop(self) -> None:
        """Take no new work. What runs may be cut off: its intent is stored."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, session_id: str) -> Future[Session]:
        with self._lock:
            running = self._running.get(session_id)
            if running is None:
                running = self._running[session_id] = self._pool.submit(self._carry_out, session_id)
            return running

    def _carry_out(self, session_id: str) -> Session:
        try:
            return self._outbox.finalize(session_id, self._leases.keep)
        except END:
            raise
        except Exception as error:
            foreseen = isinstance(error, UploadError)
            log.warning(
                "session %.6s… is not finalized yet: %s", session_id, describe(error), exc_info=not foreseen
            )
            raise
        finally:
            with self._lock:
                self._running.pop(session_id, None)
