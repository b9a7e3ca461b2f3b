"""Figure 4: more and more uploads at once, then the same with three of four on slow lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from bench.figures.style import MARKERS, SHADES, STYLES, mib, nothing
from bench.plan import DRIP
from bench.rows import Row, median_by
from bench.units import shown


def figure(rows: Sequence[Row], notes: dict[str, Any]) -> Figure:
    """Draw it."""
    del notes
    mine = [row for row in rows if row.point.part == "load"]
    drawn = Figure(figsize=(10.5, 5.2))
    left, right = drawn.subplots(1, 2)
    if not mine:
        nothing(left, "many uploads at once")
        nothing(right, "many uploads at once")
        return drawn
    _curves(left, mine, lambda row: row.mib_s)
    left.set_ylabel("MiB/s of the fast uploads, all together")
    left.set_title("Throughput against uploads at once", loc="left")
    _curves(right, mine, lambda row: mib(row.rss_peak) if row.rss_peak else None)
    right.set_ylabel("MiB resident, all server processes, peak")
    right.set_title("Memory against uploads at once", loc="left")
    drawn.legend(
        *right.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len({row.point.level for row in mine}),
        title=f"8 MiB chunks; a slow client sends {shown(DRIP)}/s",
        title_fontsize=8.5,
    )
    return drawn


def _curves(axes: Axes, rows: Sequence[Row], value: Callable[[Row], float | None]) -> None:
    found = median_by(
        rows, lambda row: (row.point.level, row.point.slow > 0, row.point.uploads + row.point.slow), value
    )
    for number, level in enumerate(sorted({level for level, _, _ in found})):
        for slow in (False, True):
            mine = {
                count: one
                for (at, with_slow, count), one in found.items()
                if (at, with_slow) == (level, slow)
            }
            axes.plot(
                list(mine),
                list(mine.values()),
                marker=MARKERS[number % len(MARKERS)],
                markerfacecolor="white" if slow else SHADES[number % len(SHADES)],
                linestyle=STYLES[2] if slow else "-",
                color=SHADES[number % len(SHADES)],
                label=f"level {level}, " + ("three of four slow" if slow else "all fast"),
            )
    counts = sorted({count for _, _, count in found})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _at: f"{count:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("uploads at once")
    axes.set_ylim(0, max(found.values()) * 1.1)
