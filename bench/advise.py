"""Recommends a chunk size for a line.

    python -m bench.advise --rtt 80ms --bandwidth 50Mbit --loss 0.5/GiB

The curve is that of :mod:`bench.model`. What a chunk costs the server is what the reference run in `results/`
found.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from bench.model import Expected, Line, ServerCost, expect, optimum
from bench.payload import MIB
from bench.summary import cost_of
from bench.units import KIB, PER_BYTE, RATE, SIZE, TIME, shown

RESULTS: Final = Path(__file__).parent / "results" / "sweep.json"
CANDIDATES: Final = tuple(64 * KIB << step for step in range(11))
"""64 KiB to 64 MiB: beyond it the levels take no wish."""

ENOUGH: Final = 0.95
"""Share of the best goodput at which a smaller chunk is preferred: it costs less when it is lost, holds less
memory, and moves the progress bar more often."""

MOST_CHUNKS: Final = 10_000
"""Parts of an object in S3, and so chunks of a file (PROTOCOL.md, `init/chunk-count`)."""

S3_MINIMUM: Final = 5 * MIB
BARS: Final = 30


@dataclass(frozen=True)
class Wishes:
    """What a chunk size must respect; bytes.

    Attributes:
        memory: that may be held for one upload, by a client that keeps its chunk; None: no limit.
        smallest: that the store takes.
        file_size: of the largest file.
    """

    memory: int | None = None
    smallest: int = 0
    file_size: int = 0

    def allow(self, chunk_size: int) -> bool:
        """Whether a chunk of so many bytes respects them all."""
        return (
            chunk_size >= self.smallest
            and (self.memory is None or chunk_size <= self.memory)
            and chunk_size * MOST_CHUNKS >= self.file_size
        )


@dataclass(frozen=True)
class Advice:
    """A recommendation and the curve behind it.

    Attributes:
        chosen: what is recommended.
        best: the model's optimum, whatever the wishes.
        curve: every candidate.
    """

    chosen: Expected
    best: Expected
    curve: Sequence[Expected]


class Impossible(Exception):
    """No chunk size respects all wishes."""


def advise(line: Line, server: ServerCost, wishes: Wishes) -> Advice:
    """The smallest allowed chunk size that has nearly the best goodput among the allowed ones.

    Raises:
        Impossible: none is allowed.
    """
    candidates = {*CANDIDATES, *([wishes.smallest] if 0 < wishes.smallest <= CANDIDATES[-1] else [])}
    curve = [expect(size, line, server) for size in sorted(candidates)]
    allowed = [one for one in curve if wishes.allow(int(one.chunk_size))]
    if not allowed:
        raise Impossible("no size up to 64 MiB respects memory, the smallest part and 10,000 chunks a file")
    enough = max(one.goodput for one in allowed) * ENOUGH
    chosen = next(one for one in allowed if one.goodput >= enough)
    return Advice(chosen, optimum(line, server, CANDIDATES[0], CANDIDATES[-1]), curve)


def reasons(advice: Advice, line: Line, wishes: Wishes) -> list[str]:
    """Why, in sentences."""
    chosen, best = advice.chosen, advice.best
    share = f"{chosen.goodput / best.goodput:.0%} of the best, which {shown(best.chunk_size)} would reach"
    said = [
        f"{chosen.goodput / MIB:.2f} MiB/s: {share}",
        f"a confirmation every {_time(chosen.progress)}: so often the progress bar moves",
    ]
    if line.cuts:
        lost = shown(chosen.chunk_size / 2)
        said.append(f"{chosen.overhead * 1024:.1f} MiB sent twice per GiB: a cut costs {lost} on average")
    if wishes.memory is not None:
        held = shown(chosen.chunk_size)
        said.append(f"a client that holds its chunk holds {held} of {shown(wishes.memory)}")
    return said


@click.command()
@click.option("--rtt", type=TIME, required=True, help="Round-trip time, as 80ms.")
@click.option("--bandwidth", type=RATE, default="unlimited", show_default=True, help="Upload, as 50Mbit.")
@click.option("--loss", type=PER_BYTE, default="0", show_default=True, help="Broken connections, as 0.5/GiB.")
@click.option("--memory", type=SIZE, help="What one upload may hold in the client, as 16MiB.")
@click.option("--s3", is_flag=True, help="Chunks are parts of an S3 multipart upload: 5MiB at least.")
@click.option("--file-size", type=SIZE, default="0", help="The largest file; it may have 10,000 chunks.")
@click.option("--server", type=TIME, help="What a chunk costs the server.  [default: as measured]")
@click.option("--level", default=2, show_default=True, help="Whose measured costs to use.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def main(  # noqa: PLR0917 - a command's options
    rtt: float,
    bandwidth: float,
    loss: float,
    memory: int | None,
    s3: bool,
    file_size: int,
    server: float | None,
    level: int,
    as_json: bool,
) -> None:
    """Recommend a chunk size, with the curve behind it."""
    line = Line(rtt, bandwidth, loss)
    wishes = Wishes(memory, S3_MINIMUM if s3 else 0, file_size)
    cost = _cost(level) if server is None else ServerCost(server)
    try:
        advice = advise(line, cost, wishes)
    except Impossible as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps(_as_json(advice)))
        return
    chosen = advice.chosen
    click.echo(f"{shown(chosen.chunk_size)}\n")
    for reason in reasons(advice, line, wishes):
        click.echo(f"  {reason}")
    click.echo(f"\n{'chunk':>9} {'MiB/s':>8}  {'':{BARS}} {'progress':>9} {'twice/GiB':>10}")
    for one in advice.curve:
        bar = "█" * round(BARS * one.goodput / advice.best.goodput)
        mark = " ◄" if one is chosen else "" if wishes.allow(int(one.chunk_size)) else "  not allowed"
        twice = "∞" if math.isinf(one.overhead) or one.overhead > 100 else shown(one.overhead * 1024 * MIB)
        click.echo(
            f"{shown(one.chunk_size):>9} {one.goodput / MIB:>8.2f}  {bar:{BARS}} "
            f"{_time(one.progress):>9} {twice:>10}{mark}"
        )


def _cost(level: int) -> ServerCost:
    if not RESULTS.exists():
        return ServerCost()
    return cost_of(json.loads(RESULTS.read_text(encoding="utf-8"))["summary"], level)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _as_json(advice: Advice) -> dict[str, object]:
    rows = [_row(one) for one in advice.curve]
    return {
        "chunkSize": int(advice.chosen.chunk_size),
        "optimum": round(advice.best.chunk_size),
        "curve": rows,
    }


def _row(one: Expected) -> dict[str, object]:
    return {
        "chunkSize": int(one.chunk_size),
        "goodput": round(one.goodput),
        "sentTwice": None if math.isinf(one.overhead) else float(f"{one.overhead:.4g}"),
        "progress": float(f"{one.progress:.4g}"),
    }


if __name__ == "__main__":
    main()
