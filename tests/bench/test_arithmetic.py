"""Units, percentiles, plans, rows, the journal and the guard."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench import guard, units
from bench.figures.style import MARKERS, SHADES
from bench.journal import Journal
from bench.load_report import Loads, Sizes, render
from bench.patient import Outcome
from bench.payload import MIB
from bench.percentiles import percentile
from bench.plan import PLANS, S3_MINIMUM, Point, full, quick, tiny
from bench.rows import Row, median_by, read_json, write_csv, write_json
from bench.run import summarize


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (units.size, "8MiB", 8 * MIB),
        (units.size, "8 mib", 8 * MIB),
        (units.size, "1.5KB", 1500),
        (units.size, "12", 12),
        (units.seconds, "80ms", 0.08),
        (units.seconds, "1.5s", 1.5),
        (units.seconds, "0", 0),
        (units.rate, "50Mbit", 6_250_000),
        (units.rate, "6MiB/s", 6 * MIB),
        (units.rate, "unlimited", math.inf),
        (units.per_byte, "0.5/GiB", 0.5 / 1024 / MIB),
    ],
)
def test_quantities_are_read(read: Callable[[str], float], text: str, value: float) -> None:
    assert read(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (units.size, "-1"),
        (units.size, "8 Mib/s"),
        (units.size, ""),
        (units.seconds, "80"),
        (units.seconds, "1e3ms"),
        (units.rate, "50"),
        (units.per_byte, "0.5"),
    ],
)
def test_what_is_no_quantity_is_refused(read: Callable[[str], float], text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        read(text)


def test_percentiles_are_values_that_occurred() -> None:
    values = [5.0, 1.0, 3.0, 2.0, 4.0]
    assert [percentile(values, at) for at in (1, 20, 21, 50, 99, 100)] == [1, 1, 2, 3, 5, 5]
    assert percentile([], 50) is None
    with pytest.raises(ValueError, match="above 0"):
        percentile(values, 0)


def test_shades_keep_their_order_in_grey_and_markers_differ() -> None:
    def luminance(shade: str) -> float:
        red, green, blue = (int(shade[at : at + 2], 16) for at in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    grey = [luminance(shade) for shade in SHADES]
    assert all(dark + 15 < light for dark, light in itertools.pairwise(grey))
    assert grey[-1] < 190, "too light for paper"
    assert len(set(MARKERS)) == len(SHADES)


@pytest.mark.parametrize("name", PLANS)
def test_no_point_is_planned_twice_and_level_3_keeps_to_its_minimum(name: str) -> None:
    points = [point for step in PLANS[name]([1, 2, 3, 4]).steps() for point in step]
    assert len({point.key for point in points}) == len(points)
    # The tiny plan's chunks are all below it: then there is nothing to sweep for levels 3 and 4.
    assert all(point.chunk_size >= S3_MINIMUM for point in points if point.level > 2)
    assert any(point.chunk_size == S3_MINIMUM for point in points if point.level > 2) == (name != "tiny")


def test_make_bench_is_planned_for_ten_minutes() -> None:
    steps = quick([1, 2, 3, 4]).steps()
    assert sum(max(point.guess for point in step) for step in steps) < 600
    # On a slower machine the repetitions end then; what is measured once comes before.
    first = [step for step in steps if step[0].round == 0]
    assert sum(max(point.guess for point in step) for step in first) < quick([1, 2, 3, 4]).limit


def test_the_plan_names_its_run() -> None:
    assert quick([1, 2]).identity == quick([1, 2]).identity
    assert len({quick([1, 2]).identity, quick([2]).identity, full([1, 2]).identity, tiny([2]).identity}) == 4


POINT = Point("rtt", 2, 8 * MIB, 64 * MIB, round=0, rtt=0.05)


def row(mib_s: float, **changes: object) -> Row:
    return Row(replace(POINT, **changes), 1.0, MIB, 1, mib_s, mib_s)  # type: ignore[arg-type]


def test_median_is_taken_over_the_rounds() -> None:
    rows = [row(speed, round=number) for number, speed in enumerate((30.0, 900.0, 50.0))]
    assert median_by([*rows, row(1.0, rtt=0.2)], lambda r: r.point.rtt, lambda r: r.mib_s) == {
        0.05: 50,
        0.2: 1,
    }
    assert median_by(rows, lambda r: r.point.rtt, lambda r: r.cpu_per_gib) == {}


def test_rows_come_back_from_json_as_they_were(tmp_path: Path) -> None:
    rows = [row(12.5), row(3.0, bandwidth=6_250_000.0, deadline=4.0)]
    write_json(tmp_path / "run.json", rows, {"plan": "tiny", "fits": {}})
    assert read_json(tmp_path / "run.json") == (rows, {"plan": "tiny", "fits": {}})


def test_the_csv_is_tidy(tmp_path: Path) -> None:
    write_csv(tmp_path / "run.csv", [row(12.5), row(3.0, level=3)])
    with (tmp_path / "run.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [(one["part"], one["level"], one["chunk_size"], one["mib_s"]) for one in found] == [
        ("rtt", "2", "8388608", "12.5"),
        ("rtt", "3", "8388608", "3.0"),
    ]


def test_the_journal_survives_a_death_in_the_middle_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    first, second = row(1.0), row(2.0, round=1)
    Journal(path).add([first])
    with path.open("a") as file:
        file.write('{"part": "rtt", "lev')
    journal = Journal(path)
    assert journal.has((first.point,))
    assert not journal.has((first.point, second.point))
    journal.add([second])
    assert list(Journal(path).rows.values()) == [first, second]


def test_uploads_at_once_are_summed_and_timed_from_first_to_last() -> None:
    first = Outcome(MIB, 4 * MIB, 5 * MIB, [0.5] * 4, sending=10.0, sent_at=12.0, ended=12.0, completed=0.5)
    second = Outcome(MIB, 2 * MIB, 2 * MIB, [1.0] * 2, 1, 2, sending=11.0, sent_at=13.0, ended=14.0)
    found = summarize(POINT, [first, second])
    assert found.mib_s == pytest.approx(6 / 4)  # the second one was left at its deadline, at 14
    assert found.line_mib_s == pytest.approx(6 / (2 + 3))
    assert (found.chunk_p50, found.chunk_p99) == (0.5, 1.0)
    assert (found.sent_twice, found.conflicts, found.retries, found.finished) == (MIB, 1, 2, 1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8002", "http://localhost:8002", "http://[::1]:8002"])
def test_this_machine_may_be_loaded(url: str) -> None:
    guard.check(url, remote_is_mine=False)


def test_another_machine_only_if_it_is_yours() -> None:
    with pytest.raises(guard.NotYours, match=r"192\.0\.2\.1 is not this machine"):
        guard.check("http://192.0.2.1:8002", remote_is_mine=False)
    guard.check("http://192.0.2.1:8002", remote_is_mine=True)


def test_a_load_reports_by_chunk_size() -> None:
    loads = Loads()
    loads.ceiling = 1000.0
    for chunk in (MIB, 8 * MIB):
        for _ in range(4):
            loads.of(chunk).chunk(0.1, chunk)
        loads.of(chunk).upload(Outcome(chunk, 4 * chunk, 5 * chunk, retries=1, conflicts=2, completed=0.1))
    master = Loads()
    master.ceiling = 1000.0
    master.add_all(loads.hand_over())
    assert loads.nothing_confirmed, "handed over, and forgotten"
    found = master.as_json()["chunk_sizes"]
    assert [(one["chunk_size"], one["files"], one["sent_twice"]) for one in found] == [
        (MIB, 1, MIB),
        (8 * MIB, 1, 8 * MIB),
    ]
    assert all(one["p99"] == 0.1 and one["conflicts"] == 2 for one in found)
    assert "8 MiB" in render(master)
    assert "into a sink: 1,000 MiB/s" in render(master)


@pytest.mark.parametrize(("chunks", "file"), [("8MiB,", "1MiB"), ("0", "1MiB"), ("1MiB", "0"), ("x", "1")])
def test_sizes_that_are_none_are_refused(chunks: str, file: str) -> None:
    with pytest.raises(ValueError, match=r"not a size|at least"):
        Sizes.parse(chunks, file)
