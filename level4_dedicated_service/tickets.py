"""Tickets: the application says who may upload how much; the service believes the signature and asks nobody.

The service knows no users, and the application is not called while chunks move. So what the service has to
know about the owner travels with the request, signed by the application (itsdangerous) and short-lived. A
ticket opens an upload and asks about duplicates; everything after that is allowed by the session id alone.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flask import request
from itsdangerous import BadData, URLSafeTimedSerializer

from level4_dedicated_service.keys import Keys, oldest_first
from shared.admission import Admission
from shared.errors import Unauthorized

LONGEST_LIFE: Final = 24 * 3600
"""Seconds. Whatever a ticket says of itself, the service takes none that is older."""

LONGEST: Final = 2048
"""Characters that are looked at."""


@dataclass(frozen=True)
class IssuedTicket:
    """A ticket as the application hands it out; ``expires_at`` is seconds since the epoch."""

    text: str
    expires_at: float


class Tickets:
    """Issues tickets and verifies them.

    Args:
        keys: the newest signs, all verify.
        lifetime: seconds for which a new ticket is valid.
        clock: seconds since the epoch.
    """

    def __init__(self, keys: Keys, lifetime: float, clock: Callable[[], float] = time.time) -> None:
        self._lifetime = lifetime
        self._clock = clock
        # The default of the library, SHA-1 in a construction of its own, is kept for old cookies' sake.
        self._serializer = URLSafeTimedSerializer(
            list(oldest_first(keys)),
            salt=b"upload-levels ticket v1",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def issue(self, admission: Admission) -> IssuedTicket:
        """A ticket for one owner, from now on."""
        # Rounded up to what the wire shows: a client that believes `expiresAt` is never too late.
        expires_at = math.ceil(self._clock() + self._lifetime)
        body = [admission.owner, admission.largest, admission.quota, expires_at]
        return IssuedTicket(str(self._serializer.dumps(body)), expires_at)

    def verify(self, text: str) -> Admission:
        """What the ticket admits.

        Raises:
            Unauthorized: forged, expired, or no ticket of ours. Which one is not said: it helps nobody else.
        """
        try:
            if len(text) > LONGEST:
                raise Unauthorized
            owner, largest, quota, expires_at = self._serializer.loads(text, max_age=LONGEST_LIFE)
        except (BadData, ValueError, TypeError) as error:
            raise Unauthorized("The ticket is not valid, or not any more; ask for a new one.") from error
        if self._clock() >= expires_at:
            raise Unauthorized("The ticket is not valid, or not any more; ask for a new one.")
        return Admission(owner, largest, quota)

    def of_request(self) -> Admission:
        """What the request's ``Authorization: Bearer …`` admits.

        Raises:
            Unauthorized: there is none, or it is not valid.
        """
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise Unauthorized("This needs a ticket: Authorization: Bearer, from the address `links.ticket`.")
        return self.verify(text.strip())
