"""Level 4: a service that knows no users wants a ticket from the application that does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeVar

from shared.uploader.errors import Interrupted, ServerRefused
from shared.uploader.http import Http

T = TypeVar("T")


class Tickets:
    """Gets a ticket when one is needed, keeps it, and gets another when it is refused.

    Args:
        address: where tickets are handed out; ``None``: this server wants none.
    """

    def __init__(self, http: Http, address: str | None) -> None:
        self._http = http
        self._address = address
        self._held: str | None = None

    def with_one(self, request: Callable[[Mapping[str, str]], T]) -> T:
        """Make ``request`` with the headers that carry the ticket, if any is wanted.

        Raises:
            ServerRefused, Interrupted: as :meth:`Http.ask`; 401 when a fresh ticket is refused as well.
        """
        if self._address is None:
            return request({})
        if self._held is not None:
            try:
                return request(_bearer(self._held))
            except ServerRefused as refusal:
                if refusal.status != HTTPStatus.UNAUTHORIZED:
                    raise
        self._held = self._fresh(self._address)
        return request(_bearer(self._held))

    def _fresh(self, address: str) -> str:
        ticket = self._http.ask("POST", address).body.get("ticket")
        if not isinstance(ticket, str):
            raise Interrupted("the application's answer lacks a ticket")
        return ticket


def _bearer(ticket: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ticket}"}
