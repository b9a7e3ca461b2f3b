"""Writers that wait for each other anyway may as well share one sync of the disk.

SQLite lets one transaction write at a time, and committing one means waiting for the disk: under load that is
most of a chunk's bookkeeping. So whoever gets the turn carries out, in one transaction, what all the others
have asked for in the meantime; they wake up with their answers. Nobody waits for company: a lone writer
commits at once, and groups form only while a commit is under way.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection

from shared.errors import InsufficientStorage, StorageUnavailable

PATIENCE: Final = 5.0
"""Seconds that a writer waits for its turn before the client is told to come again."""


@dataclass(frozen=True)
class Write:
    """Something to do inside a transaction.

    Attributes:
        operation: uses the connection it is given and returns the answer. It may run more than once, of which
            only the last counts.
        promise: whether somebody will be told that it happened, so that it must survive a power cut.
        outcome: the answer or the error, once that is known.
    """

    operation: Callable[[Connection], Any]
    promise: bool = True
    outcome: Future[Any] = field(default_factory=Future)


class GroupCommit:
    """The one writer's turn, and the queue before it.

    Args:
        transact: runs the operations of these writes in one transaction, in order, and returns their answers
            after the commit. When it raises, nothing was committed.
    """

    def __init__(self, transact: Callable[[Sequence[Write]], Sequence[Any]]) -> None:
        self._transact = transact
        self._turn = threading.Lock()
        self._waiting: deque[Write] = deque()

    def submit(self, write: Write) -> Any:
        """Carry out ``write``, alone or in company; return its answer.

        Raises:
            StorageUnavailable: its turn did not come; it was not carried out and will not be.
            Exception: whatever its operation or the commit raised.
        """
        self._waiting.append(write)
        if self._turn.acquire(timeout=PATIENCE):
            # A write leaves the queue only into the hands of a thread that answers it before it gives up the
            # turn: so this one is either answered by now or still in the queue.
            try:
                if not write.outcome.done():
                    self._carry_out(self._next_group())
            finally:
                self._turn.release()
        elif write.outcome.cancel():
            raise StorageUnavailable("The database is busy.", retry_after=1)
        return write.outcome.result()

    def _next_group(self) -> Sequence[Write]:
        group = []
        while self._waiting:
            write = self._waiting.popleft()
            if write.outcome.set_running_or_notify_cancel():
                group.append(write)
        return group

    def _carry_out(self, group: Sequence[Write]) -> None:
        try:
            answers = self._transact(group)
        except BaseException as error:  # noqa: BLE001 - it goes to whoever asked, in `outcome.result()`
            # A full or busy disk is everybody's; any other failure is one member's own, and must not spoil
            # the others' writes: each once more, alone.
            if len(group) > 1 and not isinstance(error, StorageUnavailable | InsufficientStorage):
                for write in group:
                    self._carry_out([write])
            else:
                for write in group:
                    write.outcome.set_exception(error)
        else:
            for write, answer in zip(group, answers, strict=True):
                write.outcome.set_result(answer)
