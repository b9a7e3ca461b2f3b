"""How all figures look. Every curve has a marker, a line style and a shade of its own, so that they can be
told apart on a printer without colours."""

from __future__ import annotations

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from bench.payload import MIB
from bench.units import shown

LOOK: Final[dict[str, Any]] = {
    "figure.dpi": 120,
    "savefig.dpi": 120,
    "figure.constrained_layout.use": True,
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.88",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.hashsalt": "upload-levels",
    "svg.fonttype": "path",
}

# From dark to light in luminance as well: in grey they keep their order.
SHADES: Final = ("#0b1f4b", "#7a1f5c", "#b5462f", "#d08a1d", "#9fbf5f")
MARKERS: Final = ("o", "s", "^", "D", "v")
STYLES: Final = ("-", (0, (6, 1.5)), (0, (3, 1.2)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
HATCHES: Final = ("", "///", "...", "xxx")
DASHED: Final = (0, (2, 2))


def chunk_axis(axes: Axes, sizes: list[int]) -> None:
    """A logarithmic axis of chunk sizes, with a tick at each size that was measured."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _at: shown(size).replace(" ", "\n")))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("chunk size")


def plain_log(axes: Axes) -> None:
    """A logarithmic y axis whose ticks are plain numbers."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def nothing(axes: Axes, what: str) -> None:
    """Say that a panel is empty, and why."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, f"not measured: {what}", ha="center", va="center", transform=axes.transAxes)


def between(sizes: list[int], steps: int = 80) -> list[float]:
    """Chunk sizes for a smooth curve from the smallest to the largest."""
    low, high = min(sizes), max(sizes)
    return [low * (high / low) ** (step / steps) for step in range(steps + 1)]


def mib(size: float) -> float:
    """MiB."""
    return size / MIB
