"""Figure 1: throughput against chunk size, a curve per round-trip time; the article's table beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures.style import (
    DASHED,
    HATCHES,
    MARKERS,
    SHADES,
    between,
    chunk_axis,
    mib,
    nothing,
    plain_log,
)
from bench.model import Line, ServerCost, bound, throughput
from bench.rows import Row
from bench.summary import article, cost_of, grid, main_level
from bench.units import shown


def figure(rows: Sequence[Row], notes: dict[str, Any]) -> Figure:
    """Draw it."""
    level = main_level(rows)
    cost = cost_of(notes["summary"], level)
    drawn = Figure(figsize=(10.5, 4.9))
    left, right = drawn.subplots(1, 2, width_ratios=(2.0, 1))
    points = grid(rows, level)
    if not points:
        nothing(left, "no chunk sizes")
        nothing(right, "no chunk sizes")
        return drawn
    _curves(left, points, cost, level)
    _model(left, notes, level, cost)
    _table(right, rows, level, cost)
    return drawn


def _curves(axes: Axes, points: dict[tuple[float, int], float], cost: ServerCost, level: int) -> None:
    rtts = sorted({rtt for rtt, _ in points})
    sizes = sorted({size for _, size in points})
    fastest = max(points.values())
    for number, rtt in enumerate(rtts):
        shade, marker = SHADES[number % len(SHADES)], MARKERS[number % len(MARKERS)]
        mine = {size: speed for (at, size), speed in points.items() if at == rtt}
        smooth = between(sizes)
        axes.plot(smooth, [mib(throughput(size, Line(rtt), cost)) for size in smooth], color=shade)
        axes.plot(list(mine), list(mine.values()), marker, color=shade)
        if rtt > 0:
            below = [size for size in smooth if mib(bound(size, rtt)) < fastest * 1.6]
            axes.plot(
                below, [mib(bound(size, rtt)) for size in below], color=shade, linestyle=DASHED, linewidth=1
            )
        axes.plot([], [], color=shade, marker=marker, label=f"RTT {rtt * 1000:.0f} ms")
    axes.plot([], [], color="0.3", linestyle="none", marker="o", label="measured (median)")
    axes.plot([], [], color="0.3", label="the model")
    axes.plot([], [], color="0.3", linestyle=DASHED, linewidth=1, label="the article's bound, chunk / RTT")
    chunk_axis(axes, sizes)
    plain_log(axes)
    axes.set_ylabel("throughput of one upload, MiB/s")
    axes.set_title(f"Level {level}: what a chunk size is worth", loc="left")
    axes.legend(loc="lower right")


def _model(axes: Axes, notes: dict[str, Any], level: int, cost: ServerCost) -> None:
    found = notes["summary"]["fits"].get(str(level))
    if not found:
        return
    axes.text(
        0.02,
        0.98,
        f"model: chunk / (RTT + chunk / {mib(cost.speed):,.0f} MiB/s + {cost.per_chunk * 1000:.1f} ms)\n"
        f"error {found['typical_error']:.0%} (median), {found['worst_error']:.0%} (largest), "
        f"{found['points']} points",
        transform=axes.transAxes,
        va="top",
        fontsize=8.5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8},
    )


def _table(axes: Axes, rows: Sequence[Row], level: int, cost: ServerCost) -> None:
    rtt, table = article(rows, level, cost)
    kinds = (
        ("chunk / RTT (article)", "white", HATCHES[1], [row.bound for row in table]),
        ("the model", "0.8", HATCHES[0], [row.model for row in table]),
        ("measured", "0.25", HATCHES[0], [row.measured or 0.0 for row in table]),
    )
    for number, (name, face, hatch, values) in enumerate(kinds):
        at = [index + (number - 1) * 0.28 for index in range(len(table))]
        bars = axes.bar(at, values, 0.26, label=name, color=face, hatch=hatch, edgecolor="0.2", linewidth=0.7)
        axes.bar_label(
            bars, [f"{value:.0f}" if value >= 10 else f"{value:.1f}" for value in values], fontsize=7
        )
    axes.set_xticks(range(len(table)), [shown(row.chunk_size) for row in table])
    axes.set_xlabel("chunk size")
    axes.set_ylabel("MiB/s")
    axes.set_title(f"The article's table, RTT {rtt * 1000:.0f} ms", loc="left")
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, max(row.bound for row in table) * 1.3)
    axes.legend(loc="upper left")
