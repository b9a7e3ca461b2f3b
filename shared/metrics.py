"""Numbers about one server, for Prometheus to collect.

Each application has a registry of its own: two applications in one process do not share their numbers, and a
test starts from zero. Nothing here knows what is measured; :mod:`shared.measured` and :mod:`shared.observed`
wrap what they watch and write down what they see.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from shared.errors import InsufficientStorage, StorageFailure, StorageUnavailable, UploadError, UploadLost

METRICS: Final = "upload-levels.metrics"
"""Where an application keeps its metrics (``app.extensions``), for the server to show."""

disable_created_metrics()  # type: ignore[no-untyped-call]
"""Else every counter and histogram comes with a second series that says since when it counts."""

CHUNK_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
STORE_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OUTCOMES: Final = ("accepted", "duplicate", "rejected", "failed")
FAULTS: Final = (StorageUnavailable, InsufficientStorage, StorageFailure, UploadLost)
"""What is the store's fault. A client that breaks off or comes too late is none of its faults."""


class Metrics:
    """The instruments of one application. Seconds and bytes, as Prometheus wants them.

    Attributes:
        registry: where all of them are; what else is to be shown is added to it.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "upload_requests",
            "Requests answered, by route template; code is the problem's, empty without one.",
            ("method", "route", "status", "code"),
            registry=self.registry,
        )
        self.committed_bytes = Counter(
            "upload_committed_bytes", "Bytes confirmed to clients.", registry=self.registry
        )
        self.chunk_seconds = Histogram(
            "upload_chunk_seconds",
            "From the head of a chunk's request to the end of the answer that confirms it.",
            buckets=CHUNK_SECONDS,
            registry=self.registry,
        )
        self.store_seconds = Histogram(
            "upload_store_seconds",
            "Time a store took, without the time it waited for the client's bytes.",
            ("store", "operation"),
            buckets=STORE_SECONDS,
            registry=self.registry,
        )
        self.store_errors = Counter(
            "upload_store_errors",
            "Calls in which a store was away, full or broken, or had lost an upload.",
            ("store", "operation", "code"),
            registry=self.registry,
        )
        self.finalizations = Counter(
            "upload_finalizations",
            "Attempts to finalize: accepted, duplicate, rejected, or failed and to be tried again.",
            ("outcome",),
            registry=self.registry,
        )
        for outcome in OUTCOMES:  # from zero on: the first failure is a rise that alarm rules can see
            self.finalizations.labels(outcome)

    @contextmanager
    def timing(self, store: str, operation: str, waited: Callable[[], float] = lambda: 0.0) -> Iterator[None]:
        """Within: one call to a store, whose time and whose faults are counted.

        Args:
            waited: seconds of it that are not the store's, asked for at the end.
        """
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            if (code := fault(error)) is not None:
                self.store_errors.labels(store, operation, code).inc()
            raise
        finally:
            self.store_seconds.labels(store, operation).observe(time.perf_counter() - started - waited())

    def gauge(self, name: str, meaning: str, ask: Callable[[], float], **labels: str) -> None:
        """Show a number that is asked for whenever somebody looks.

        While a store is away the number is NaN: no alarm rule takes that for "none", and the other numbers
        are shown all the same.
        """

        def known() -> float:
            try:
                return ask()
            except UploadError:
                return math.nan

        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(name, meaning, tuple(labels), registry=self.registry)
        (gauge.labels(**labels) if labels else gauge).set_function(known)


def fault(error: Exception) -> str | None:
    """The code of an error that is a store's fault; None for everything that is not."""
    return error.code if isinstance(error, FAULTS) else None
