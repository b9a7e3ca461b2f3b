"""Tickets for servers that want them: got where the server says, shared by all cases while they last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tests.conformance.messages import Answer

LEAST: Final = 0.5
"""Seconds that a ticket must still be good for to be sent along."""


@dataclass
class TicketPocket:
    """The ticket in use. One for all cases of a run: a server may count what it hands out."""

    text: str = ""
    good_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def header(self, ask: Callable[[], Answer]) -> dict[str, str]:
        """What to send along: nothing where no ticket is to be had, which is for other cases to judge.

        Args:
            ask: asks for a new ticket.
        """
        with self.lock:
            if time.time() > self.good_until - LEAST:
                answer = ask()
                self.text, self.good_until = ticket_of(answer), expiry_of(answer)
            return {"Authorization": f"Bearer {self.text}"} if self.text else {}

    def forget(self, sent: Mapping[str, str]) -> None:
        """This one was refused."""
        with self.lock:
            if sent.get("Authorization") == f"Bearer {self.text}":
                self.good_until = 0.0


class NoTickets(TicketPocket):
    """For requests that must go without one."""

    def header(self, ask: Callable[[], Answer]) -> dict[str, str]:
        """Nothing."""
        return {}


NO_TICKETS: Final = NoTickets()


def ticket_of(answer: Answer) -> str:
    """The ticket in an answer, or nothing."""
    text = answer.json.get("ticket")
    return text if answer.status == 201 and isinstance(text, str) and text.isascii() else ""


def expiry_of(answer: Answer) -> float:
    """When the ticket in an answer expires, in seconds since the epoch; 0 where it does not say so."""
    try:
        return datetime.fromisoformat(str(answer.json.get("expiresAt"))).timestamp()
    except ValueError:
        return 0.0
