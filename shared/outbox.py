"""The outbox: an intent to finalize, stored in its session, and carried out by whoever gets to it.

Intent stored → bytes completed → finalizer → result stored → staged object deleted → answer. Every step may
be repeated, so whatever a crash cuts off is done again, by this process or another. The session keeps who is
at it (a lease), how often it has failed, and when the next try is due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace

from shared.errors import Refused, SessionNotFound, StorageUnavailable, UploadError, UploadLost
from shared.ports import Accepted, SessionStore
from shared.session import NEVER, Session, State
from shared.uploads import Uploads, refused_or

log = logging.getLogger(__name__)

Keep = Callable[[Session], AbstractContextManager[object]]
"""Holds the lease of a claimed session for as long as a context lasts."""


@dataclass(frozen=True)
class Outbox:
    """The stored intents of ``uploads``. Holds no state of its own."""

    uploads: Uploads

    def finalize(self, session_id: str, keep: Keep = nullcontext) -> Session:
        """Carry out a stored intent, or find that it has been carried out. Repeatable at every step.

        The session comes back as it is, still in finalization, when another process holds the lease or the
        next try is not due yet. A failure is stored, with the time of the next try, before it is raised.

        Args:
            keep: a context in which the lease of the claimed session is renewed. Without one the work should
                be done within the lease; otherwise somebody else does it as well, which does no harm.

        Raises:
            SessionNotFound; Refused; UploadLost.
            Exception: whatever the store or the finalizer raised; the intent stays stored, try again.
        """
        session = self.uploads.status(session_id)
        if session.state is not State.FINALIZING or session.lease_until > self.uploads.clock():
            return refused_or(session)
        claimed = session.claimed(lease_until=self.uploads.clock() + self.uploads.lifetimes.lease)
        if not self.uploads.sessions.replace(session, claimed):
            return refused_or(self.uploads.status(session_id))
        try:
            with keep(claimed):
                return refused_or(self._carry_out(claimed))
        except (UploadLost, FileNotFoundError) as error:
            current = self.uploads.status(session_id)
            if current.writer_epoch != claimed.writer_epoch:
                # Another process finished the work while this one slept, and threw a refused or duplicate
                # object away under our hands.
                return refused_or(current)
            if isinstance(error, UploadLost):
                self.uploads.give_up(claimed)
            else:
                self._postpone(claimed, error)
            raise
        except (Refused, SessionNotFound):
            raise
        except Exception as error:
            self._postpone(claimed, error)
            raise

    def renew(self, claimed: Session) -> None:
        """Hold on to a session that this process is finalizing."""
        until = self.uploads.clock() + self.uploads.lifetimes.lease
        self.uploads.sessions.replace(claimed, replace(claimed, lease_until=until))

    def _postpone(self, claimed: Session, error: Exception) -> None:
        """Store that a try failed and when the next one is due. If that fails too, the lease runs out and
        the next try comes all the same."""
        pause = self.uploads.lifetimes.backoff.pause(claimed.attempts + 1)
        until = NEVER
        if pause is None:
            log.error("session %.6s…: finalization given up; an operator has to look", claimed.session_id)
        else:
            # Whoever is asked over the network may say when to come again. A full disk says so too, but to
            # clients: here a look costs nothing, and the first pauses are short.
            asked = error.retry_after if isinstance(error, StorageUnavailable) else None
            until = self.uploads.clock() + max(pause, asked or 0.0)
        with suppress(UploadError):
            self.uploads.sessions.replace(claimed, claimed.postponed(until, describe(error)))

    def _carry_out(self, claimed: Session) -> Session:
        staged = self.uploads.store.complete(claimed, self.uploads.sessions.receipts(claimed.session_id))
        verdict = self.uploads.finalizer.finalize(claimed, staged)
        expires_at = self.uploads.clock() + self.uploads.lifetimes.session_ttl
        if isinstance(verdict, Accepted):
            done = claimed.accepted(verdict.file, duplicate=verdict.duplicate, expires_at=expires_at)
        else:
            done = claimed.rejected(verdict.code, verdict.detail, expires_at=expires_at)
        if not self.uploads.sessions.replace(claimed, done):
            return self.uploads.status(claimed.session_id)
        if not (isinstance(verdict, Accepted) and verdict.adopted):
            self.uploads.store.discard(staged.location)
        return done


def send_again(sessions: SessionStore, session: Session) -> bool:
    """An operator's word: whichever process looks next finalizes ``session`` as if no try had failed.

    False: it has changed meanwhile, or is not in finalization.
    """
    return session.state is State.FINALIZING and sessions.replace(session, session.due_again())


def describe(error: Exception) -> str:
    """A failure in one line, for the operator."""
    return " ".join((str(error) if isinstance(error, UploadError) else repr(error)).split())
