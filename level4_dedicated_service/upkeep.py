"""What the application does beside answering: downstream work, and tidying up after copies cut off."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from level4_dedicated_service.downstream import Downstream
from level4_dedicated_service.inbox import Inbox
from level4_dedicated_service.own_copy import OwnCopies
from shared.catalogue import Catalogue

log = logging.getLogger(__name__)

REMEMBERED: Final = 30 * 24 * 3600.0
"""Seconds for which the answer to a delivery is kept: longer than any service repeats it."""


@dataclass
class Upkeep:
    """The background of one application process; what :mod:`shared.server` starts and stops.

    Attributes:
        interval: seconds between sweeps.
        oldest: seconds after which a copy that is no file is nobody's.
        clock: seconds since the epoch.
    """

    downstream: Downstream
    copies: OwnCopies
    inbox: Inbox
    catalogue: Catalogue
    interval: float
    oldest: float
    clock: Callable[[], float]
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)

    def start(self) -> None:
        """Begin, in threads of its own."""
        self.downstream.start()
        threading.Thread(target=self._run, name="upkeep", daemon=True).start()

    def stop(self) -> None:
        """The process is about to leave."""
        self._stopping.set()
        self.downstream.stop()
        self.inbox.close()
        self.catalogue.close()

    def sweep(self) -> int:
        """Remove what copies left behind, and forget old deliveries; returns how many strays there were."""
        now = self.clock()
        self.inbox.forget(now - REMEMBERED)
        return self.copies.sweep(now - self.oldest, self.catalogue.owns)

    def _run(self) -> None:
        while True:
            try:
                self.sweep()
            except Exception:
                if not self._stopping.is_set():
                    log.exception("sweep failed; again at the next turn")
            if self._stopping.wait(self.interval):
                return
