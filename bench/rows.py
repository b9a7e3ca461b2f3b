"""One measured point as a row: the same in the journal, in JSON and in the tidy CSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

from bench.plan import Point


@dataclass(frozen=True)
class Row:
    """What was measured at one point. Bytes and seconds; None where it was not measured.

    Attributes:
        seconds: from the first chunk to the last confirmation.
        confirmed: bytes, of all uploads.
        finished: uploads that the server called complete.
        mib_s: MiB/s confirmed, of all uploads together.
        line_mib_s: MiB/s confirmed of one upload, while it sent.
        chunk_p50, chunk_p95, chunk_p99: from a chunk's first byte to its confirmation.
        complete: from the last chunk to the finished file, median.
        sent_twice: bytes sent for nothing, of all uploads.
        conflicts, retries, gave_up: see :class:`bench.patient.Outcome`.
        cpu_per_gib: seconds of CPU of all server processes per GiB confirmed, completion included.
        rss_idle, rss_peak: all server processes; pages that they share count more than once.
        client_rss: peak of the process of one client.
        small_p50, small_p99: of a small request to the same server meanwhile; at level 4 to the application.
        others: share of the machine's CPUs that was busy with what is not ours.
    """

    point: Point
    seconds: float
    confirmed: int
    finished: int
    mib_s: float
    line_mib_s: float
    chunk_p50: float | None = None
    chunk_p95: float | None = None
    chunk_p99: float | None = None
    complete: float | None = None
    sent_twice: int = 0
    conflicts: int = 0
    retries: int = 0
    gave_up: int = 0
    cpu_per_gib: float | None = None
    rss_idle: int | None = None
    rss_peak: int | None = None
    client_rss: int | None = None
    small_p50: float | None = None
    small_p99: float | None = None
    others: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For :meth:`from_json`; no line is unlimited in JSON, so such a bandwidth is null."""
        return {name: _plain(value) for name, value in self.flat().items()}

    def flat(self) -> dict[str, Any]:
        """Point and results side by side."""
        measured = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "point"}
        return {**asdict(self.point), **measured}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Row:
        """The row that :meth:`as_json` made."""
        names = [field.name for field in fields(Point)]
        point = {name: row[name] for name in names}
        if point["bandwidth"] is None:
            point["bandwidth"] = math.inf
        return cls(Point(**point), **{name: value for name, value in row.items() if name not in names})


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isinf(value) else value


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """One row a measurement, one column a variable."""
    flat = [{name: _short(value) for name, value in row.as_json().items()} for row in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(flat[0]) if flat else [])
        table.writeheader()
        table.writerows(flat)


def _short(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def read_json(path: Path) -> tuple[list[Row], dict[str, Any]]:
    """The rows of a run, and what was noted beside them.

    Raises:
        FileNotFoundError: there is no such run.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    return [Row.from_json(row) for row in found.pop("rows")], found


def write_json(path: Path, rows: Sequence[Row], notes: dict[str, Any]) -> None:
    """What :func:`read_json` reads, a row a line."""
    lines = ",\n".join(
        "    " + json.dumps({name: _short(value) for name, value in row.as_json().items()}) for row in rows
    )
    head = json.dumps(notes, indent=2, ensure_ascii=False)[:-2]
    path.write_text(f'{head},\n  "rows": [\n{lines}\n  ]\n}}\n', encoding="utf-8")


def median_by(
    rows: Iterable[Row], key: Callable[[Row], Any], value: Callable[[Row], float | None]
) -> dict[Any, float]:
    """The median of ``value`` over the rounds, for every ``key``, in the keys' order."""
    groups: dict[Any, list[float]] = {}
    for row in rows:
        found = value(row)
        if found is not None:
            groups.setdefault(key(row), []).append(found)
    return {name: median(groups[name]) for name in sorted(groups)}
