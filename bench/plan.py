"""What is measured: every point of the sweep, in the order in which it is done. Pure."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from bench.payload import MIB
from bench.units import KIB

CHUNKS: Final = tuple(size * KIB for size in (256, 1024, 2048, 4096, 8192, 16384, 32768, 65536))
S3_MINIMUM: Final = 5 * MIB
"""The smallest part that S3 takes."""

PARTS: Final = ("rtt", "levels", "load", "memory", "loss")
LEVEL_1_FILE: Final = 48 * MIB
SLOW_LINE: Final = 50 * 10**6 / 8
"""Bytes per second, where lost work is measured: 50 Mbit/s, an upload line as people have them."""

DRIP: Final = 64 * KIB
"""Bytes per second of a client on a slow line, among others."""


@dataclass(frozen=True)
class Point:
    """One measurement: what is uploaded to whom, over which line. Bytes and seconds.

    Attributes:
        part: which question it belongs to: `rtt`, `loss`, `levels`, `load` or `memory`.
        uploads: at once, each of ``file_size``.
        slow: clients beside them that send :data:`DRIP` bytes per second.
        proxied: over the delay proxy, even if it delays nothing.
        cuts: connections broken, per byte.
        deadline: seconds after which an upload is left as it is; None: as long as it takes.
    """

    part: str
    level: int
    chunk_size: int
    file_size: int
    round: int
    uploads: int = 1
    slow: int = 0
    proxied: bool = False
    rtt: float = 0.0
    bandwidth: float = math.inf
    cuts: float = 0.0
    deadline: float | None = None

    @property
    def key(self) -> str:
        """The same for the same point."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def guess(self) -> float:
        """Seconds that it may take; only for the time that is left."""
        chunks = -(-self.file_size // self.chunk_size)
        data = self.uploads * self.file_size
        seconds = 0.8 + chunks * (self.rtt + 0.02) + max(data / (200 * MIB), self.file_size / self.bandwidth)
        lost = self.cuts * self.file_size * (1.2 + self.chunk_size / self.bandwidth)
        return min(seconds + lost, self.deadline or math.inf)


Step = tuple[Point, ...]
"""Points that are measured at the same time, because none of them keeps the machine busy."""


@dataclass(frozen=True)
class Plan:
    """The axes of a sweep.

    Attributes:
        name: what it is called.
        levels: all that take part.
        swept: those whose every chunk size and round-trip time is measured.
        rounds: repetitions; the median counts.
        calibration: bytes of an upload by which the instruments themselves are measured.
        clients: processes that uploads are spread over.
        limit: seconds after which no further round is begun or gone on with: the first one is always whole.
        once: parts that are measured in the first round only: each of their points is many uploads already.
        deadline: seconds for one upload on a line that breaks.
    """

    name: str
    levels: Sequence[int]
    swept: Sequence[int]
    rounds: int
    chunks: Sequence[int] = CHUNKS
    rtts: Sequence[float] = (0.0, 0.01, 0.05, 0.1, 0.2)
    losses: Sequence[float] = (0.0, 16.0, 64.0, 256.0)
    loss_uploads: int = 4
    loss_file: int = 64 * MIB
    deadline: float = 40.0
    loads: Sequence[int] = (1, 4, 16, 64, 256)
    level_uploads: int = 4
    level_file: int = 64 * MIB
    level_rtts: Sequence[float] = (0.0, 0.05)
    parts: Sequence[str] = PARTS
    once: Sequence[str] = ()
    limit: float = math.inf
    calibration: int = 128 * MIB
    clients: int = 4

    def steps(self) -> list[Step]:
        """Everything, round by round: what is measured twice is measured minutes apart."""
        ways = {
            "rtt": self._rtt,
            "levels": self._levels,
            "load": self._load,
            "memory": self._memory,
            "loss": self._loss,
        }
        return [
            step
            for number in range(self.rounds)
            for part in self.parts
            if number == 0 or part not in self.once
            for step in ways[part](number)
            if step
        ]

    @property
    def identity(self) -> str:
        """The same for the same plan: where an interrupted run is found again."""
        text = "\n".join(point.key for step in self.steps() for point in step)
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def _rtt(self, number: int) -> Iterator[Step]:
        """Chunk size against round-trip time, one upload."""
        for level in self.levels:
            few = level not in self.swept
            for rtt in self.rtts[-1:] if few else self.rtts:
                for chunk in self._chunks(level, coarse=few):
                    # Enough chunks for a mean, enough bytes for a clock, and no more waiting than it needs.
                    count = max(3, min(8, 48 * MIB // chunk))
                    file = LEVEL_1_FILE if level == 1 else count * chunk
                    yield (Point("rtt", level, chunk, file, number, proxied=True, rtt=rtt),)

    def _levels(self, number: int) -> Iterator[Step]:
        """The same task for every level, and a small request to the same server meanwhile."""
        for level in self.levels:
            for rtt in self.level_rtts:
                file = min(self.level_file, LEVEL_1_FILE) if level == 1 else self.level_file
                chunk = file if level == 1 else 8 * MIB
                yield (
                    Point("levels", level, chunk, file, number, self.level_uploads, proxied=rtt > 0, rtt=rtt),
                )

    def _load(self, number: int) -> Iterator[Step]:
        """More and more uploads at once; then the same, three of four on a slow line."""
        for level in [level for level in self.levels if level > 1]:
            for uploads in self.loads:
                file = 8 * MIB * max(1, min(8, 128 // uploads))
                yield (Point("load", level, 8 * MIB, file, number, uploads),)
                if uploads >= 4:
                    fast = uploads // 4
                    file = 8 * MIB * max(1, min(8, 128 // fast))
                    yield (Point("load", level, 8 * MIB, file, number, fast, slow=uploads - fast),)

    def _memory(self, number: int) -> Iterator[Step]:
        """The project's own client, watched from outside, chunk size by chunk size."""
        for level in [level for level in self.swept if level > 1]:
            for chunk in self._chunks(level):
                yield (Point("memory", level, chunk, max(2 * chunk, 16 * MIB), number),)

    def _loss(self, number: int) -> Iterator[Step]:
        """A slow line that breaks. All chunk sizes at once: each upload has a line of its own."""
        for level in [level for level in self.swept[:1] if level > 1]:
            for loss in self.losses:
                yield tuple(
                    Point(
                        "loss",
                        level,
                        chunk,
                        self.loss_file,
                        number,
                        self.loss_uploads,
                        proxied=True,
                        rtt=0.05,
                        bandwidth=SLOW_LINE,
                        cuts=loss / (1024 * MIB),
                        deadline=self.deadline,
                    )
                    for chunk in self._chunks(level, coarse=True)
                )

    def _chunks(self, level: int, *, coarse: bool = False) -> list[int]:
        """Chunk sizes that make sense for a level; every second one if ``coarse``, always with 8 MiB."""
        if level == 1:
            return [LEVEL_1_FILE]
        wanted = [size for size in self.chunks if level < 3 or size >= S3_MINIMUM]
        if level >= 3 and S3_MINIMUM not in wanted and wanted and min(self.chunks) < S3_MINIMUM:
            wanted.insert(0, S3_MINIMUM)
        if not coarse or len(wanted) <= 3:
            return wanted
        return [size for size in wanted if size in COARSE or size not in CHUNKS]


COARSE: Final = tuple(size * KIB for size in (256, 1024, 4096, 8192, 16384, 65536))


def quick(levels: Sequence[int]) -> Plan:
    """`make bench`: ten minutes or less."""
    swept = [level for level in levels if level == 2]
    return Plan("bench", levels, swept, rounds=3, once=("load", "loss", "memory"), limit=540)


def full(levels: Sequence[int]) -> Plan:
    """`make bench-full`: every level at every point, five times, with more that breaks."""
    return Plan(
        "bench-full",
        levels,
        [level for level in levels if level > 1],
        rounds=5,
        losses=(0.0, 4.0, 16.0, 64.0, 256.0),
        loss_uploads=8,
        deadline=90.0,
        loads=(1, 2, 4, 8, 16, 32, 64, 128, 256),
    )


def tiny(levels: Sequence[int]) -> Plan:
    """Seconds: two chunk sizes, two round-trip times. Only for tests and for a first look."""
    return Plan(
        "bench-tiny",
        levels,
        [2],
        rounds=1,
        chunks=(256 * KIB, 1024 * KIB),
        rtts=(0.02, 0.08),
        losses=(0.0, 256.0),
        loss_uploads=1,
        loss_file=2 * MIB,
        deadline=4.0,
        loads=(1, 4),
        level_uploads=2,
        level_file=8 * MIB,
        level_rtts=(0.0,),
        calibration=16 * MIB,
        clients=2,
    )


PLANS: Final = {"quick": quick, "full": full, "tiny": tiny}
