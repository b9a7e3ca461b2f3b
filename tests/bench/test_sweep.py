"""The whole chain, small: measured, kept, resumed, fitted, drawn, told."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.payload import MIB
from bench.plan import tiny
from bench.plot import FIGURES
from bench.rows import Row, read_json
from bench.summary import article, cost_of, grid
from bench.units import KIB
from tests.servers import REPOSITORY

# One run for all of them; on a machine that is busy with other tests it may take minutes.
pytestmark = [pytest.mark.xdist_group("sweep"), pytest.mark.timeout(300)]
PLANNED = sum(len(step) for step in tiny([2]).steps())


def command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "bench.sweep", "--plan", "tiny", "--levels", "2", "--results", str(folder)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row], str]:
    """A run that is interrupted in its middle, and gone on with."""
    folder = tmp_path_factory.mktemp("bench")
    environment = os.environ | {"COLUMNS": "120"}
    first = subprocess.Popen(command(folder), cwd=REPOSITORY, env=environment, start_new_session=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and first.poll() is None:
        journal = list(folder.glob("*.jsonl"))
        if journal and journal[0].read_text().count("\n") >= 3:
            break
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    first.wait(20)
    kept = next(folder.glob("*.jsonl")).read_text()
    second = subprocess.run(
        command(folder),
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert second.returncode == 0, second.stdout + second.stderr
    rows, _ = read_json(folder / "sweep.json")
    before = [Row.from_json(json.loads(line)) for line in kept.splitlines()]
    assert len(before) >= 3
    assert [row.point for row in rows[: len(before)]] == [row.point for row in before]
    return folder, rows, second.stdout


def test_an_interrupted_run_goes_on(run: tuple[Path, list[Row], str]) -> None:
    folder, rows, said = run
    assert "going on: " in said
    assert len({row.point.key for row in rows}) == len(rows) == PLANNED
    assert not list(folder.glob("*.jsonl")), "the next run begins anew"


def test_the_order_is_the_models(run: tuple[Path, list[Row], str]) -> None:
    points = grid(run[1], 2)
    near, far, small, large = 0.02, 0.08, 256 * KIB, 1024 * KIB
    assert points.keys() == {(near, small), (near, large), (far, small), (far, large)}
    for rtt in (near, far):
        assert points[rtt, large] > 1.4 * points[rtt, small]
    for size in (small, large):
        assert points[near, size] > points[far, size]
    # No chunk is faster than its round trip allows.
    for (rtt, size), speed in points.items():
        assert speed <= size / MIB / rtt


def test_the_model_holds(run: tuple[Path, list[Row], str]) -> None:
    _, notes = read_json(run[0] / "sweep.json")
    fit = notes["summary"]["fits"]["2"]
    assert fit["points"] == 4
    # Two of four points on a busy machine may be anywhere; typically it is a few per cent.
    assert fit["typical_error"] < 0.35
    rtt, table = article(run[1], 2, cost_of(notes["summary"], 2))
    assert rtt == 0.08
    assert all(row.measured is not None and row.measured <= row.bound for row in table)


def test_every_part_measured_what_it_is_for(run: tuple[Path, list[Row], str]) -> None:
    by_part: dict[str, list[Row]] = {}
    for row in run[1]:
        by_part.setdefault(row.point.part, []).append(row)
    side = by_part["levels"][0]
    assert side.cpu_per_gib is not None
    assert side.cpu_per_gib > 0
    assert side.small_p99 is not None
    assert side.rss_peak is not None
    assert side.rss_idle is not None
    assert side.rss_peak >= side.rss_idle > 20 * MIB
    assert {row.point.slow for row in by_part["load"]} == {0, 3}
    assert all(row.client_rss is not None and row.client_rss > 5 * MIB for row in by_part["memory"])
    # A 50 Mbit/s line lets no more through than it has.
    assert all(row.line_mib_s < 50e6 / 8 / MIB * 1.05 for row in by_part["loss"])


def test_results_are_kept_as_a_table_and_as_pictures(run: tuple[Path, list[Row], str]) -> None:
    folder, rows, said = run
    with (folder / "sweep.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(rows)
    assert {"part", "level", "chunk_size", "rtt", "mib_s", "chunk_p99", "cpu_per_gib"} <= table[0].keys()
    for name in FIGURES:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{name}.png").stat().st_size > 20_000
        assert ElementTree.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")
        assert name in said
    assert "chunk/RTT" in said
    assert "ceiling of the delay proxy" in said


def test_a_server_that_does_not_start_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    done = subprocess.run(
        [*command(tmp_path), "--serve", "2=false"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "the measurement failed: not ready" in done.stdout
