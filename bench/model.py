"""What a chunk costs, as arithmetic. Pure.

Chunks go one after another, and each waits for its answer. So a chunk of ``c`` bytes takes one round trip,
the time its bytes need on the line, and what the server does with it; from that follows the throughput

    c / (RTT + c / bandwidth + server)

The article ("Choosing a chunk size") has the first term alone, c / RTT: the bound for a line and a server
that are infinitely fast.

A line that breaks adds the other side of the trade. Let cuts come at random, ``cuts`` of them per byte sent.
A chunk gets through with probability exp(-cuts·c), so it is begun exp(cuts·c) times on average, and the bytes
sent until one whole chunk is through are (exp(cuts·c) - 1) / cuts: what is known of restarting a job of
length c that is interrupted at rate ``cuts``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

PAUSES: Final = (1.0, 3.0)
"""Seconds a client waits after the first failure in a row and after the second (PROTOCOL.md, `client/retry`).
The third ends its attempt; a person who tries again starts at once, from the confirmed offset."""

OVERFLOW: Final = 50.0
"""Cuts per chunk beyond which no chunk ever gets through: exp of it is 10²¹ attempts."""


@dataclass(frozen=True)
class Line:
    """The way between client and server.

    Attributes:
        rtt: round-trip time, seconds.
        bandwidth: bytes per second.
        cuts: connections broken, per byte sent.
    """

    rtt: float = 0.0
    bandwidth: float = math.inf
    cuts: float = 0.0


@dataclass(frozen=True)
class ServerCost:
    """What the far end adds.

    Attributes:
        per_chunk: seconds that a chunk costs whatever its size.
        speed: bytes per second it takes in at most.
    """

    per_chunk: float = 0.0
    speed: float = math.inf


@dataclass(frozen=True)
class Expected:
    """What to expect of one chunk size on one line.

    Attributes:
        goodput: confirmed bytes per second.
        overhead: bytes sent for nothing, per byte confirmed.
        progress: seconds between two confirmations when nothing breaks.
    """

    chunk_size: float
    goodput: float
    overhead: float
    progress: float


def bound(chunk_size: float, rtt: float) -> float:
    """The article's bound in bytes per second; infinite without a round-trip time."""
    return chunk_size / rtt if rtt > 0 else math.inf


def chunk_seconds(chunk_size: float, line: Line, server: ServerCost) -> float:
    """Seconds from the first byte of a chunk to its confirmation when nothing breaks.

    Line and server work at the same time, on different bytes: the slower one counts.
    """
    return line.rtt + chunk_size / min(line.bandwidth, server.speed) + server.per_chunk


def throughput(chunk_size: float, line: Line, server: ServerCost) -> float:
    """Bytes per second when nothing breaks."""
    return chunk_size / chunk_seconds(chunk_size, line, server)


def expect(
    chunk_size: float,
    line: Line,
    server: ServerCost,
    round_trips_to_resume: float = 2.0,
    pauses: Sequence[float] = PAUSES,
) -> Expected:
    """Goodput and waste on a line that breaks.

    Args:
        round_trips_to_resume: to connect again and to ask for the offset.
        pauses: seconds to wait after each failure in a row; the one after the last pause waits for nothing.
    """
    once = chunk_seconds(chunk_size, line, server)
    cuts = line.cuts * chunk_size
    if cuts > OVERFLOW:
        return Expected(chunk_size, 0.0, math.inf, once)
    failures = math.expm1(cuts)
    sent = failures / line.cuts if cuts > 0 else chunk_size
    wasted = sent - chunk_size
    failing = -math.expm1(-cuts)
    waiting = sum(pause * failing ** (number + 1) for number, pause in enumerate(pauses))
    # The pauses begin anew after the last one, as often as it takes: a geometric series whose sum would be
    # 1 - failing ** 3, written so that it does not lose its digits where nearly everything fails.
    waiting /= math.exp(-cuts) * sum(failing**number for number in range(len(pauses) + 1))
    lost = wasted / min(line.bandwidth, server.speed) + failures * round_trips_to_resume * line.rtt + waiting
    return Expected(chunk_size, chunk_size / (once + lost), wasted / chunk_size, once)


def optimum(
    line: Line,
    server: ServerCost,
    smallest: float = 1 << 10,
    largest: float = 1 << 40,
    round_trips_to_resume: float = 2.0,
) -> Expected:
    """The chunk size with the highest goodput between two sizes in bytes.

    Goodput has one peak over the logarithm of the size: round trips fall with it, lost work grows. A golden
    section narrows it down. Near the peak, c ≈ √(2 · bandwidth · (RTT + server) / cuts): where the time for
    round trips and the time for bytes sent twice are the same.
    """
    ratio = (math.sqrt(5) - 1) / 2
    low, high = math.log(smallest), math.log(largest)

    def goodput(at: float) -> float:
        return expect(math.exp(at), line, server, round_trips_to_resume).goodput

    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        # On the plateau where nothing gets through any more, the way back is to the left.
        if goodput(left) >= goodput(right):
            high = right
        else:
            low = left
    return expect(math.exp((low + high) / 2), line, server, round_trips_to_resume)


@dataclass(frozen=True)
class Observation:
    """One measured point: chunk size in bytes, round-trip time in seconds, bytes per second."""

    chunk_size: int
    rtt: float
    throughput: float


@dataclass(frozen=True)
class Fit:
    """The model with its two unknowns found.

    Attributes:
        cost: what the points say of server and machine.
        typical_error, worst_error: of the throughput, as a share of what was measured: median and largest.
        points: how many observations.
    """

    cost: ServerCost
    typical_error: float
    worst_error: float
    points: int


def fit(observations: Iterable[Observation]) -> Fit:
    """Least squares of (RTT + c / speed + per_chunk) / seconds = 1 over all points.

    Relative, because a chunk of 64 MiB takes a hundred times as long as a small one and would drown it.
    Neither unknown can be negative; one that would be is left out.

    Raises:
        ValueError: fewer than two different chunk sizes, from which nothing follows.
    """
    found = list(observations)
    if len({observation.chunk_size for observation in found}) < 2:
        raise ValueError("a fit needs two different chunk sizes at least")
    rows = []
    for observation in found:
        took = observation.chunk_size / observation.throughput
        rows.append((observation.chunk_size / took, 1 / took, 1 - observation.rtt / took))
    aa, ab, bb = (sum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    ay, by = (sum(row[i] * row[2] for row in rows) for i in (0, 1))
    determinant = aa * bb - ab * ab
    per_byte, per_chunk = (ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant
    if per_chunk < 0:
        per_byte, per_chunk = max(ay / aa, 0.0), 0.0
    elif per_byte < 0:
        per_byte, per_chunk = 0.0, max(by / bb, 0.0)
    cost = ServerCost(per_chunk, 1 / per_byte if per_byte > 0 else math.inf)
    errors = []
    for observation in found:
        predicted = throughput(observation.chunk_size, Line(observation.rtt), cost)
        errors.append(abs(predicted / observation.throughput - 1))
    return Fit(cost, median(errors), max(errors), len(found))
