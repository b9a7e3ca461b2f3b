"""How much unfinished business a server takes on: the bounds that one more session must keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.errors import InsufficientStorage, TooManySessions

PAUSE: Final = 60.0
"""Seconds until a refused client should ask again: room comes when an upload ends, not at once."""


@dataclass(frozen=True)
class Allowance:
    """What may be unfinished once a new session is in. A session is unfinished until it is completed,
    rejected or removed: for so long it holds storage.

    Attributes:
        sessions: unfinished sessions of all owners together; None: as many as come.
        owner_bytes: the owner's quota, bytes: what all unfinished sessions of one owner declare together;
            None: no quota.
    """

    sessions: int | None = None
    owner_bytes: int | None = None

    def check(self, sessions: int, owner_bytes: int, declared_size: int) -> None:
        """Refuse one more session where these are unfinished already.

        Args:
            sessions: unfinished ones of all owners.
            owner_bytes: declared by the owner's unfinished ones.
            declared_size: bytes of the newcomer.

        Raises:
            TooManySessions: as many sessions as are allowed.
            InsufficientStorage: the owner's quota is too small for this one as well.
        """
        if self.sessions is not None and sessions >= self.sessions:
            raise TooManySessions(retry_after=PAUSE)
        if self.owner_bytes is not None and owner_bytes + declared_size > self.owner_bytes:
            raise InsufficientStorage(
                f"The file has {declared_size:,} bytes; your unfinished uploads take {owner_bytes:,} of the "
                f"{self.owner_bytes:,} you may have. Finish or cancel some.",
                retry_after=PAUSE,
            )


UNBOUNDED: Final = Allowance()
"""Whatever comes."""
