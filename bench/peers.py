"""Every level beside nginx, @tus/server and tuspyserver: the same client, the same disk, the same minutes.

Run as ``python -m bench.peers`` or ``make bench-peers``. `bench.disk` asks one level the same in more depth.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.client import Crew
from bench.connection import Unexpected
from bench.dialects import Chunked, PlainPut, Tus
from bench.disk import CHUNK, LOADS, ROOM
from bench.judge import Measurement, median_of, ratio
from bench.levels import levels_there, place, serve_command, sink
from bench.machine import this_machine
from bench.nginx import nginx
from bench.nginx import version as nginx_version
from bench.payload import MIB
from bench.processes import NotStarted, Server
from bench.rivals import Rival, one_round
from bench.tus_server import NotInstalled, install, tus_server
from bench.tuspyserver_peer import tuspyserver
from bench.tuspyserver_peer import version as tuspyserver_version
from bench.watch import Neighbours

SYNCED: Final = {
    2: "data and session, each chunk",
    3: "as the object store does; session, each chunk",
    4: "as the object store does; session, each chunk",
}
"""What is on the disk before a chunk is answered, as the levels document it."""


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Each server is measured once in every round.")
@click.option("--folder", default=tempfile.gettempdir(), help="The disk that the servers write to.")
@click.option("--results", default="build/bench", show_default=True, help="Where the results go.")
@click.option("--levels", default="", help="As 2,3.  [default: all that take chunks]")
def main(rounds: int, folder: str, results: str, levels: str) -> None:
    """Compare the levels with other servers. Exit code 2: nothing could be measured."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    disk = Path(folder)
    if shutil.disk_usage(disk).free < ROOM:
        raise click.UsageError(f"less than {ROOM / MIB:,.0f} MiB are free there; choose another --folder")
    wanted = [int(level) for level in levels.split(",") if level] or [n for n in levels_there() if n > 1]
    rivals, missing = _rivals(wanted)
    for name, how in missing.items():
        console.print(f"skipped, not installed: {name} ({how})", style="yellow")
    try:
        measurements, others = _measure(rivals, rounds, disk, console)
    except (NotStarted, Unexpected, RuntimeError) as error:
        console.print(f"the measurement failed: {error}", style="red")
        sys.exit(2)
    console.print(_table(rivals, measurements))
    if others > 0.1:
        console.print(f"this machine was {others:.0%} busy with something else", style="yellow")
    target = Path(results)
    target.mkdir(parents=True, exist_ok=True)
    found = {
        "machine": vars(this_machine(disk)),
        "others": round(others, 3),
        "missing": missing,
        "servers": {rival.name: rival.words for rival in rivals},
        "measurements": [asdict(measurement) for measurement in measurements],
    }
    (target / "peers.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (target / "peers.md").write_text(markdown(rivals, measurements), encoding="utf-8")
    console.print(f"kept: {target}/peers.json, peers.md")


def _rivals(levels: Sequence[int]) -> tuple[list[Rival], dict[str, str]]:
    """Who takes part; who cannot, and what would help."""
    missing = {}
    rivals = []
    if version := nginx_version():
        rivals.append(Rival("nginx", f"DAV PUT, {version} | no", nginx, PlainPut))
    else:
        missing["nginx"] = "apt install nginx-light"
    rivals += [
        Rival(f"level {level}", f"the protocol | {SYNCED[level]}", partial(_level, level), Chunked)
        for level in levels
    ]
    try:
        rivals.append(Rival("@tus/server", f"tus, {install()}, file store | no", tus_server, Tus))
    except NotInstalled as error:
        missing["@tus/server"] = str(error)
    if found := tuspyserver_version():
        rivals.append(
            Rival("tuspyserver", f"tus, {found}, uvicorn | data and its record, each chunk", tuspyserver, Tus)
        )
    else:
        missing["tuspyserver"] = "pip install -e '.[peers]'"
    rivals.append(Rival("sink", "throws bytes away: the client's ceiling | –", sink, PlainPut))
    return rivals, missing


@contextmanager
def _level(level: int, folder: Path) -> Iterator[Server]:
    with place(folder, serve_command(level)) as found:
        found.server.url = found.upload_url
        yield found.server


def _measure(
    rivals: Sequence[Rival], rounds: int, disk: Path, console: Console
) -> tuple[list[Measurement], float]:
    found: list[Measurement] = []
    busy = []
    with Crew() as crew, Progress(console=console, transient=True) as progress:
        bar = progress.add_task("", total=rounds * len(rivals))
        neighbours = Neighbours()
        for number in range(rounds):
            for rival in rivals:
                progress.update(bar, description=f"round {number + 1}: {rival.name}")
                found += one_round(rival, number, disk, crew, loads=LOADS, chunk_size=CHUNK)
                busy.append(neighbours.share())
                progress.advance(bar)
    return found, median(busy)


HEADINGS: Final = (
    "server",
    "speaks",
    "synced before the answer",
    *(f"{n} of nginx" for n in LOADS),
    "CPU s/GiB",
)


def _cells(rivals: Sequence[Rival], measurements: Sequence[Measurement]) -> Iterator[list[str]]:
    for rival in rivals:
        speaks, _, synced = rival.words.partition(" | ")
        ratios = [ratio(measurements, rival.name, "nginx", uploads) for uploads in LOADS]
        cpu = median_of(measurements, rival.name, 4, "chunk_cpu")
        yield [rival.name, speaks, synced, *map(_two, ratios), "–" if cpu is None else f"{cpu:.1f}"]


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _table(rivals: Sequence[Rival], measurements: Sequence[Measurement]) -> Table:
    table = Table(title="8 MiB chunks; MiB/s while they move, of nginx's in the same round; medians")
    for number, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if number < 3 else "right")
    for cells in _cells(rivals, measurements):
        table.add_row(*cells)
    return table


def markdown(rivals: Sequence[Rival], measurements: Sequence[Measurement]) -> str:
    """The same table for a README."""
    heads = ["server", "speaks", "synced before the answer", *(f"{n} at once" for n in LOADS), "CPU s/GiB, 4"]
    rows = [heads, ["---"] * 3 + ["--:"] * 4, *_cells(rivals, measurements)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    main()
