"""The sweep: levels × chunk size × round-trip time × concurrency × loss, measured, kept and drawn.

Run as ``make bench`` or ``make bench-full``. README.md in this folder says how to read what comes out.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench import netem
from bench.ceilings import ceilings
from bench.connection import Unexpected
from bench.fleet import Fleet
from bench.journal import Journal
from bench.levels import command_of_this_environment, levels_there, place, serve_command
from bench.lines import Lines, ProxiedLines
from bench.machine import file_system, this_machine
from bench.payload import MIB
from bench.plan import PARTS, PLANS, Plan, Step
from bench.processes import NotStarted
from bench.rows import write_csv, write_json
from bench.run import Measurer
from bench.summary import show, summary

BUILD: Final = Path("build") / "bench"
STALE: Final = 24 * 3600.0
"""Seconds after which an interrupted run is no longer gone on with: the servers may be other ones by then."""

ROOM: Final = 6 * 1024 * MIB
CLIENT: Final = (
    f"{command_of_this_environment()} put {{file}} --to {{url}} --chunk-size {{chunk}} --no-fingerprint"
)


@click.command()
@click.option("--plan", type=click.Choice(list(PLANS)), default="quick", show_default=True)
@click.option("--levels", default="", help="As 2,3.  [default: all that can be served]")
@click.option("--parts", default="", help=f"As rtt,loss, of {', '.join(PARTS)}.  [default: all]")
@click.option("--serve", multiple=True, metavar="LEVEL=COMMAND", help="Another command for a level.")
@click.option("--folder", default=tempfile.gettempdir(), help="The disk that the servers write to.")
@click.option("--results", default=str(BUILD), show_default=True, help="Where the results go.")
@click.option("--client", default=CLIENT, help="The client whose memory is watched.")
@click.option("--netem", "use_netem", is_flag=True, help="Delay in the kernel, not in a proxy.")
@click.option("--fresh", is_flag=True, help="Begin anew instead of going on with an interrupted run.")
def main(  # noqa: PLR0917 - a command's options
    plan: str,
    levels: str,
    parts: str,
    serve: tuple[str, ...],
    folder: str,
    results: str,
    client: str,
    use_netem: bool,
    fresh: bool,
) -> None:
    """Measure what chunk size and round-trip time cost. Interrupted, the same command goes on."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        if use_netem and not netem.inside():
            netem.start_inside("bench.sweep", sys.argv[1:])
        commands = _commands(levels, serve)
        chosen = replace(PLANS[plan](sorted(commands)), parts=_parts(parts))
        disk = Path(folder)
        if shutil.disk_usage(disk).free < ROOM:
            raise click.UsageError(f"less than {ROOM / MIB:,.0f} MiB are free in {disk}")
        journal = _journal(Path(results), chosen.identity, fresh, console)
        with ExitStack() as stack:
            lines: Lines = netem.NetemLines() if use_netem else ProxiedLines()
            measurer = Measurer(
                {level: partial(place, command=command) for level, command in commands.items()},
                lines,
                fleet=stack.enter_context(Fleet(chosen.clients)),
                slow=stack.enter_context(Fleet(max(1, chosen.clients // 2))),
                disk=disk,
                client=client,
            )
            found = ceilings(chosen.calibration, chosen.clients)
            with measurer:
                _carry_out(chosen, measurer, journal, console)
    except netem.NoNetem as error:
        raise click.UsageError(str(error)) from error
    except (NotStarted, Unexpected) as error:
        console.print(f"the measurement failed: {error}", style="red")
        console.print("what was measured is kept; the same command goes on there", style="yellow")
        sys.exit(2)
    rows = list(journal.rows.values())
    notes = {
        "plan": plan,
        "date": date.today().isoformat(),  # noqa: DTZ011 - the day where it was measured
        "machine": vars(this_machine(disk)),
        "delay": "netem" if use_netem else "proxy",
        "others": round(median(row.others for row in rows), 3),
        "ceilings": found,
    }
    target = Path(results)
    notes["summary"] = summary(rows)
    write_csv(target / "sweep.csv", rows)
    write_json(target / "sweep.json", rows, notes)
    journal.forget()
    from bench.plot import draw  # noqa: PLC0415 - every client process imports this module, and none draws

    drawn = draw(rows, notes, target)
    show(console, rows, notes)
    console.print(f"kept: {target}/sweep.csv, sweep.json, {', '.join(drawn)}")
    if file_system(disk) in ("tmpfs", "ramfs"):
        console.print(f"{disk} is in memory: nothing here says anything about a disk", style="yellow")


def _parts(given: str) -> tuple[str, ...]:
    wanted = tuple(part for part in given.split(",") if part) or PARTS
    if unknown := set(wanted) - set(PARTS):
        raise click.UsageError(f"--parts: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    return wanted


def _commands(levels: str, serve: tuple[str, ...]) -> dict[int, str]:
    commands = {}
    for given in serve:
        level, equals, command = given.partition("=")
        if not (level in ("1", "2", "3", "4") and equals and command):
            raise click.UsageError("--serve wants LEVEL=COMMAND, as 2='my-server --flags'")
        commands[int(level)] = command
    if levels:
        wanted = {int(level) for level in levels.split(",") if level.strip().isdecimal()}
    else:
        wanted = set(commands) or set(levels_there())
    if not wanted:
        raise click.UsageError("there is no level to measure")
    return {level: commands.get(level, serve_command(level)) for level in sorted(wanted)}


def _journal(results: Path, identity: str, fresh: bool, console: Console) -> Journal:
    path = results / f"{identity}.jsonl"
    if path.exists() and (fresh or time.time() - path.stat().st_mtime > STALE):
        path.unlink()
    journal = Journal(path)
    if journal.rows:
        console.print(f"going on: {len(journal.rows)} points are there already (--fresh begins anew)")
    return journal


def _carry_out(plan: Plan, measurer: Measurer, journal: Journal, console: Console) -> None:
    steps = plan.steps()
    until = time.monotonic() + plan.limit
    left = [step for step in steps if not journal.has(step)]
    with _bar(console) as progress:
        bar = progress.add_task("", total=sum(map(_guess, left)))
        for number, step in enumerate(left, len(steps) - len(left) + 1):
            point = step[0]
            if point.round > 0 and time.monotonic() > until:
                left_out = len(steps) - number + 1
                console.print(f"time is up: {left_out} repetitions are left out", style="yellow")
                break
            words = f"round {point.round + 1}, level {point.level}: {point.part}"
            progress.update(bar, description=f"{number}/{len(steps)}  {words}")
            journal.add(measurer.measure(step))
            progress.advance(bar, _guess(step))


def _guess(step: Step) -> float:
    return max(point.guess for point in step)


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    # The speed of all steps so far, not of the last half minute: parts differ in how well they are guessed.
    with Progress(*columns, console=console, speed_estimate_period=3600, transient=True) as progress:
        yield progress


if __name__ == "__main__":
    main()
