"""Many patient uploads at once, from a few processes: a machine full of clients."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from itertools import zip_longest
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import Final

from bench.patient import Order, Outcome, PatientUpload
from bench.payload import Payload

PROCESSES: Final = 4
STACK: Final = 512 * 1024
"""Bytes of stack for a client's thread: 64 of them share a process."""


class Fleet:
    """Client processes that wait for work. Use as a context manager.

    Processes and not threads alone: the client shares the machine with the server it measures, and a lock
    held for Python's sake would be charged to the server.
    """

    def __init__(self, processes: int = PROCESSES) -> None:
        self._processes = processes
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._pool = ProcessPoolExecutor(processes, context, _prepare, (self._stop,))
        for ready in [self._pool.submit(carry_out, ()) for _ in range(processes)]:
            ready.result()

    def upload(self, orders: Sequence[Order]) -> list[Outcome]:
        """Carry out all orders at once, each to its end; their outcomes in the same order."""
        return Voyage(self._begin(orders), self._stop).end()

    def begin(self, orders: Sequence[Order]) -> Voyage:
        """Begin to carry out all orders, and come back at once."""
        return Voyage(self._begin(orders), self._stop)

    def _begin(self, orders: Sequence[Order]) -> list[Future[list[Outcome]]]:
        self._stop.clear()
        shares = [orders[number :: self._processes] for number in range(self._processes)]
        return [self._pool.submit(carry_out, share) for share in shares if share]

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


class Voyage:
    """Uploads under way."""

    def __init__(self, futures: Sequence[Future[list[Outcome]]], stop: Event) -> None:
        self._futures, self._stop = futures, stop

    def end(self, *, now: bool = False) -> list[Outcome]:
        """Wait for the end, or order it ``now``: then what is under way is left as it is."""
        if now:
            self._stop.set()
        shares = [future.result() for future in self._futures]
        return [outcome for deal in zip_longest(*shares) for outcome in deal if outcome is not None]


_in_this_process: dict[str, Payload | Event] = {}


def _prepare(stop: Event) -> None:
    threading.stack_size(STACK)
    _in_this_process.update(payload=Payload.in_memory(), stop=stop)


def carry_out(orders: Sequence[Order]) -> list[Outcome]:
    """Do one process's share, in the process."""
    payload, stop = _in_this_process["payload"], _in_this_process["stop"]
    assert isinstance(payload, Payload)
    assert isinstance(stop, Event)
    if not orders:
        return []
    uploads = [PatientUpload(order, payload) for order in orders]
    with ThreadPoolExecutor(len(uploads)) as threads:
        running = [threads.submit(upload.run) for upload in uploads]
        while wait(running, timeout=0.1).not_done:
            if stop.is_set():
                for upload in uploads:
                    upload.stop()
        return [future.result() for future in running]
