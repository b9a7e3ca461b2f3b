"""What a server does beside answering: resume what a crash cut off, sweep, and tidy up when it stops."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from shared.expiry import abort_unfinished, sweep
from shared.finalization import Finalizations
from shared.uploads import Uploads

log = logging.getLogger(__name__)

BACKGROUND: Final = "upload-levels.background"
"""Where an application keeps its background (``app.extensions``), for the server to start and stop."""

LOOK_INTERVAL: Final = 1.0
"""Seconds between looks for finalizations that are due: a next try, or one whose process died. A look reads
the beginning of an index."""

PAUSE_AFTER_FAILURE: Final = 15.0
"""Seconds, so that a database that is away does not fill the log."""


@dataclass
class Background:
    """The timer of one server process.

    Attributes:
        sweep_interval: seconds between sweeps (article: every 30 minutes).
        on_shutdown: ``keep``, ``abort``, or ``auto``: abort what nobody could resume.
    """

    uploads: Uploads
    finalizations: Finalizations
    sweep_interval: float
    on_shutdown: str = "auto"
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)

    def start(self) -> None:
        """Carry on with interrupted finalizations, then keep sweeping until :meth:`stop`."""
        threading.Thread(target=self._run, name="background", daemon=True).start()

    def stop(self) -> None:
        """The process is about to leave; no request is running any more."""
        self._stopping.set()
        self.finalizations.stop()
        resumable = self.uploads.sessions.durable
        if self.on_shutdown == "abort" or (self.on_shutdown == "auto" and not resumable):
            abort_unfinished(self.uploads)
        self.uploads.sessions.close()

    def _run(self) -> None:
        next_sweep = time.monotonic()
        while True:
            looked = self._attempt("recovery", self.finalizations.recover)
            if time.monotonic() >= next_sweep:
                self._attempt("sweep", lambda: sweep(self.uploads))
                next_sweep = time.monotonic() + self.sweep_interval
            pause = LOOK_INTERVAL if looked else PAUSE_AFTER_FAILURE
            if self._stopping.wait(min(pause, self.sweep_interval)):
                return

    def _attempt(self, what: str, job: Callable[[], object]) -> bool:
        try:
            result = job()
        except Exception:
            # A store that is away now may be back at the next turn; a dead timer would never notice.
            if not self._stopping.is_set():
                log.exception("%s failed; again at the next turn", what)
            return False
        log.debug("%s: %s", what, result)
        return True
