"""Draws the figures of a run: ``python -m bench.plot RESULTS`` draws them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

import click
import matplotlib as mpl
from matplotlib.figure import Figure

from bench.figures import levels, load, throughput, trade
from bench.figures.style import LOOK
from bench.rows import Row, read_json

FIGURES: Final[dict[str, Callable[[Sequence[Row], dict[str, Any]], Figure]]] = {
    "1-throughput": throughput.figure,
    "2-trade": trade.figure,
    "3-levels": levels.figure,
    "4-load": load.figure,
}


def draw(rows: Sequence[Row], notes: dict[str, Any], folder: Path) -> list[str]:
    """Draw all figures into ``folder``, as PNG and as SVG; the names of the files."""
    drawn = []
    for name, make in FIGURES.items():
        with mpl.rc_context(cast(Any, LOOK)):
            figure = make(rows, notes)
            for kind in ("png", "svg"):
                # Without a date in it the same rows make the same file.
                figure.savefig(folder / f"{name}.{kind}", metadata={"Date": None} if kind == "svg" else None)
                drawn.append(f"{name}.{kind}")
    return drawn


@click.command()
@click.argument("results", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(results: Path) -> None:
    """Draw the figures of the run in the folder RESULTS again."""
    rows, notes = read_json(results / "sweep.json")
    click.echo("\n".join(str(results / name) for name in draw(rows, notes, results)))


if __name__ == "__main__":
    main()
