"""Many uploads at once, from a few processes, timed phase by phase.

Processes and not threads alone: the client shares the machine with the server it measures, and a lock held
for Python's sake would be charged to the server. Within a process each upload has a thread; nearly all its
time passes in `sendfile`, which holds no lock.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Any, Final

from bench.dialects import Task, Upload
from bench.payload import Payload

PROCESSES: Final = 4
PHASES: Final = ("start", "send", "finish")


@dataclass(frozen=True)
class Timings:
    """What a number of uploads at once took.

    Attributes:
        start, send, finish: seconds, until the last upload was through with the phase.
        bytes: of all uploads together.
    """

    start: float
    send: float
    finish: float
    bytes: int

    @property
    def whole(self) -> float:
        """Seconds from the first request to the last file that the server calls complete."""
        return self.start + self.send + self.finish


class Crew:
    """Client processes that wait for work. Use as a context manager."""

    def __init__(self, processes: int = PROCESSES) -> None:
        context = multiprocessing.get_context("spawn")
        self._members: list[tuple[Any, Pipe]] = []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._members.append((process, ours))

    def upload(
        self,
        kind: type[Upload],
        task: Task,
        uploads: int,
        around_phase: Callable[[str], None] = lambda _phase: None,
    ) -> Timings:
        """Carry out ``task`` ``uploads`` times at once, each in a connection of its own.

        Args:
            around_phase: called before each phase with its name and at last with ``"end"``; not timed.

        Raises:
            Exception: what any of the uploads raised.
        """
        busy = []
        for number, (_process, pipe) in enumerate(self._members):
            share = len(range(number, uploads, len(self._members)))
            if share:
                pipe.send((kind, task, share))
                busy.append(pipe)
        seconds = {}
        for phase in PHASES:
            around_phase(phase)
            began = time.monotonic()
            for pipe in busy:
                pipe.send(phase)
            outcomes = [pipe.recv() for pipe in busy]
            seconds[phase] = time.monotonic() - began
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        around_phase("end")
        return Timings(**seconds, bytes=uploads * task.file_size)

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, pipe in self._members:
            if kind is None:
                pipe.send(None)
            else:
                process.terminate()
            process.join()
            pipe.close()


def _work(pipe: Pipe) -> None:
    payload = Payload.in_memory()
    while (job := pipe.recv()) is not None:
        kind, task, share = job
        uploads = [kind(task, payload) for _ in range(share)]
        with ThreadPoolExecutor(share) as threads:
            for _ in PHASES:
                phase = pipe.recv()
                try:
                    for _done in threads.map(lambda upload, phase=phase: getattr(upload, phase)(), uploads):
                        pass
                except Exception as error:  # noqa: BLE001 - it is raised where the work was ordered
                    pipe.send(RuntimeError(f"{kind.__name__} {phase}: {type(error).__name__}: {error}"))
                    break
                pipe.send(None)
