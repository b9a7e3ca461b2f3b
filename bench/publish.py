"""Makes a run the reference run: ``make bench-docs`` copies it into `results/` and draws it again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import click

from bench.plot import draw
from bench.rows import read_json, write_csv, write_json
from bench.summary import summary

RESULTS: Final = Path(__file__).parent / "results"
PEERS: Final = ("peers.json", "peers.md")


@click.command()
@click.argument("run", default="build/bench", type=click.Path(file_okay=False, path_type=Path))
def main(run: Path) -> None:
    """Take the run in the folder RUN as the reference run."""
    RESULTS.mkdir(exist_ok=True)
    if not (run / "sweep.json").exists():
        raise click.UsageError(f"there is no finished run in {run}; `make bench` makes one")
    rows, notes = read_json(run / "sweep.json")
    notes["summary"] = summary(rows)
    write_csv(RESULTS / "sweep.csv", rows)
    write_json(RESULTS / "sweep.json", rows, notes)
    drawn = draw(rows, notes, RESULTS)
    for name in PEERS:
        if (run / name).exists():
            shutil.copy(run / name, RESULTS / name)
            drawn.append(name)
    click.echo(f"{RESULTS.name}/: sweep.csv, sweep.json, {', '.join(drawn)}")


if __name__ == "__main__":
    main()
