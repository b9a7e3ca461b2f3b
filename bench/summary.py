"""What the rows say: the fitted model, the article's table beside what was measured, the price of lost lines.

Pure but for :func:`show`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.model import Expected, Fit, Line, Observation, ServerCost, bound, expect, fit, optimum, throughput
from bench.payload import MIB
from bench.plan import SLOW_LINE
from bench.rows import Row, median_by
from bench.units import KIB, shown

ARTICLE: Final = tuple(size * MIB for size in (1, 4, 8, 16))
"""The chunk sizes of the article's table at 200 ms."""

LOSS_RTT: Final = 0.05
RESUMED_IN: Final = 1.0
"""Round trips until a cut upload goes on: the proxy takes connections at once, only the question counts."""

SMALLEST: Final = 64 * KIB
LARGEST: Final = 64 * MIB


@dataclass(frozen=True)
class ArticleRow:
    """One row of the article's table. MiB/s."""

    chunk_size: int
    bound: float
    model: float
    measured: float | None


def main_level(rows: Sequence[Row]) -> int:
    """The level that the first figures show: the first one with a whole grid of chunk sizes."""
    levels = {row.point.level for row in rows if row.point.part == "rtt" and row.point.level > 1}
    return min(levels, default=2)


def grid(rows: Sequence[Row], level: int) -> dict[tuple[float, int], float]:
    """Medians of MiB/s by (round-trip time, chunk size)."""
    mine = [row for row in rows if row.point.part == "rtt" and row.point.level == level]
    return median_by(mine, lambda row: (row.point.rtt, row.point.chunk_size), lambda row: row.mib_s)


def fitted(rows: Sequence[Row], level: int) -> Fit | None:
    """The model, fitted to the grid of one level; None with too few points."""
    points = grid(rows, level)
    try:
        return fit(Observation(chunk, rtt, speed * MIB) for (rtt, chunk), speed in points.items())
    except ValueError:
        return None


def article(rows: Sequence[Row], level: int, cost: ServerCost) -> tuple[float, list[ArticleRow]]:
    """The article's table at the longest round-trip time that was measured, and that time in seconds."""
    points = grid(rows, level)
    rtt = max((rtt for rtt, _ in points), default=0.2)
    wanted = ARTICLE if any((rtt, size) in points for size in ARTICLE[1:]) else sorted({c for _, c in points})
    return rtt, [
        ArticleRow(
            size,
            bound(size, rtt) / MIB,
            throughput(size, Line(rtt), cost) / MIB,
            points.get((rtt, size)),
        )
        for size in wanted
    ]


@dataclass(frozen=True)
class LossCurve:
    """One rate of cuts: what was measured by chunk size, and what the model says.

    Attributes:
        per_gib: cuts per GiB sent.
        goodput: MiB/s of one upload.
        wasted: bytes sent twice per byte confirmed.
        best: the model's optimum; None where nothing breaks.
    """

    per_gib: float
    line: Line
    goodput: dict[int, float]
    wasted: dict[int, float]
    best: Expected | None


def loss_curves(rows: Sequence[Row], cost: ServerCost) -> list[LossCurve]:
    """A curve for every rate of cuts."""
    mine = [row for row in rows if row.point.part == "loss"]
    curves = []
    for cuts in sorted({row.point.cuts for row in mine}):
        some = [row for row in mine if row.point.cuts == cuts]
        line = Line(some[0].point.rtt, some[0].point.bandwidth, cuts)
        curves.append(
            LossCurve(
                per_gib=cuts * 1024 * MIB,
                line=line,
                goodput=median_by(some, lambda row: row.point.chunk_size, lambda row: row.line_mib_s),
                wasted=median_by(some, lambda row: row.point.chunk_size, _wasted),
                best=optimum(line, cost, SMALLEST, LARGEST, RESUMED_IN) if cuts else None,
            )
        )
    return curves


def _wasted(row: Row) -> float | None:
    return row.sent_twice / row.confirmed if row.confirmed else None


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """All of it, for JSON: what `python -m bench.advise` reads."""
    found: dict[str, Any] = {"fits": {}}
    for level in sorted({row.point.level for row in rows if row.point.part == "rtt"}):
        if (fit := fitted(rows, level)) is not None:
            found["fits"][str(level)] = {
                "per_chunk": _rounded(fit.cost.per_chunk),
                "speed": _rounded(fit.cost.speed),
                "typical_error": _rounded(fit.typical_error),
                "worst_error": _rounded(fit.worst_error),
                "points": fit.points,
            }
    return found


def cost_of(summary: dict[str, Any], level: int) -> ServerCost:
    """The fitted cost of a level, as a run's JSON has it; free of charge, if it was not fitted."""
    found = summary.get("fits", {}).get(str(level))
    if found is None:
        return ServerCost()
    return ServerCost(found["per_chunk"], found["speed"] if found["speed"] is not None else math.inf)


def _rounded(value: float) -> float | None:
    return None if math.isinf(value) else float(f"{value:.4g}")


def show(console: Console, rows: Sequence[Row], notes: dict[str, Any]) -> None:
    """Print what matters."""
    level = main_level(rows)
    cost = cost_of(notes["summary"], level)
    found = notes["summary"]["fits"].get(str(level))
    if found:
        rtt, table = article(rows, level, cost)
        shown_table = Table(title=f"level {level}, RTT {rtt * 1000:.0f} ms, one upload, MiB/s")
        for heading in ("chunk", "chunk/RTT", "model", "measured"):
            shown_table.add_column(heading, justify="right")
        for row in table:
            measured = "–" if row.measured is None else f"{row.measured:.1f}"
            shown_table.add_row(shown(row.chunk_size), f"{row.bound:.1f}", f"{row.model:.1f}", measured)
        console.print(shown_table)
        console.print(
            f"model: chunk / (RTT + chunk / {_speed(cost.speed)} + {cost.per_chunk * 1000:.1f} ms); "
            f"error: {found['typical_error']:.0%} typical, {found['worst_error']:.0%} at worst, "
            f"{found['points']} points"
        )
    for curve in loss_curves(rows, cost):
        if curve.best is not None:
            console.print(
                f"{curve.per_gib:g} cuts per GiB on {SLOW_LINE * 8 / 1e6:.0f} Mbit/s: "
                f"the model's best chunk is {shown(curve.best.chunk_size)}"
            )
    for name, speed in notes["ceilings"].items():
        console.print(f"ceiling of the {name}: {speed:,.0f} MiB/s", style="dim")
    if notes["others"] > 0.1:
        console.print(
            f"this machine was {notes['others']:.0%} busy with something else: believe the ratios, "
            "and run it again on a quiet one",
            style="yellow",
        )


def _speed(speed: float) -> str:
    return "∞" if math.isinf(speed) else f"{speed / MIB:,.0f} MiB/s"


def predicted(curve: LossCurve, cost: ServerCost, chunk_size: float) -> Expected:
    """What the model says of a chunk size on a curve's line, measured over the proxy."""
    return expect(chunk_size, curve.line, cost, RESUMED_IN)
