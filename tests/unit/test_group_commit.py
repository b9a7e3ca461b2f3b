"""Writers share transactions without noticing, except that they get their answers sooner."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

import shared.group_commit
from shared.errors import InsufficientStorage, StorageUnavailable
from shared.group_commit import GroupCommit, Write

NO_CONNECTION: Any = None


class Disk:
    """Stands in for the database: a transaction lasts until it is let go, and its groups are written down."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.broken: Exception | None = None

    def transact(self, group: Sequence[Write]) -> Sequence[Any]:
        self.groups.append(len(group))
        self.entered.set()
        assert self.go_on.wait(10)
        if self.broken:
            raise self.broken
        return [write.operation(NO_CONNECTION) for write in group]


class Writers:
    """Threads that submit, the first of which is inside its transaction before the others come."""

    def __init__(self, disk: Disk, pool: ThreadPoolExecutor) -> None:
        self.commits = GroupCommit(disk.transact)
        self._disk, self._pool = disk, pool

    def submit(self, operation: Callable[[], Any]) -> Future[Any]:
        answer = self._pool.submit(self.commits.submit, Write(lambda _connection: operation()))
        assert self._disk.entered.wait(10)
        return answer

    def wait_for(self, queued: int) -> None:
        deadline = time.monotonic() + 10
        while len(self.commits._waiting) < queued:
            assert time.monotonic() < deadline
            time.sleep(0.001)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def writers(disk: Disk) -> Any:
    with ThreadPoolExecutor(8) as pool:
        yield Writers(disk, pool)
        disk.go_on.set()


def fail(error: BaseException) -> Any:
    raise error


def test_a_lone_writer_waits_for_nobody(disk: Disk) -> None:
    disk.go_on.set()
    commits = GroupCommit(disk.transact)
    assert [commits.submit(Write(lambda _c, n=n: n)) for n in range(3)] == [0, 1, 2]  # type: ignore[misc]
    assert disk.groups == [1, 1, 1]


def test_who_comes_during_a_commit_shares_the_next(disk: Disk, writers: Writers) -> None:
    first = writers.submit(lambda: "first")
    others = [writers.submit(lambda n=n: n) for n in range(5)]  # type: ignore[misc]
    writers.wait_for(5)
    disk.go_on.set()
    assert first.result(10) == "first"
    assert [other.result(10) for other in others] == [0, 1, 2, 3, 4]
    assert disk.groups == [1, 5]


def test_one_failure_does_not_spoil_the_others(disk: Disk, writers: Writers) -> None:
    first = writers.submit(lambda: "first")
    wrong = writers.submit(lambda: fail(ValueError("mine")))
    right = [writers.submit(lambda n=n: n) for n in range(3)]  # type: ignore[misc]
    writers.wait_for(4)
    disk.go_on.set()
    assert first.result(10) == "first"
    with pytest.raises(ValueError, match="mine"):
        wrong.result(10)
    assert [other.result(10) for other in right] == [0, 1, 2]
    assert disk.groups == [1, 4, 1, 1, 1, 1]


@pytest.mark.parametrize("error", [StorageUnavailable(), InsufficientStorage()])
def test_a_disk_that_is_busy_or_full_is_so_for_all(disk: Disk, writers: Writers, error: Exception) -> None:
    answers = [writers.submit(lambda: "never")]
    answers += [writers.submit(lambda: "never") for _ in range(3)]
    writers.wait_for(3)
    disk.broken = error
    disk.go_on.set()
    assert [answer.exception(10) for answer in answers] == [error] * 4
    assert disk.groups == [1, 3], "trying each alone would only wait four times"


def test_after_a_failure_the_next_writer_gets_its_turn(disk: Disk) -> None:
    disk.go_on.set()
    commits = GroupCommit(disk.transact)
    for error in (SystemExit(), ValueError()):
        with pytest.raises(type(error)):
            commits.submit(Write(lambda _c, error=error: fail(error)))  # type: ignore[misc]
    assert commits.submit(Write(lambda _c: "fine")) == "fine"


def test_a_write_whose_turn_did_not_come_is_never_carried_out(
    disk: Disk, writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.group_commit, "PATIENCE", 0.05)
    carried_out = []
    first = writers.submit(lambda: "slow")
    late = writers.submit(lambda: carried_out.append("late"))
    with pytest.raises(StorageUnavailable):
        late.result(10)
    disk.go_on.set()
    assert first.result(10) == "slow"
    assert writers.submit(lambda: "next").result(10) == "next"
    assert carried_out == []
    assert disk.groups == [1, 1]
