"""One upload as a real client carries it out: retries and resumption by PROTOCOL.md's client rules, unique
content, and a record of what it cost.

The waiting is `time.sleep`. Under locust it is gevent's, and nothing changes here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urljoin

from bench.connection import Unexpected
from bench.model import PAUSES
from bench.payload import Payload
from bench.talk import FAST, Conflict, Interrupted, Manner, Refused, SessionGone, Talk, ticket

T = TypeVar("T")

POLL: Final = 0.1
JITTER: Final = 0.25
"""A wait is longer or shorter by at most this share."""

LONGEST_WAIT: Final = 300.0
"""Seconds; a `Retry-After` beyond it ends the upload."""

ENDLESS: Final = 100
"""Attempts that gave up, or conflicts, after which an upload is called hopeless."""


@dataclass(frozen=True)
class Order:
    """What to upload. Sizes in bytes.

    Attributes:
        chunk_size: the wish; the server may want another one.
        deadline: seconds after which the upload is left as it is; None: as long as it takes.
    """

    url: str
    file_size: int
    chunk_size: int
    deadline: float | None = None
    manner: Manner = FAST


@dataclass
class Outcome:
    """What an upload has cost so far. Times are those of `time.monotonic`, the same in all processes.

    Attributes:
        chunk_size: the one that the server decided on; the file's size where there are no chunks.
        confirmed: bytes that the server called its own.
        sent: bytes of chunks handed to the kernel.
        chunk_seconds: from the beginning of each confirmed chunk's request to its answer.
        conflicts: answers 409.
        retries: failures after which it came again.
        gave_up: attempts that ended after three failures in a row; a person began the next one.
        sending, sent_at, ended: when the first chunk began, when the last one was confirmed, and when the
            last attempt to send one was over.
        completed: seconds from the last chunk to the finished file; None: not finished.
        refused: why the server would not have it.
    """

    chunk_size: int
    confirmed: int = 0
    sent: int = 0
    chunk_seconds: list[float] = field(default_factory=list)
    conflicts: int = 0
    retries: int = 0
    gave_up: int = 0
    sending: float = 0.0
    sent_at: float = 0.0
    ended: float = 0.0
    completed: float | None = None
    refused: str | None = None

    @property
    def sent_twice(self) -> int:
        """Bytes that were sent for nothing."""
        return max(self.sent - self.confirmed, 0)


class PatientUpload:
    """Carries out one order.

    Args:
        on_chunk: told the seconds and bytes of every confirmed chunk.
        on_failure: told what went wrong, each time.
    """

    def __init__(
        self,
        order: Order,
        payload: Payload,
        on_chunk: Callable[[float, int], None] = lambda _seconds, _size: None,
        on_failure: Callable[[Exception], None] = lambda _error: None,
    ) -> None:
        self._order = order
        self._on_chunk, self._on_failure = on_chunk, on_failure
        self._talk = Talk(order.url, payload, order.manner, self._count)
        self._failures = 0
        self._stop = False
        self._session: str | None = None
        self.outcome = Outcome(order.chunk_size)

    def run(self) -> Outcome:
        """Until the file is there, the server refuses it, or the deadline has passed."""
        try:
            capabilities = self._patiently(self._talk.capabilities)
            if capabilities.get("chunkSize") is None:
                self._patiently(self._whole)
            else:
                self._anew_once(capabilities)
        except (Refused, Unexpected) as refusal:
            if not self._stop:
                self.outcome.refused = str(refusal)
                self._on_failure(refusal)
        finally:
            self._talk.hang_up()
        return self.outcome

    def stop(self) -> None:
        """Let the upload end after the chunk, or the drop of it, that is under way."""
        self._stop = self._talk.stopped = True

    def abandon(self) -> None:
        """Give up what is not finished: the server may forget it at once. Load tests leave many."""
        if self._session is not None and self.outcome.completed is None:
            self._talk.hang_up()
            with suppress(Interrupted, Refused, Conflict, Unexpected):
                self._talk.cancel(self._session)
            self._talk.hang_up()

    def _anew_once(self, capabilities: dict[str, Any]) -> None:
        until = time.monotonic() + (self._order.deadline or float("inf"))
        try:
            self._chunked(capabilities, until)
        except SessionGone as gone:
            self._on_failure(gone)
            self.outcome.confirmed = 0
            self._chunked(capabilities, until)

    def _whole(self) -> None:
        outcome, size = self.outcome, self._order.file_size
        outcome.chunk_size = size
        outcome.sending = time.monotonic()
        self._talk.post_whole(size)
        outcome.sent_at = outcome.ended = time.monotonic()
        outcome.confirmed, outcome.completed = size, 0.0
        self._note(outcome.sent_at - outcome.sending, size)

    def _chunked(self, capabilities: dict[str, Any], until: float) -> None:
        order, outcome = self._order, self.outcome
        link = capabilities.get("links", {}).get("ticket")
        opened = self._patiently(
            lambda: self._talk.init(
                order.file_size, order.chunk_size, ticket(urljoin(order.url, link)) if link else None
            )
        )
        session = self._session = str(opened["sessionId"])
        outcome.chunk_size = int(opened["chunkSize"])
        if not outcome.sending:
            outcome.sending = outcome.sent_at = time.monotonic()
        try:
            self._send_all(session, until)
        finally:
            outcome.ended = time.monotonic()
        if outcome.confirmed == order.file_size:
            state = self._patiently(lambda: self._talk.complete(session))
            while state == "finalizing":
                time.sleep(POLL)
                state = self._patiently(lambda: self._talk.state(session))
            if state != "completed":
                raise Refused(f"the upload ended as {state}")
            outcome.completed = time.monotonic() - outcome.sent_at

    def _send_all(self, session: str, until: float) -> None:
        """The chunk loop. What the server confirmed is true, everything else is a guess."""
        outcome, size = self.outcome, self._order.file_size
        offset, must_ask = 0, False
        while offset < size and time.monotonic() < until and not self._stop:
            try:
                if must_ask:
                    offset = self._talk.offset(session)
                    must_ask = False
                else:
                    offset = self._chunk(session, offset, min(outcome.chunk_size, size - offset))
            except Interrupted as failure:
                must_ask = True
                self._bear(failure)
                continue
            if offset > outcome.confirmed:
                outcome.confirmed, self._failures = offset, 0
                outcome.sent_at = time.monotonic()

    def _chunk(self, session: str, offset: int, length: int) -> int:
        began = time.monotonic()
        try:
            confirmed = self._talk.chunk(session, offset, length)
        except Conflict as conflict:
            self.outcome.conflicts += 1
            if conflict.uploaded_bytes in (None, offset) or self.outcome.conflicts > ENDLESS:
                raise Interrupted("409 without another offset") from conflict
            return int(conflict.uploaded_bytes or 0)
        self._note(time.monotonic() - began, length)
        return confirmed

    def _note(self, seconds: float, size: int) -> None:
        self.outcome.chunk_seconds.append(seconds)
        self._on_chunk(seconds, size)

    def _count(self, sent: int) -> None:
        self.outcome.sent += sent

    def _patiently(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except Interrupted as failure:
                self._bear(failure)
            except Conflict as conflict:
                self._bear(Interrupted(f"409: {conflict}"))

    def _bear(self, failure: Interrupted) -> None:
        """Count a failure, and wait before the next try.

        Raises:
            Refused: it is hopeless.
        """
        if self._stop:
            raise Refused("stopped") from failure
        self._on_failure(failure)
        outcome = self.outcome
        if self._failures == len(PAUSES):
            outcome.gave_up, self._failures = outcome.gave_up + 1, 0
            if outcome.gave_up > ENDLESS or outcome.sent == 0:
                raise Refused(str(failure)) from failure
            return
        wait = PAUSES[self._failures] * random.uniform(1 - JITTER, 1 + JITTER)
        if failure.retry_after is not None:
            wait = failure.retry_after
        if wait > LONGEST_WAIT:
            raise Refused(f"the server asks to come again in {wait:.0f} s") from failure
        self._failures += 1
        outcome.retries += 1
        time.sleep(wait)
