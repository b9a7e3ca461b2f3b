"""What a run teaches, in sentences with its own figures: the parts of the documents that a run writes.

`make bench-docs` writes them; the tests fail when they are not what `results/sweep.json` says.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.model import Line, ServerCost, chunk_seconds, expect, optimum
from bench.payload import MIB
from bench.plan import SLOW_LINE
from bench.rows import Row, median_by, read_json
from bench.summary import LossCurve, article, cost_of, grid, loss_curves, main_level
from bench.units import KIB, shown

RESULTS: Final = Path(__file__).parent / "results"
BUSY: Final = 0.1
EIGHT: Final = 8 * MIB
MBIT: Final = SLOW_LINE * 8 / 1e6


def readme() -> str:
    """The top README's part: two figures and five sentences."""
    rows, notes = _reference()
    pictures = [
        "![Throughput against chunk size](bench/results/1-throughput.svg)",
        "![Lost work, progress and memory](bench/results/2-trade.svg)",
    ]
    told = "\n".join(_wrapped(f"- {sentence}", "  ") for sentence in sentences(rows, notes))
    return "\n\n".join([*pictures, told, conditions(notes)])


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 110, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def benchmark_readme() -> str:
    """The part of `bench/README.md` with the reference run's tables."""
    rows, notes = _reference()
    parts = [conditions(notes), model_table(rows, notes), levels_table(rows)]
    peers = RESULTS / "peers.md"
    if peers.exists():
        others = json.loads((RESULTS / "peers.json").read_text(encoding="utf-8"))["others"]
        words = "Beside other servers: MiB/s while 8 MiB chunks move, as a share of nginx's in the same round"
        quiet = "" if others < BUSY else f" (**other work used {others:.0%} of the machine**)"
        parts.append(f"{words}{quiet}:\n\n{peers.read_text(encoding='utf-8').strip()}")
    return "\n\n".join(part for part in parts if part)


def sentences(rows: Sequence[Row], notes: dict[str, Any]) -> list[str]:
    """Five sentences, every figure from the run."""
    level = main_level(rows)
    fit = notes["summary"]["fits"][str(level)]
    cost = cost_of(notes["summary"], level)
    return [
        _about_distance(rows, level, cost),
        _about_the_rest(rows, level, cost, fit),
        *_about_loss(loss_curves(rows, cost)),
        _about_progress(),
        _about_eight(cost),
    ]


def _about_distance(rows: Sequence[Row], level: int, cost: ServerCost) -> str:
    rtt, table = article(rows, level, cost)
    first, last = table[0], table[-1]
    return (
        f"**On a long line the chunk size is the speed:** at {rtt * 1000:.0f} ms one upload reached "
        f"{first.measured or 0:.1f} MiB/s in chunks of {shown(first.chunk_size)} and "
        f"{last.measured or 0:.0f} MiB/s "
        f"in chunks of {shown(last.chunk_size)}, where chunk / RTT allows {first.bound:.0f} and "
        f"{last.bound:.0f}."
    )


def _about_the_rest(rows: Sequence[Row], level: int, cost: ServerCost, fit: dict[str, Any]) -> str:
    rtts = sorted({rtt for rtt, _ in grid(rows, level) if rtt > 0})
    shares = [rtt / chunk_seconds(EIGHT, Line(rtt), cost) for rtt in (rtts[-1], rtts[0])]
    return (
        f"**A round trip is not all that a chunk costs:** of the time of 8 MiB it is {shares[0]:.0%} at "
        f"{rtts[-1] * 1000:.0f} ms and {shares[1]:.0%} at {rtts[0] * 1000:.0f} ms; with the bytes' own "
        f"way and a "
        f"share for the server, chunk / (RTT + chunk / {cost.speed / MIB:,.0f} MiB/s + "
        f"{cost.per_chunk * 1000:.0f} ms), "
        f"the model is off by {fit['typical_error']:.0%} in the median of {fit['points']} points."
    )


def _about_loss(curves: Sequence[LossCurve]) -> list[str]:
    broken = [curve for curve in curves if curve.best is not None and curve.goodput]
    if not broken:
        return []
    some = broken[len(broken) // 2]
    sizes = sorted(some.goodput)
    best = some.best.chunk_size if some.best else EIGHT
    around = min(sizes, key=lambda size: abs(math.log(size / best)))
    told = " and ".join(
        f"{some.goodput[size]:.1f} MiB/s with {shown(size)}" for size in dict.fromkeys((around, sizes[-1]))
    )
    return [
        (
            f"**A line that breaks makes a large chunk dear:** on {MBIT:.0f} Mbit/s with {some.per_gib:g} "
            f"cuts per GiB "
            f"the model's best size is {best / MIB:.1f} MiB, and what was measured was {told}, which sent "
            f"{_lost(some.wasted.get(sizes[-1]))} for nothing."
        )
    ]


def _lost(share: float | None) -> str:
    if share is None:
        return "everything"
    return f"{share:.0%} of the file" if share < 2 else f"{share:.0f} times the file"


def _about_progress() -> str:
    eight, largest = EIGHT / SLOW_LINE, 64 * MIB / SLOW_LINE
    return (
        f"**A chunk is the step of the progress bar:** at {MBIT:.0f} Mbit/s a bar moves every "
        f"{eight:.1f} s with "
        f"8 MiB and every {largest:.0f} s with 64 MiB, at 2 Mbit/s every {eight * MBIT / 2:.0f} s and every "
        f"{largest * MBIT / 2 / 60:.1f} min."
    )


def _about_eight(cost: ServerCost) -> str:
    slow, fast, far = (
        expect(EIGHT, line, cost).goodput / optimum(line, cost, 64 * KIB, 64 * MIB).goodput
        for line in (Line(0.05, 10e6 / 8), Line(0.05, 100e6 / 8), Line(0.2, 1e9 / 8))
    )
    return (
        f"**So 8 MiB is a good default and no law:** by the model it gives {slow:.0%} of what the best "
        f"size up to "
        f"64 MiB gives at 10 Mbit/s and 50 ms, {fast:.0%} at 100 Mbit/s, and {far:.0%} at 1 Gbit/s and "
        f"200 ms; "
        "`python -m bench.advise` has the curve for your line."
    )


def conditions(notes: dict[str, Any]) -> str:
    """What was measured where, and how quiet it was."""
    machine = notes["machine"]
    busy = notes["others"]
    quiet = (
        "the machine did nothing else" if busy < BUSY else f"**other work used {busy:.0%} of the machine**"
    )
    words = (
        f"`make bench`, {notes['date']}: {machine['cores']} cores, {machine['memory']} GiB, "
        f"{machine['file_system']}, Linux {machine['kernel']}, Python {machine['python']}; {quiet}; medians. "
        "Client, line and server share the machine: the shapes are the result, the MiB/s are this machine's."
    )
    return _wrapped(f"<sub>{words}</sub>")


def model_table(rows: Sequence[Row], notes: dict[str, Any]) -> str:
    """The article's table for every level that was measured at the longest round-trip time."""
    lines = []
    for level in sorted({row.point.level for row in rows if row.point.part == "rtt" and row.point.level > 1}):
        cost = cost_of(notes["summary"], level)
        rtt, table = article(rows, level, cost)
        for row in table:
            if row.measured is not None:
                cells = [shown(row.chunk_size), f"{row.bound:.0f}", f"{row.model:.1f}", f"{row.measured:.1f}"]
                lines.append(f"| {level} | {' | '.join(cells)} |")
    if not lines:
        return ""
    return "\n".join(
        [
            f"One upload at {rtt * 1000:.0f} ms, MiB/s:",
            "",
            "| level | chunk | chunk / RTT (the article) | the model | measured |",
            "|---|--:|--:|--:|--:|",
            *lines,
        ]
    )


def levels_table(rows: Sequence[Row]) -> str:
    """The levels side by side."""
    mine = [row for row in rows if row.point.part == "levels"]
    if not mine:
        return ""

    def of(value: Any) -> dict[Any, float]:
        return median_by(mine, lambda row: (row.point.level, row.point.rtt), value)

    speed, cpu, peak, small = (
        of(lambda row: row.mib_s),
        of(lambda row: row.cpu_per_gib),
        of(lambda row: row.rss_peak and row.rss_peak / MIB),
        of(lambda row: row.small_p99 and row.small_p99 * 1000),
    )
    lines = []
    for level, rtt in speed:
        at = (level, rtt)
        cells = [f"{speed[at]:.0f}", f"{cpu[at]:.1f}", f"{peak[at]:.0f}", f"{small[at]:.0f} ms"]
        lines.append(f"| {level} | {rtt * 1000:.0f} ms | {' | '.join(cells)} |")
    words = (
        f"{mine[0].point.uploads} uploads at once, 8 MiB chunks (level 1: whole files); all server "
        f"processes, "
        "the object store of levels 3 and 4 among them:"
    )
    return "\n".join(
        [
            words,
            "",
            "| level | RTT | MiB/s | CPU s/GiB | peak MiB | a small request meanwhile, p99 |",
            "|---|--:|--:|--:|--:|--:|",
            *lines,
        ]
    )


def _reference() -> tuple[list[Row], dict[str, Any]]:
    return read_json(RESULTS / "sweep.json")
