"""Figure 2: the other side of the trade. Lost work, progress, memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures.style import MARKERS, SHADES, STYLES, between, chunk_axis, mib, nothing, plain_log
from bench.model import Line, ServerCost, chunk_seconds
from bench.plan import CHUNKS, SLOW_LINE
from bench.rows import Row, median_by
from bench.summary import LOSS_RTT, LossCurve, cost_of, loss_curves, main_level, predicted

LINES: Final = (2.0, 10.0, SLOW_LINE * 8 / 1e6)
"""Mbit/s."""

PATIENCE: Final = 10.0
"""Seconds without a sign of life after which people believe that something hangs (J. Nielsen, 1993)."""


def figure(rows: Sequence[Row], notes: dict[str, Any]) -> Figure:
    """Draw it."""
    cost = cost_of(notes["summary"], main_level(rows))
    drawn = Figure(figsize=(10.5, 8.2))
    (goodput, twice), (progress, memory) = drawn.subplots(2, 2)
    curves = loss_curves(rows, cost)
    if curves:
        _goodput(goodput, curves, cost)
        _twice(twice, curves, cost)
    else:
        nothing(goodput, "lines that break")
        nothing(twice, "lines that break")
    _progress(progress, rows, cost)
    _memory(memory, rows)
    return drawn


def _goodput(axes: Axes, curves: Sequence[LossCurve], cost: ServerCost) -> None:
    sizes = sorted({size for curve in curves for size in curve.goodput})
    for number, curve in enumerate(curves):
        shade, marker, style = _look(number)
        smooth = between(sizes)
        axes.plot(
            smooth,
            [mib(predicted(curve, cost, size).goodput) for size in smooth],
            color=shade,
            linestyle=style,
        )
        axes.plot(list(curve.goodput), list(curve.goodput.values()), marker, color=shade, label=_name(curve))
        if curve.best is not None and sizes[0] <= curve.best.chunk_size <= sizes[-1]:
            axes.plot(
                curve.best.chunk_size,
                mib(curve.best.goodput),
                "*",
                color=shade,
                markersize=15,
                markeredgecolor="white",
            )
    axes.plot([], [], "*", color="0.3", markersize=11, label="the model's optimum")
    chunk_axis(axes, sizes)
    axes.set_ylabel("goodput of one upload, MiB/s")
    line = curves[0].line
    axes.set_title(
        f"A {line.bandwidth * 8 / 1e6:.0f} Mbit/s line, RTT {line.rtt * 1000:.0f} ms, that breaks", loc="left"
    )
    axes.set_ylim(0, mib(curves[0].line.bandwidth) * 1.35)
    axes.legend(loc="upper left", ncols=2, fontsize=8)


def _twice(axes: Axes, curves: Sequence[LossCurve], cost: ServerCost) -> None:
    sizes = sorted({size for curve in curves for size in curve.goodput})
    for number, curve in enumerate(curves):
        shade, marker, style = _look(number)
        if curve.best is None:
            continue
        smooth = [size for size in between(sizes) if predicted(curve, cost, size).overhead < 4]
        axes.plot(
            smooth,
            [100 * predicted(curve, cost, size).overhead for size in smooth],
            color=shade,
            linestyle=style,
        )
        measured = {size: 100 * share for size, share in curve.wasted.items() if share > 0}
        axes.plot(list(measured), list(measured.values()), marker, color=shade, label=_name(curve))
    chunk_axis(axes, sizes)
    plain_log(axes)
    axes.set_ylabel("bytes sent twice, % of the file")
    axes.set_title("What is thrown away (line: the model)", loc="left")
    axes.legend(loc="upper left", fontsize=8)


def _progress(axes: Axes, rows: Sequence[Row], cost: ServerCost) -> None:
    sizes = list(CHUNKS)
    for number, mbit in enumerate(LINES):
        shade, marker, style = _look(number)
        line = Line(LOSS_RTT, mbit * 1e6 / 8)
        smooth = between(sizes)
        axes.plot(
            smooth,
            [chunk_seconds(size, line, cost) for size in smooth],
            color=shade,
            linestyle=style,
            label=f"{mbit:g} Mbit/s",
        )
        measured = median_by(
            [
                row
                for row in rows
                if row.point.part == "loss" and not row.point.cuts and row.point.bandwidth == line.bandwidth
            ],
            lambda row: row.point.chunk_size,
            lambda row: row.chunk_p50,
        )
        if measured:
            axes.plot(
                list(measured),
                list(measured.values()),
                marker,
                color=shade,
                label=f"{mbit:g} Mbit/s, measured",
            )
    axes.axhline(PATIENCE, color="0.4", linewidth=0.9)
    axes.text(sizes[0], PATIENCE * 1.12, "10 s: seems to hang", fontsize=8, color="0.3")
    chunk_axis(axes, sizes)
    plain_log(axes)
    axes.set_ylabel("seconds between two confirmations")
    axes.set_title("How often the progress bar moves", loc="left")
    axes.legend(loc="lower right", fontsize=8)


def _memory(axes: Axes, rows: Sequence[Row]) -> None:
    mine = [row for row in rows if row.point.part == "memory"]
    if not mine:
        nothing(axes, "memory")
        return
    level = min(row.point.level for row in mine)
    mine = [row for row in mine if row.point.level == level]
    server = median_by(mine, _chunk, lambda row: mib(row.rss_peak) if row.rss_peak else None)
    client = median_by(mine, _chunk, lambda row: mib(row.client_rss) if row.client_rss else None)
    sizes = list(server)
    axes.plot(sizes, list(server.values()), "o-", color=SHADES[0], label=f"server (level {level}), peak")
    axes.plot(
        sizes,
        list(client.values()),
        "s",
        linestyle=STYLES[1],
        color=SHADES[2],
        label="client (`upload-levels put`), peak",
    )
    base = min(client.values())
    naive = [base + mib(size) for size in sizes]
    axes.plot(sizes, naive, linestyle=":", color="0.4", label="a client that holds its chunk (computed)")
    chunk_axis(axes, sizes)
    axes.set_ylim(0, max([*server.values(), *naive]) * 1.3)
    axes.set_ylabel("MiB resident")
    axes.set_title("Memory: no chunk is held on either side", loc="left")
    axes.legend(loc="upper left", fontsize=8)


def _chunk(row: Row) -> int:
    return row.point.chunk_size


def _name(curve: LossCurve) -> str:
    return f"{curve.per_gib:g} cuts per GiB" if curve.per_gib else "unbroken"


def _look(number: int) -> tuple[str, str, Any]:
    return SHADES[number % len(SHADES)], MARKERS[number % len(MARKERS)], STYLES[number % len(STYLES)]
