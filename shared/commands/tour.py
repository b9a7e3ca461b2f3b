"""`upload-levels tour`: start every level, break what can be broken, and show that nothing was lost."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.table import Table

from shared.commands.server_process import LevelServer, ServerDidNotStart, port_is_free
from shared.commands.tour_stage import Row, Stage
from shared.commands.tour_stops import STOPS, Stop
from shared.uploader.errors import ClientError


@click.command()
@click.option("--once", is_flag=True, help="End after the tour instead of leaving the servers running.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Where to put the tour's temporary folder (needs about 500 MB).  [default: the system's]",
)
@click.option(
    "--first-port",
    type=click.IntRange(0, 65_000),
    default=8000,
    show_default=True,
    help="Level N is served on this port + N.",
)
@click.pass_context
def tour(context: click.Context, *, once: bool, data: Path | None, first_port: int) -> None:
    """Start every level on 127.0.0.1 (level N on port 800N) and take it through a bad day.

    Ends with 1 if anything was not as expected.
    """
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    taken = [first_port + stop.level for stop in STOPS if not port_is_free(first_port + stop.level)]
    if taken:
        ports = " and ".join(str(port) for port in taken)
        raise click.ClickException(
            f"Port {ports} of 127.0.0.1 is taken; stop what listens there, or see --first-port."
        )
    for unwelcome in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(unwelcome, _leave)
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="upload-levels-", dir=data)))
            surprises = _take(console, folder, stack, first_port)
            if not once:
                _stay(console, first_port)
    except ServerDidNotStart as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print("interrupted; servers stopped, temporary files removed")
        context.exit(130)
    context.exit(1 if surprises else 0)


def _take(console: Console, folder: Path, stack: ExitStack, first_port: int) -> list[str]:
    """The whole tour; what differed from what was expected is returned, in words."""
    started = time.monotonic()
    stages = []
    for stop in STOPS:
        server = LevelServer(stop.level, data=folder / "servers", port=first_port + stop.level)
        stages.append((stop, Stage(console, folder, stack.enter_context(server))))
        console.print(f"level {stop.level} ({stop.title}) is served at {server.url}")
    rows = [_visit(stop, stage) for stop, stage in stages]
    console.print()
    console.print(_table([row for row in rows if row is not None]))
    surprises = [surprise for _, stage in stages for surprise in stage.surprises]
    for surprise in surprises:
        console.print(f"[red]not as expected:[/red] {surprise}", markup=True)
    verdict = "everything as expected" if not surprises else f"{len(surprises)} not as expected"
    console.print(f"{verdict}, {time.monotonic() - started:.0f} s")
    return surprises


def _visit(stop: Stop, stage: Stage) -> Row | None:
    stage.console.print(f"\n[bold]Level {stop.level}: {stop.title}[/bold]")
    try:
        return stop.visit(stage)
    except ClientError as error:
        stage.expect("the upload comes to its end", "a file", error.detail)
        return None


def _table(rows: list[Row]) -> Table:
    table = Table("level", "file", "chunks", "resumed at", "MiB/s", "verified")
    for row in rows:
        verified = "yes" if row.verified else "NO"
        table.add_row(str(row.level), row.file, row.chunks, row.resumed_at, row.speed, verified)
    return table


def _stay(console: Console, first_port: int) -> None:
    """Leave the servers running until somebody has seen enough."""
    console.print("\nThe servers stay until Ctrl-C:")
    for stop in STOPS:
        console.print(f"  level {stop.level}  http://127.0.0.1:{first_port + stop.level}")
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("\nservers stopped, temporary files removed")


def _leave(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM, or a terminal that closes, ends the tour as Ctrl-C does: servers and files must go with it."""
    raise KeyboardInterrupt
