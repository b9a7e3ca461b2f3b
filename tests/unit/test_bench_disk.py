"""The benchmark's arithmetic, and a client that loses no byte."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from bench.client import Crew
from bench.dialects import PlainPut, Task
from bench.judge import Measurement, Memory, Stalled, judge, median_of, ratio
from bench.payload import MIB
from bench.sink import Sink


def measured(server: str, number: int, chunk_mib_s: float, uploads: int = 4) -> Measurement:
    return Measurement(server, uploads, number, chunk_mib_s, chunk_mib_s / 2, 0.1, 1.0, 2.0)


def rounds(**speeds: list[float]) -> list[Measurement]:
    names = {"level2": "level 2", "nginx": "nginx", "tus": "@tus/server"}
    return [measured(names[k], number, v) for k, values in speeds.items() for number, v in enumerate(values)]


FINE = Memory(idle=90 * MIB, one_file=95 * MIB, larger_file=96 * MIB, in_flight=120 * MIB)
GONE = Stalled(500, rss=160 * MIB, alone_mib_s=400, beside_mib_s=300, read_timeout=8, cut_off=8.5)


def verdicts(
    measurements: list[Measurement], memory: Memory = FINE, stalled: Stalled = GONE
) -> list[bool | None]:
    return [bar.holds for bar in judge(measurements, memory, stalled)]


def test_median_is_taken_over_the_rounds_of_one_server_and_one_load() -> None:
    found = [*rounds(level2=[100, 900, 300], nginx=[1000]), measured("level 2", 0, 5, uploads=1)]
    assert median_of(found, "level 2", 4, "chunk_mib_s") == 300
    assert median_of(found, "level 2", 4, "whole_mib_s") == 150
    assert median_of(found, "level 2", 32, "chunk_mib_s") is None


def test_ratio_compares_within_a_round() -> None:
    # Everything was ten times slower in the second round; the ratio does not notice.
    found = rounds(level2=[600, 60, 500], nginx=[1000, 100, 1000])
    assert ratio(found, "level 2", "nginx", 4) == pytest.approx(0.6)


def test_ratio_leaves_out_rounds_that_only_one_of_them_has() -> None:
    found = rounds(level2=[500, 10], nginx=[1000])
    assert ratio(found, "level 2", "nginx", 4) == 0.5
    assert ratio(found, "level 2", "@tus/server", 4) is None


def test_all_bars_hold() -> None:
    assert verdicts(rounds(level2=[600], nginx=[1000], tus=[240])) == [True] * 5


def test_a_bar_is_missed_by_a_hair() -> None:
    assert verdicts(rounds(level2=[599], nginx=[1000], tus=[240]))[:2] == [False, False]


def test_what_is_not_installed_is_neither_held_nor_missed() -> None:
    assert verdicts(rounds(level2=[600])) == [None, None, True, True, True]


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (replace(FINE, in_flight=150 * MIB), [False, True]),
        (replace(FINE, larger_file=200 * MIB), [True, False]),
        (replace(FINE, larger_file=60 * MIB), [True, True]),
    ],
)
def test_memory_is_judged(memory: Memory, expected: list[bool]) -> None:
    assert verdicts([], memory)[2:4] == expected


@pytest.mark.parametrize(
    "stalled",
    [replace(GONE, cut_off=None), replace(GONE, cut_off=20.0), replace(GONE, beside_mib_s=0.0)],
)
def test_silent_clients_must_go_and_harm_nobody(stalled: Stalled) -> None:
    assert verdicts([], stalled=stalled)[4] is False


def test_the_client_sends_every_byte_it_counts() -> None:
    sink = Sink()
    serving = threading.Thread(target=sink.serve)
    serving.start()
    uneven = 20 * MIB + 12_345
    with Crew(2) as crew:
        phases: list[str] = []
        timings = crew.upload(PlainPut, Task(sink.url, uneven, 8 * MIB), 3, phases.append)
    sink.close()
    serving.join()
    assert sink.received == timings.bytes == 3 * uneven
    assert phases == ["start", "send", "finish", "end"]
    assert timings.whole >= timings.send > 0


def test_a_failing_upload_ends_the_measurement() -> None:
    sink = Sink()
    sink.close()
    with pytest.raises(RuntimeError, match="PlainPut start: ConnectionRefusedError"), Crew(1) as crew:
        crew.upload(PlainPut, Task(sink.url, 1, 1), 1)
