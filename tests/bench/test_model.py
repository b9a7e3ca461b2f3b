"""The model against the article, against what it was made from, and against dice."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.model import (
    PAUSES,
    Line,
    Observation,
    ServerCost,
    bound,
    chunk_seconds,
    expect,
    fit,
    optimum,
    throughput,
)
from bench.payload import MIB

GIB = 1024 * MIB
FREE = ServerCost()


@pytest.mark.parametrize(("chunk", "expected"), [(1, 5), (4, 20), (8, 40), (16, 80)])
def test_the_bound_is_the_articles_table(chunk: int, expected: int) -> None:
    assert bound(chunk * MIB, 0.2) / MIB == pytest.approx(expected)
    assert throughput(chunk * MIB, Line(0.2), FREE) == pytest.approx(bound(chunk * MIB, 0.2))


def test_the_slower_of_line_and_server_counts() -> None:
    fast, slow = 100 * MIB, 10 * MIB
    assert chunk_seconds(MIB, Line(0, fast), ServerCost(0.5, slow)) == pytest.approx(0.6)
    assert chunk_seconds(MIB, Line(0, slow), ServerCost(0.5, fast)) == pytest.approx(0.6)


sizes = st.floats(64 * 1024, 64 * MIB)
rtts = st.floats(0, 1)
speeds = st.floats(1e5, 1e9)


@given(sizes, rtts, speeds, st.floats(0, 0.1))
def test_throughput_stays_below_every_bound(size: float, rtt: float, speed: float, cost: float) -> None:
    found = throughput(size, Line(rtt, speed), ServerCost(cost))
    assert found <= speed * (1 + 1e-9)
    assert found <= bound(size, rtt) * (1 + 1e-9)


@given(sizes, rtts, speeds)
def test_without_cuts_a_larger_chunk_is_never_slower(size: float, rtt: float, speed: float) -> None:
    line = Line(rtt, speed)
    assert throughput(2 * size, line, FREE) >= throughput(size, line, FREE) * (1 - 1e-9)


def test_without_cuts_nothing_is_wasted() -> None:
    line = Line(0.05, 10 * MIB)
    found = expect(8 * MIB, line, ServerCost(0.01))
    assert found.overhead == 0
    assert found.goodput == pytest.approx(throughput(8 * MIB, line, ServerCost(0.01)))


@pytest.mark.parametrize("per_gib", [4, 64, 400])
@pytest.mark.parametrize("chunk", [256 * 1024, 8 * MIB])
def test_expectation_is_the_mean_of_many_throws(per_gib: float, chunk: int) -> None:
    line, cost = Line(0.05, 6 * MIB, per_gib / GIB), ServerCost(0.01)
    dice = random.Random(per_gib + chunk)
    confirmed, seconds, wasted = 0, 0.0, 0.0
    for _ in range(20_000):
        failures = 0
        while (through := dice.expovariate(line.cuts)) < chunk:
            # A cut connection: what was sent is lost, a pause, and two round trips to go on.
            wasted += through
            seconds += through / line.bandwidth + 2 * line.rtt + (*PAUSES, 0.0)[failures % 3]
            failures += 1
        seconds += chunk_seconds(chunk, line, cost)
        confirmed += chunk
    found = expect(chunk, line, cost)
    assert found.goodput == pytest.approx(confirmed / seconds, rel=0.03)
    assert found.overhead == pytest.approx(wasted / confirmed, rel=0.12, abs=1e-4)


def test_where_nothing_gets_through_nothing_is_expected() -> None:
    found = expect(64 * MIB, Line(0, 1e6, 1 / MIB), FREE)
    assert (found.goodput, found.overhead) == (0.0, math.inf)


@given(st.floats(0.001, 0.5), st.floats(1e5, 1e8), st.floats(0.1, 1000))
def test_no_size_beats_the_optimum(rtt: float, speed: float, per_gib: float) -> None:
    line = Line(rtt, speed, per_gib / GIB)
    best = optimum(line, FREE, 1024, 1 << 36)
    for step in range(10, 37):
        assert expect(2**step, line, FREE).goodput <= best.goodput * 1.001


def test_the_optimum_is_where_round_trips_and_lost_work_cost_the_same() -> None:
    line, cost = Line(0.08, 6 * MIB, 0.5 / GIB), ServerCost(0.01)
    rule_of_thumb = math.sqrt(2 * line.bandwidth * (line.rtt + cost.per_chunk) / line.cuts)
    assert optimum(line, cost).chunk_size == pytest.approx(rule_of_thumb, rel=0.15)


def observed(cost: ServerCost, noise: float = 0.0) -> list[Observation]:
    dice = random.Random(1)
    return [
        Observation(chunk, rtt, throughput(chunk, Line(rtt), cost) * (1 + noise * dice.uniform(-1, 1)))
        for chunk in (MIB // 4, MIB, 8 * MIB, 64 * MIB)
        for rtt in (0.0, 0.01, 0.05, 0.2)
    ]


def test_fit_finds_what_the_points_were_made_from() -> None:
    found = fit(observed(ServerCost(0.004, 500 * MIB)))
    assert found.cost.per_chunk == pytest.approx(0.004)
    assert found.cost.speed == pytest.approx(500 * MIB)
    assert found.worst_error < 1e-9
    assert found.points == 16


def test_fit_bears_noise_and_says_how_much() -> None:
    found = fit(observed(ServerCost(0.004, 500 * MIB), noise=0.1))
    assert found.cost.per_chunk == pytest.approx(0.004, rel=0.2)
    assert found.cost.speed == pytest.approx(500 * MIB, rel=0.2)
    assert 0.01 < found.typical_error <= 0.1
    assert found.typical_error < found.worst_error < 0.25


def test_fit_finds_no_server_that_works_before_it_is_asked() -> None:
    # Chunks that get through faster than their round trip: neither unknown becomes negative.
    impossible = [Observation(chunk, 0.2, bound(chunk, 0.1)) for chunk in (MIB, 8 * MIB)]
    found = fit(impossible)
    assert found.cost.per_chunk >= 0
    assert found.cost.speed > 0
    assert found.typical_error > 0.3


def test_a_fit_needs_two_chunk_sizes() -> None:
    with pytest.raises(ValueError, match="two different"):
        fit([Observation(MIB, 0, 1e6), Observation(MIB, 0.1, 1e6)])
