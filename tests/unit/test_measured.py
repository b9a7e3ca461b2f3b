"""What the stop-watches write down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from level2_disk_chunks.disk_store import DiskStore
from shared.errors import IncompleteBody, StorageUnavailable
from shared.files import FileRecord
from shared.measured import MeasuredFinalizer, MeasuredSessions, MeasuredStore
from shared.metrics import Metrics
from shared.ports import Accepted, Rejected, StagedObject
from shared.session import Session
from shared.sessions.memory import MemorySessionStore
from tests.contract.byte_store_contract import Sent
from tests.sessions_made import a_session

CHUNK = 100_000
STAGED = StagedObject("there", CHUNK)
FILE = FileRecord("id", "a", CHUNK, "text/plain", "0" * 64, 0.0)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def test_a_slow_client_does_not_make_a_slow_store(metrics: Metrics, tmp_path: Path) -> None:
    store = MeasuredStore(DiskStore(tmp_path), metrics)
    session = a_session(declared_size=CHUNK, chunk_size=CHUNK)
    session = replace(session, storage=store.create(session.session_id)).claimed()
    started = time.perf_counter()
    store.append(session, Sent(bytes(CHUNK), before=lambda _: time.sleep(0.05)))  # eleven times
    took = time.perf_counter() - started
    labels = {"store": "bytes", "operation": "append"}
    assert value(metrics, "upload_store_seconds_count", **labels) == 1
    assert 0 < value(metrics, "upload_store_seconds_sum", **labels) < took - 0.5


def test_a_client_that_breaks_off_is_no_error_of_the_store(metrics: Metrics, tmp_path: Path) -> None:
    store = MeasuredStore(DiskStore(tmp_path), metrics)
    session = a_session(declared_size=CHUNK, chunk_size=CHUNK)
    session = replace(session, storage=store.create(session.session_id)).claimed()
    labels = {"store": "bytes", "operation": "append"}
    with pytest.raises(IncompleteBody):
        store.append(session, Sent(bytes(CHUNK), stop=10))
    assert value(metrics, "upload_store_errors_total", **labels, code="incomplete-body") == 0
    (tmp_path / "incoming").rename(tmp_path / "away")
    with pytest.raises(StorageUnavailable):
        store.append(session, Sent(bytes(CHUNK)))
    assert value(metrics, "upload_store_errors_total", **labels, code="storage-unavailable") == 1


def test_bytes_count_when_they_are_committed_and_only_then(metrics: Metrics) -> None:
    sessions = MeasuredSessions(MemorySessionStore(), metrics)
    new = a_session()
    sessions.insert(new)
    claimed = new.claimed()
    assert sessions.replace(new, claimed)
    assert value(metrics, "upload_committed_bytes_total") == 0
    assert sessions.replace(claimed, claimed.appended(7, 1.0))
    assert not sessions.replace(claimed, claimed.appended(7, 1.0)), "lost the race"
    assert value(metrics, "upload_committed_bytes_total") == 7
    counts = {
        operation: value(metrics, "upload_store_seconds_count", store="sessions", operation=operation)
        for operation in ("claim", "commit")
    }
    assert counts == {"claim": 1, "commit": 2}


@dataclass
class Finalizer:
    """Gives its verdicts one after the other; an exception is raised."""

    verdicts: Iterator[Accepted | Rejected | Exception]

    def finalize(self, session: Session, staged: StagedObject) -> Accepted | Rejected:
        verdict = next(self.verdicts)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def owns(self, location: str) -> bool:
        return False


def test_attempts_to_finalize_are_counted_by_their_end(metrics: Metrics) -> None:
    ends: list[Accepted | Rejected | Exception] = [
        Accepted(FILE, duplicate=False, adopted=True),
        Accepted(FILE, duplicate=True, adopted=False),
        Rejected("content-rejected", "no"),
        Rejected("content-rejected", "no"),
    ]
    measured = MeasuredFinalizer(Finalizer(iter([*ends, OSError()])), metrics)
    for end in ends:
        assert measured.finalize(a_session(), STAGED) is end
    with pytest.raises(OSError):
        measured.finalize(a_session(), STAGED)
    counts = [
        value(metrics, "upload_finalizations_total", outcome=outcome)
        for outcome in ("accepted", "duplicate", "rejected", "failed")
    ]
    assert counts == [1, 1, 2, 1]


def test_a_number_that_cannot_be_had_hides_no_other(metrics: Metrics) -> None:
    def away() -> float:
        raise StorageUnavailable

    metrics.gauge("a_number", "There.", lambda: 3.0)
    metrics.gauge("a_state", "By state.", away, state="uploading")
    metrics.gauge("a_state", "By state.", lambda: 4.0, state="finalizing")
    assert value(metrics, "a_number") == 3
    unknown = metrics.registry.get_sample_value("a_state", {"state": "uploading"})
    assert unknown != unknown, "NaN"  # noqa: PLR0124 - that is what NaN is
    assert value(metrics, "a_state", state="finalizing") == 4
