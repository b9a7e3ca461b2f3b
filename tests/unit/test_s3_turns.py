"""Who may finish a part: the turns of one process."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from level3_s3_multipart.turns import Turns
from shared.ports import Superseded
from shared.session import Session

SESSION = Session("s" * 32, "file.bin", declared_size=10, chunk_size=10, created_at=0.0, expires_at=1.0)
ONE = SESSION.claimed()
TWO = ONE.claimed()
THREE = TWO.claimed()


def test_a_writer_alone_finishes() -> None:
    with Turns().take(ONE) as turn:
        turn.check()
        turn.last_block()


def test_an_older_writer_stops_at_its_next_block() -> None:
    turns = Turns()
    with turns.take(ONE) as older, turns.take(TWO) as younger:
        with pytest.raises(Superseded):
            older.check()
        with pytest.raises(Superseded):
            older.last_block()
        younger.last_block()


def test_an_older_writer_that_comes_later_is_refused() -> None:
    turns = Turns()
    with turns.take(TWO), pytest.raises(Superseded), turns.take(ONE):
        pytest.fail("it was let in")


def test_no_part_of_an_upload_that_is_over_is_finished() -> None:
    turns = Turns()
    with turns.take(ONE) as turn:
        turns.end(ONE.session_id)
        with pytest.raises(Superseded):
            turn.last_block()


def test_a_silent_writer_is_broken_off_once_by_each_who_takes_over() -> None:
    turns, broken = Turns(), []
    with turns.take(ONE) as older:
        older.stops_by(lambda: broken.append("one"))
        with turns.take(TWO) as younger:
            younger.stops_by(lambda: broken.append("two"))
            assert broken == ["one"]
            with turns.take(THREE):
                assert broken == ["one", "one", "two"]


def test_a_writer_whose_bytes_have_all_left_is_waited_for_and_not_broken_off() -> None:
    """Otherwise nobody would know whether its part comes before the younger one's or after it."""
    turns, broken, order = Turns(), [], []
    reached = threading.Event()

    def younger() -> None:
        with turns.take(TWO) as turn:
            reached.set()
            turn.last_block()
            order.append("younger")

    with ThreadPoolExecutor(1) as pool:
        with turns.take(ONE) as older:
            older.stops_by(lambda: broken.append("one"))
            older.last_block()
            done = pool.submit(younger)
            assert reached.wait(10)
            time.sleep(0.05)
            order.append("older")
        done.result(10)
    assert (order, broken) == (["older", "younger"], [])


def test_nothing_is_remembered_of_writers_that_have_left() -> None:
    turns = Turns()
    for number in range(3):
        with turns.take(Session(f"{number:032d}", "f", 1, 1, 0.0, 1.0).claimed()):
            pass
    assert turns._uploads == {}
