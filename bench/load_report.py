"""What a load test found, by chunk size. Pure; :mod:`bench.locustfile` fills it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from bench.patient import Outcome
from bench.payload import MIB
from bench.percentiles import percentile
from bench.units import shown, size


@dataclass(frozen=True)
class Sizes:
    """What users upload, in bytes."""

    chunks: tuple[int, ...]
    file: int

    @classmethod
    def parse(cls, chunks: str, file: str) -> Sizes:
        """From a command line.

        Raises:
            ValueError: not sizes, or nothing at all.
        """
        found = cls(tuple(size(one) for one in chunks.split(",")), size(file))
        if min(found.chunks) < 1 or found.file < 1:
            raise ValueError("chunks and files have one byte at least")
        return found


@dataclass
class Counted:
    """Everything that users of one chunk size did. Bytes and seconds.

    Attributes:
        first, last: when the first chunk began and the last one was confirmed; seconds of `time.time`, which
            machines that load together share.
    """

    confirmed: int = 0
    sent: int = 0
    files: int = 0
    refused: int = 0
    conflicts: int = 0
    retries: int = 0
    gave_up: int = 0
    first: float = float("inf")
    last: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def chunk(self, seconds: float, length: int) -> None:
        """A chunk was confirmed."""
        self.confirmed += length
        self.seconds.append(seconds)
        self.last = time.time()
        self.first = min(self.first, self.last - seconds)

    def upload(self, outcome: Outcome) -> None:
        """An upload ended, one way or another."""
        self.sent += outcome.sent
        self.files += outcome.completed is not None
        self.refused += outcome.refused is not None
        self.conflicts += outcome.conflicts
        self.retries += outcome.retries
        self.gave_up += outcome.gave_up

    def add(self, other: dict[str, Any]) -> None:
        """Somebody else's figures."""
        for name in ("confirmed", "sent", "files", "refused", "conflicts", "retries", "gave_up", "seconds"):
            setattr(self, name, getattr(self, name) + other[name])
        if other["seconds"]:
            self.first, self.last = min(self.first, other["first"]), max(self.last, other["last"])

    @property
    def mib_s(self) -> float:
        """MiB/s confirmed, of all users of this chunk size together."""
        elapsed = self.last - self.first
        return self.confirmed / MIB / elapsed if elapsed > 0 else 0.0

    @property
    def sent_twice(self) -> int:
        """Bytes sent for nothing: chunks that broke off and were sent again, or were under way at the end."""
        return max(self.sent - self.confirmed, 0)


class Loads:
    """Everything, by chunk size.

    Attributes:
        ceiling: MiB/s of this client against a server that throws everything away; None: not measured.
    """

    def __init__(self) -> None:
        self.ceiling: float | None = None
        self._found: dict[int, Counted] = {}

    def begin(self) -> None:
        """Forget."""
        self._found.clear()

    def of(self, chunk_size: int) -> Counted:
        """The figures of one chunk size, to be added to at once: later they may be handed over."""
        return self._found.setdefault(chunk_size, Counted())

    def hand_over(self) -> dict[str, Any]:
        """Everything so far, and forget it: the master has it now."""
        handed = {str(chunk): vars(counted) for chunk, counted in self._found.items()}
        self._found = {}
        return handed

    def add_all(self, handed: dict[str, Any]) -> None:
        """What a worker handed over."""
        for chunk, figures in handed.items():
            self.of(int(chunk)).add(figures)

    @property
    def nothing_confirmed(self) -> bool:
        """Whether not one byte arrived."""
        return not any(counted.confirmed for counted in self._found.values())

    @property
    def together(self) -> float:
        """MiB/s confirmed of all users."""
        found = [counted for counted in self._found.values() if counted.confirmed]
        if not found:
            return 0.0
        elapsed = max(one.last for one in found) - min(one.first for one in found)
        return sum(one.confirmed for one in found) / MIB / elapsed if elapsed > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return {"mib_s": self.together, "ceiling_mib_s": self.ceiling, "chunk_sizes": list(self._rows())}

    def _rows(self) -> Iterable[dict[str, Any]]:
        for chunk in sorted(self._found):
            counted = self._found[chunk]
            yield {
                "chunk_size": chunk,
                "mib_s": counted.mib_s,
                "files": counted.files,
                **{f"p{at}": percentile(counted.seconds, at) for at in (50, 95, 99)},
                "conflicts": counted.conflicts,
                "retries": counted.retries,
                "gave_up": counted.gave_up,
                "refused": counted.refused,
                "confirmed": counted.confirmed,
                "sent_twice": counted.sent_twice,
            }


HEADINGS: Final = (
    "chunk",
    "MiB/s",
    "files",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "409",
    "retries",
    "refused",
    "sent twice",
)


def render(loads: Loads, *, workers: bool = False) -> str:
    """The table by chunk size, and how it compares with the client's own ceiling."""
    lines = ["", "Confirmed, by chunk size", "".join(f"{heading:>12}" for heading in HEADINGS)]
    for row in loads.as_json()["chunk_sizes"]:
        cells = [
            shown(row["chunk_size"]),
            f"{row['mib_s']:.1f}",
            str(row["files"]),
            *("–" if row[f"p{at}"] is None else f"{row[f'p{at}'] * 1000:.1f}" for at in (50, 95, 99)),
            str(row["conflicts"]),
            str(row["retries"]),
            str(row["refused"]),
            shown(row["sent_twice"]),
        ]
        lines.append("".join(f"{cell:>12}" for cell in cells))
    lines.append(f"all together: {loads.together:.1f} MiB/s confirmed")
    if loads.ceiling is not None:
        share = loads.together / loads.ceiling if loads.ceiling else 0.0
        lines.append(
            f"this client alone, into a sink: {loads.ceiling:,.0f} MiB/s"
            + (" a process" if workers else "")
            + f"; the server was measured at {share:.0%} of it"
            + (" (too close: use --processes, or the client is what you measure)" if share > 0.7 else "")
        )
    return "\n".join(lines)
