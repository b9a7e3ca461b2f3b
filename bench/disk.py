"""Level 2 beside nginx and @tus/server: the same client, the same disk, the same minutes.

Run as ``python -m bench.disk`` or ``make bench-disk``; under three minutes. README.md in this folder says
how to read what comes out.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

import click
import psutil
from rich.console import Console
from rich.progress import Progress

from bench.client import Crew
from bench.connection import Unexpected
from bench.dialects import Chunked, PlainPut, Tus
from bench.judge import Measurement, judge
from bench.levels import level2, serve_command, sink
from bench.machine import file_system, this_machine
from bench.memory import memory_of, stalled
from bench.nginx import nginx
from bench.nginx import version as nginx_version
from bench.payload import MIB
from bench.processes import NotStarted
from bench.report import Report
from bench.rivals import Rival, folder_on, one_round
from bench.tus_server import NotInstalled, install, tus_server

CHUNK: Final = 8 * MIB
LOADS: Final = {1: 128 * MIB, 4: 64 * MIB, 32: 16 * MIB}
"""Uploads at once, and the size of each in bytes."""

ROOM: Final = 6 * 1024 * MIB
"""Bytes that must be free; the run never holds half of it."""

READ_TIMEOUT: Final = 8.0
"""Seconds of silence allowed where connections are stalled on purpose."""


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Each server is measured once in every round.")
@click.option(
    "--folder",
    default=tempfile.gettempdir(),
    help="The disk to write to; what is written there is removed.  [default: the folder for temporary files]",
)
@click.option("--results", default="build/bench", show_default=True, help="Where the results go.")
@click.option("--serve", default=serve_command, help="The command that starts the server to be measured.")
def main(rounds: int, folder: str, results: str, serve: str) -> None:
    """Measure level 2 against the bars. Exit code 1: a bar is missed; 2: nothing could be measured."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    disk = Path(folder)
    if file_system(disk) in ("tmpfs", "ramfs"):
        raise click.UsageError("that folder is in memory; choose one on a disk with --folder")
    if shutil.disk_usage(disk).free < ROOM:
        raise click.UsageError(f"less than {ROOM / MIB:,.0f} MiB are free there; choose another --folder")
    try:
        report = _measure(rounds, disk, serve, console)
    except (NotStarted, Unexpected, RuntimeError) as error:
        console.print(f"the measurement failed: {error}", style="red")
        sys.exit(2)
    report.show(console)
    report.write(Path(results))
    sys.exit(1 if any(bar.holds is False for bar in report.bars) else 0)


def _measure(rounds: int, disk: Path, serve: str, console: Console) -> Report:
    rivals, missing = _rivals(serve)
    measurements: list[Measurement] = []
    busy = []
    with Crew() as crew, Progress(console=console, transient=True) as progress:
        bar = progress.add_task("", total=rounds * len(rivals) + 2)
        for number in range(rounds):
            for rival in rivals:
                progress.update(bar, description=f"round {number + 1}: {rival.name}")
                busy.append(psutil.cpu_percent(interval=0.3))
                measurements += one_round(rival, number, disk, crew, loads=LOADS, chunk_size=CHUNK)
                progress.advance(bar)
        progress.update(bar, description="level 2: memory")
        with folder_on(disk) as folder, level2(folder, serve) as server:
            memory = memory_of(server, crew)
        progress.update(bar, description="level 2: stalled connections", advance=1)
        with folder_on(disk) as folder, level2(folder, serve, READ_TIMEOUT) as server:
            silent = stalled(server, crew, READ_TIMEOUT)
    return Report(
        machine=this_machine(disk),
        servers={rival.name: rival.words for rival in rivals},
        missing=missing,
        busy_elsewhere=median(busy),
        uploads=list(LOADS),
        measurements=measurements,
        memory=memory,
        stalled=silent,
        bars=judge(measurements, memory, silent),
    )


def _rivals(serve: str) -> tuple[list[Rival], dict[str, str]]:
    """Who takes part, and who cannot and why."""
    missing = {}
    rivals = [Rival("level 2", "every chunk synced", lambda folder: level2(folder, serve), Chunked)]
    if version := nginx_version():
        rivals.append(Rival("nginx", f"{version}, DAV PUT of each chunk, not synced", nginx, PlainPut))
    else:
        missing["nginx"] = "with its DAV module; Debian's package has it"
    try:
        rivals.append(Rival("@tus/server", f"{install()}, file store, not synced", tus_server, Tus))
    except NotInstalled as error:
        missing["@tus/server"] = str(error)
    rivals.append(Rival("sink", "throws everything away: the client's own ceiling", sink, PlainPut))
    return rivals, missing


if __name__ == "__main__":
    main()
