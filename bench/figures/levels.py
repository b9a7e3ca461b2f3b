"""Figure 3: the levels side by side, the same files, the same client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures.style import HATCHES, mib, nothing
from bench.rows import Row, median_by
from bench.units import shown


def figure(rows: Sequence[Row], notes: dict[str, Any]) -> Figure:
    """Draw it."""
    del notes
    mine = [row for row in rows if row.point.part == "levels"]
    drawn = Figure(figsize=(10.5, 6.6))
    (speed, cpu), (memory, small) = drawn.subplots(2, 2)
    if not mine:
        for axes in (speed, cpu, memory, small):
            nothing(axes, "the levels side by side")
        return drawn
    uploads = mine[0].point.uploads
    size = max(row.point.file_size for row in mine)
    drawn.suptitle(
        f"{uploads} uploads at once of {shown(size)} in 8 MiB chunks; level 1: whole files of "
        f"{shown(min(row.point.file_size for row in mine))}",
        fontsize=9.5,
    )
    _bars(speed, mine, lambda row: row.mib_s, "MiB/s, all together", "Throughput")
    _bars(cpu, mine, lambda row: row.cpu_per_gib, "CPU seconds per GiB", "CPU of all server processes")
    _bars(
        memory,
        mine,
        lambda row: mib(row.rss_peak) if row.rss_peak else None,
        "MiB resident",
        "Peak memory of all server processes",
    )
    _bars(
        small,
        mine,
        lambda row: row.small_p99 and row.small_p99 * 1000,
        "ms, 99th percentile",
        "A small request meanwhile (level 4: to the application)",
    )
    handles, labels = speed.get_legend_handles_labels()
    speed.legend(handles, labels, loc="upper right")
    return drawn


def _bars(
    axes: Axes, rows: Sequence[Row], value: Callable[[Row], float | None], unit: str, title: str
) -> None:
    found = median_by(rows, lambda row: (row.point.rtt, row.point.level), value)
    levels = sorted({level for _, level in found})
    rtts = sorted({rtt for rtt, _ in found})
    width = 0.8 / max(len(rtts), 1)
    for number, rtt in enumerate(rtts):
        values = [found.get((rtt, level), 0.0) for level in levels]
        at = [index + (number - (len(rtts) - 1) / 2) * width for index in range(len(levels))]
        bars = axes.bar(
            at,
            values,
            width * 0.92,
            label=f"RTT {rtt * 1000:.0f} ms",
            color=("0.3", "0.85")[number % 2],
            hatch=HATCHES[number % 2],
            edgecolor="0.15",
            linewidth=0.7,
        )
        axes.bar_label(bars, [f"{one:.3g}" for one in values], fontsize=8)
    axes.set_xticks(range(len(levels)), [f"level {level}" for level in levels])
    axes.set_ylabel(unit)
    axes.set_title(title, loc="left")
    axes.grid(axis="x", visible=False)
    axes.margins(y=0.2)
