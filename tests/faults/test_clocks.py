"""Servers whose clocks differ by ten minutes: sessions end by the clock of the store that they share."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from shared.clock import TRUSTED_FOR, SharedClock
from shared.errors import StorageUnavailable
from tests import services
from tests.conftest import Serve
from tests.oracle import begin_upload, finished
from tests.raw_http import exchange

LIFETIME = 20.0
"""Seconds; far less than the clocks differ by."""


WRONG_CLOCK = """
import sys, time
right, wrong = time.time, float(sys.argv.pop(1))
time.time = lambda: right() + wrong
from shared.cli import main
main()
"""
"""The command, in a world where it is earlier or later. (libfaketime makes time.sleep fail here.)"""


@pytest.mark.parametrize("store", ["postgresql", "redis"])
@pytest.mark.parametrize("wrong", [600, -600])
def test_a_server_with_a_wrong_clock_ends_nobody_elses_sessions(
    serve: Serve, tmp_path: Path, store: str, wrong: int
) -> None:
    url = getattr(services, store)().url_for(tmp_path)
    options = ("--sessions", url, "--session-ttl", f"{LIFETIME}s", "--sweep-interval", "1s")
    right = serve(*options, name="right")
    # The file system's clock is right, so stored bytes are young in every case.
    off = serve(
        *options,
        name="off",
        command=(sys.executable, "-c", WRONG_CLOCK, str(wrong)),
        data=right.data_folder,
    )
    one = begin_upload(right, "one.bin", seed=1)
    other = begin_upload(off, "other.bin", seed=2)
    assert one.put().status == other.put().status == 200
    time.sleep(2.5)  # two sweeps of each
    for upload in (one, other):
        told = [exchange(server.port, "GET", upload.path) for server in (right, off)]
        assert [answer.status for answer in told] == [200, 200]
        assert told[0].json["expiresAt"] == told[1].json["expiresAt"]
        upload.send_rest()
    date = off_by(exchange(off.port, "GET", "/upload").header("date") or "")
    assert abs(date - wrong) < 60, "the clock was not wrong at all"
    finished(one)


def off_by(date: str) -> float:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    return parsedate_to_datetime(date).timestamp() - time.time()


# --- the clock itself ---


class World:
    """Two clocks that a test moves."""

    def __init__(self) -> None:
        self.here, self.there, self.asked, self.away = 50.0, 1000.0, 0, False

    def ask(self) -> float:
        self.asked += 1
        if self.away:
            raise StorageUnavailable
        return self.there

    def passes(self, seconds: float) -> None:
        self.here += seconds
        self.there += seconds


def test_the_store_is_asked_once_a_minute() -> None:
    world = World()
    clock = SharedClock(world.ask, lambda: world.here)
    assert clock() == 1000.0
    for _ in range(60):
        world.passes(1.0)
        assert clock() == world.there
    assert world.asked == 1
    world.passes(TRUSTED_FOR)
    assert clock() == world.there
    assert world.asked == 2


def test_a_store_whose_clock_is_set_is_followed() -> None:
    world = World()
    clock = SharedClock(world.ask, lambda: world.here)
    world.there += 600
    world.passes(TRUSTED_FOR + 1)
    assert clock() == world.there


def test_time_goes_on_while_the_store_is_away() -> None:
    world = World()
    clock = SharedClock(world.ask, lambda: world.here)
    world.away = True
    world.passes(TRUSTED_FOR + 1)
    assert clock() == world.there
    assert clock() == world.there
    assert world.asked == 2, "asked again at once"


def test_an_answer_is_true_of_the_middle_of_the_question() -> None:
    world = World()

    def slowly() -> float:
        world.passes(1.0)
        there = world.ask()
        world.passes(1.0)
        return there

    assert SharedClock(slowly, lambda: world.here)() == world.there


def test_a_store_that_is_away_at_the_start_is_an_error() -> None:
    world = World()
    world.away = True
    with pytest.raises(StorageUnavailable):
        SharedClock(world.ask, lambda: world.here)
