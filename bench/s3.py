"""Level 3 beside a bare loop that sends the same parts to the same store.

Run as ``python -m bench.s3`` or ``make bench-s3``; about two minutes. README.md in this folder says how to
read what comes out.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import median
from typing import Final

import click
import psutil
from rich.console import Console
from rich.table import Table

from bench.client import Crew
from bench.connection import Unexpected
from bench.dialects import Chunked, Task, Upload
from bench.judge import Measurement, median_of, ratio
from bench.machine import this_machine, warm_up
from bench.payload import MIB
from bench.processes import NotStarted, Server
from bench.report import QUIET
from bench.s3_parts import BareParts, remove_all
from bench.s3_servers import KEYS, level3, rclone

CHUNK: Final = 8 * MIB
LOADS: Final = {1: 128 * MIB, 4: 64 * MIB}
"""Uploads at once, and the size of each in bytes."""

BARE: Final = "bare loop"
MEASURED: Final = "level 3"
OF_BARE: Final = 0.8


@dataclass(frozen=True)
class Way:
    """One way for a chunk to reach the store.

    Attributes:
        options: of ``serve 3``; None for the bare loop.
    """

    name: str
    words: str
    options: tuple[str, ...] | None


WAYS: Final = (
    Way(MEASURED, "as it comes with the embedded store: streamed, no checksum", ("--s3-checksum", "none")),
    Way("level 3, MD5", "streamed, MD5 against the ETag", ("--s3-checksum", "md5")),
    Way("level 3, CRC-32", "streamed, CRC-32 behind the bytes", ("--s3-checksum", "crc32")),
    Way(
        "level 3, boto3",
        "boto3's own call, a chunk in memory",
        ("--s3-parts", "boto3", "--s3-checksum", "none"),
    ),
    Way(BARE, "presigned parts from memory, nothing between", None),
)


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Each way is measured once in every round.")
@click.option("--folder", default=tempfile.gettempdir(), help="The disk that the embedded store writes to.")
@click.option("--endpoint", help="Another store than the embedded one; keys from AWS_*, a bucket 'bench'.")
@click.option("--results", default="build/bench", show_default=True, help="Where the results go.")
def main(rounds: int, folder: str, endpoint: str | None, results: str) -> None:
    """Measure level 3 against the bar. Exit code 1: it is missed; 2: nothing could be measured."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        with ExitStack() as stack:
            place = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="upload-levels-bench-", dir=folder))
            )
            if endpoint is None:
                os.environ.update(KEYS)
                endpoint = stack.enter_context(rclone(place)).url
            busy, measurements = _measure(rounds, place, endpoint, console)
    except (NotStarted, Unexpected, RuntimeError) as error:
        console.print(f"the measurement failed: {error}", style="red")
        sys.exit(2)
    reached = ratio(measurements, MEASURED, BARE, 4)
    holds = reached is not None and reached >= OF_BARE
    _show(console, measurements, busy)
    verdict = "[green]yes" if holds else "[bold red]NO"
    console.print(f"four uploads at once, of a bare loop ≥ {OF_BARE}: {reached or 0:.2f} {verdict}")
    _write(Path(results), Path(folder), measurements, busy)
    sys.exit(0 if holds else 1)


def _measure(rounds: int, place: Path, endpoint: str, console: Console) -> tuple[float, list[Measurement]]:
    found, busy = [], []
    with Crew() as crew, console.status("") as status:
        for number in range(rounds):
            # In turn forwards and backwards: nobody always comes after the same neighbour.
            for way in WAYS if number % 2 == 0 else reversed(WAYS):
                status.update(f"round {number + 1} of {rounds}: {way.name}")
                busy.append(psutil.cpu_percent(interval=0.3))
                found += _one_round(way, number, place / f"{number}-{WAYS.index(way)}", endpoint, crew)
    return median(busy), found


def _one_round(way: Way, number: int, folder: Path, endpoint: str, crew: Crew) -> list[Measurement]:
    if way.options is None:
        loads = [_one_load(BareParts, endpoint, None, uploads, (crew, folder.parent)) for uploads in LOADS]
    else:
        with level3(folder, endpoint, way.options) as server:
            loads = [
                _one_load(Chunked, server.url, server, uploads, (crew, folder.parent)) for uploads in LOADS
            ]
    remove_all(endpoint)
    return [replace(load, server=way.name, round=number) for load in loads]


def _one_load(
    kind: type[Upload], url: str, server: Server | None, uploads: int, at: tuple[Crew, Path]
) -> Measurement:
    crew, disk = at
    warm_up(disk, uploads * LOADS[uploads] * 5 // 4)
    cpu: dict[str, float] = {}

    def note(phase: str) -> None:
        cpu[phase] = server.cpu() if server else 0.0

    timings = crew.upload(kind, Task(url, LOADS[uploads], CHUNK), uploads, note)
    size = timings.bytes / MIB
    return Measurement(
        server="",
        uploads=uploads,
        round=0,
        chunk_mib_s=size / timings.send,
        whole_mib_s=size / timings.whole,
        complete_s=timings.finish,
        chunk_cpu=(cpu["finish"] - cpu["send"]) / size * 1024,
        whole_cpu=(cpu["end"] - cpu["start"]) / size * 1024,
    )


def _show(console: Console, measurements: Sequence[Measurement], busy: float) -> None:
    table = Table(
        title="8 MiB parts over loopback to one store; medians",
        caption="\n".join(f"{way.name}: {way.words}" for way in WAYS),
    )
    for heading in ("way", "uploads", "chunks MiB/s", "of the bare loop", "whole MiB/s", "server CPU s/GiB"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    for uploads in LOADS:
        for way in WAYS:
            found = [
                median_of(measurements, way.name, uploads, what)
                for what in ("chunk_mib_s", "whole_mib_s", "chunk_cpu")
            ]
            of = ratio(measurements, way.name, BARE, uploads)
            shown = [f"{value or 0:,.{digits}f}" for value, digits in zip(found, (0, 0, 2), strict=True)]
            table.add_row(way.name, str(uploads), shown[0], f"{of or 0:.2f}", *shown[1:])
        table.add_section()
    console.print(table)
    if busy > QUIET:
        console.print(
            f"this machine was {busy:.0f} % busy with something else: "
            "believe the ratios rather than the MiB/s, and neither too much",
            style="yellow",
        )


def _write(results: Path, disk: Path, measurements: Sequence[Measurement], busy: float) -> None:
    """Write ``s3.json`` and ``s3.csv``."""
    results.mkdir(parents=True, exist_ok=True)
    summary = {
        "machine": asdict(this_machine(disk)),
        "busy_elsewhere": busy,
        "of_bare_loop": {way.name: ratio(measurements, way.name, BARE, 4) for way in WAYS},
        "measurements": [asdict(measurement) for measurement in measurements],
    }
    (results / "s3.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    with (results / "s3.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Measurement)])
        table.writeheader()
        table.writerows(asdict(measurement) for measurement in measurements)


if __name__ == "__main__":
    main()
