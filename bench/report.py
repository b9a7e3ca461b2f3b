"""Results in three forms: a table to look at, JSON to keep, CSV to draw from."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.judge import Bar, Measurement, Memory, Stalled, median_of, ratio
from bench.machine import Machine
from bench.payload import MIB

QUIET: Final = 10.0


@dataclass(frozen=True)
class Report:
    """Everything one run found.

    Attributes:
        servers: names in the order to show, with a word about each; the first is what is measured.
        missing: what could not be measured, and why.
        busy_elsewhere: per cent of all CPUs that were busy while nothing of this run was; above
            :data:`QUIET`, other work took part in the results.
    """

    machine: Machine
    servers: dict[str, str]
    missing: dict[str, str]
    busy_elsewhere: float
    uploads: Sequence[int]
    measurements: Sequence[Measurement]
    memory: Memory
    stalled: Stalled
    bars: Sequence[Bar]

    def show(self, console: Console) -> None:
        """Print the tables."""
        console.print(self._throughput())
        for name, why in self.missing.items():
            console.print(f"not installed: {name} ({why})", style="yellow")
        if self.busy_elsewhere > QUIET:
            console.print(
                f"this machine was {self.busy_elsewhere:.0f} % busy with something else: "
                "believe the ratios rather than the MiB/s, and neither too much",
                style="yellow",
            )
        memory, stalled = self.memory, self.stalled
        console.print(
            f"\nlevel 2, RSS of all processes: idle {_mib(memory.idle)}, one file {_mib(memory.one_file)}, "
            f"a file 8 times larger {_mib(memory.larger_file)}, "
            f"64 uploads in flight {_mib(memory.in_flight)}, "
            f"{stalled.connections} stalled connections {_mib(stalled.rss)}\n"
        )
        bars = Table("bar", "measured", "holds", title="The bars")
        for bar in self.bars:
            verdict = {True: "[green]yes", False: "[bold red]NO", None: "[yellow]not measured"}[bar.holds]
            bars.add_row(bar.name, bar.measured, verdict)
        console.print(bars)

    def write(self, folder: Path) -> None:
        """Write ``disk.json`` and ``disk.csv``."""
        folder.mkdir(parents=True, exist_ok=True)
        summary = asdict(self) | {"medians": self._medians()}
        text = json.dumps(summary, indent=2, ensure_ascii=False, default=str)
        (folder / "disk.json").write_text(text + "\n", encoding="utf-8")
        with (folder / "disk.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, [field.name for field in fields(Measurement)])
            table.writeheader()
            table.writerows(_rounded(measurement) for measurement in self.measurements)

    def _medians(self) -> list[dict[str, object]]:
        figures = [field.name for field in fields(Measurement)][3:]
        return [
            {"server": server, "uploads": uploads}
            | {name: _figure(median_of(self.measurements, server, uploads, name)) for name in figures}
            | {"of_nginx": _figure(ratio(self.measurements, server, "nginx", uploads))}
            for server in self.servers
            for uploads in self.uploads
        ]

    def _throughput(self) -> Table:
        table = Table(title="8 MiB chunks over loopback to one disk; medians", caption=_words(self.servers))
        for heading in ("server", "uploads", "chunks MiB/s", "of nginx", "of @tus", "whole MiB/s"):
            table.add_column(heading, justify="left" if heading == "server" else "right")
        for heading in ("complete s", "CPU s/GiB chunks", "CPU s/GiB whole"):
            table.add_column(heading, justify="right")
        for uploads in self.uploads:
            for server in self.servers:
                of = [ratio(self.measurements, server, other, uploads) for other in ("nginx", "@tus/server")]
                found = [
                    median_of(self.measurements, server, uploads, name)
                    for name in ("chunk_mib_s", "whole_mib_s", "complete_s", "chunk_cpu", "whole_cpu")
                ]
                chunks, whole, complete, chunk_cpu, whole_cpu = found
                table.add_row(
                    server,
                    str(uploads),
                    _shown(chunks, 0),
                    *(_shown(value, 2) for value in of),
                    _shown(whole, 0),
                    *(_shown(value, 2) for value in (complete, chunk_cpu, whole_cpu)),
                )
            table.add_section()
        return table


def _words(servers: dict[str, str]) -> str:
    return "\n".join(f"{name}: {words}" for name, words in servers.items())


def _mib(size: int) -> str:
    return f"{size / MIB:.0f} MiB"


def _shown(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _figure(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _rounded(measurement: Measurement) -> dict[str, object]:
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(measurement).items()}
