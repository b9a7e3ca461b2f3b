"""Holding on to what this process is finalizing, for as long as that takes.

A lease is short, so that the work of a process that died is taken over within seconds; so it has to be
renewed while the work goes on. One thread does that for all of them. A process that is stopped, or cut off
from the session store, loses its leases, and finds so when it stores its result.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.errors import UploadError
from shared.outbox import Outbox
from shared.session import Session

log = logging.getLogger(__name__)

RENEWALS = 3
"""Renewals within the length of a lease: one may fail, or come late."""


@dataclass
class Leases:
    """The leases of one process. The thread that renews them lives while there are any."""

    outbox: Outbox
    _held: dict[str, Session] = field(default_factory=dict, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _renewing: bool = field(default=False, init=False)

    @contextmanager
    def keep(self, claimed: Session) -> Iterator[None]:
        """Within: the lease of ``claimed`` does not run out."""
        with self._changed:
            self._held[claimed.session_id] = claimed
            if not self._renewing:
                self._renewing = True
                threading.Thread(target=self._renew, name="leases", daemon=True).start()
        try:
            yield
        finally:
            with self._changed:
                del self._held[claimed.session_id]
                self._changed.notify()

    def _renew(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._held, self.outbox.uploads.lifetimes.lease / RENEWALS)
                if not self._held:
                    self._renewing = False
                    return
                held = list(self._held.values())
            for claimed in held:
                try:
                    self.outbox.renew(claimed)
                except UploadError:
                    log.warning("session %.6s…: its lease could not be renewed", claimed.session_id)
