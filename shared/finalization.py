"""Finalization beside the requests: carried out once asked for, retried until done, resumed after a crash.

`complete` waits a little for the result, because most files are done in an instant; a large one is answered
202 and the client polls, while a thread here goes on.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field

from shared.errors import Refused, SessionNotFound, UploadLost
from shared.session import Session, State
from shared.uploads import Uploads, refused_or

log = logging.getLogger(__name__)

FIRST_RETRY, LONGEST_RETRY = 1.0, 60.0
RECOVERY_BATCH = 500
END = (Refused, SessionNotFound, UploadLost)
"""Outcomes, not failures: there is nothing to retry."""


@dataclass
class Finalizations:
    """Runs :meth:`Uploads.finalize` in a few threads, one run a session at a time.

    Attributes:
        patience: seconds that :meth:`run` waits for a result.
        threads: how many sessions are finalized at once.
    """

    uploads: Uploads
    patience: float
    threads: int = 4
    jitter: Callable[[], float] = random.random
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _running: dict[str, Future[Session]] = field(default_factory=dict, init=False)
    _failures: dict[str, int] = field(default_factory=dict, init=False)
    _pool: ThreadPoolExecutor = field(init=False)
    _stopped: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="finalize")

    def run(self, session_id: str) -> Session:
        """Finalize and return the session, or return it as it stands when it takes longer than patience.

        Raises:
            SessionNotFound; Refused; UploadLost: the outcome.
        """
        try:
            return self._start(session_id).result(timeout=self.patience)
        except END:
            raise
        except NotYet:
            pass
        except Exception:  # noqa: BLE001
            log.debug("not finalized yet; logged and scheduled for another try where it happened")
        return refused_or(self.uploads.status(session_id))

    def recover(self, *, leased: bool = False) -> int:
        """Start what a crash cut off; return how many.

        Args:
            leased: also sessions that another process may be working on. True at start-up: the process that
                held the lease is most likely the one that died, and working twice does no harm.
        """
        now = self.uploads.clock()
        found = [
            session.session_id
            for session in self.uploads.sessions.in_state(State.FINALIZING, RECOVERY_BATCH)
            if leased or session.lease_until <= now
        ]
        for session_id in found:
            self._start(session_id)
        return len(found)

    def stop(self) -> None:
        """Take no new work. What runs may be cut off: its intent is stored."""
        with self._lock:
            self._stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, session_id: str) -> Future[Session]:
        with self._lock:
            running = self._running.get(session_id)
            if running is None:
                running = self._running[session_id] = self._pool.submit(self._carry_out, session_id)
            return running

    def _carry_out(self, session_id: str) -> Session:
        try:
            session = self.uploads.finalize(session_id)
        except END:
            self._forget(session_id)
            raise
        except Exception:
            self._retry_later(session_id)
            raise
        self._forget(session_id)
        return session

    def _forget(self, session_id: str) -> None:
        with self._lock:
            self._running.pop(session_id, None)
            self._failures.pop(session_id, None)

    def _retry_later(self, session_id: str) -> None:
        with self._lock:
            self._running.pop(session_id, None)
            failures = self._failures[session_id] = self._failures.get(session_id, 0) + 1
            if self._stopped:
                return
        pause = min(LONGEST_RETRY, FIRST_RETRY * 3 ** min(failures - 1, 10)) * (0.5 + self.jitter())
        log.exception("finalization of session %.6s… failed; again in %.1f s", session_id, pause)
        timer = threading.Timer(pause, self._start_unless_stopped, [session_id])
        timer.daemon = True
        timer.start()

    def _start_unless_stopped(self, session_id: str) -> None:
        if not self._stopped:
            self._start(session_id)
