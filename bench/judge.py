"""The bars, and the arithmetic that judges them. Pure: measurements in, verdicts out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.payload import MIB

OF_NGINX: Final = 0.60
OF_TUS: Final = 2.5
MOST_RSS: Final = 150
"""MiB, of all server processes, with 64 uploads in flight."""

GROWTH: Final = 8
"""MiB that peak RSS may differ between a file and one eight times larger: noise of the allocator. A server
that keeps the file, or a fixed share of it, differs by a hundred."""

CUT_OFF_SLACK: Final = 3.0
"""Seconds after the read timeout until the last stalled connection must be gone."""


@dataclass(frozen=True)
class Measurement:
    """One server, one number of uploads, one round.

    Attributes:
        uploads: at once.
        chunk_mib_s: MiB/s while chunks were sent.
        whole_mib_s: MiB/s from init to the last completed file.
        complete_s: seconds from the last chunk until every file was complete.
        chunk_cpu: server CPU seconds per GiB while chunks were sent.
        whole_cpu: the same, everything included.
    """

    server: str
    uploads: int
    round: int
    chunk_mib_s: float
    whole_mib_s: float
    complete_s: float
    chunk_cpu: float
    whole_cpu: float


@dataclass(frozen=True)
class Memory:
    """RSS of a server's process tree in bytes: idle, and at its peaks.

    Attributes:
        one_file, larger_file: one upload of a file, and of one eight times larger.
        in_flight: 64 uploads at once.
    """

    idle: int
    one_file: int
    larger_file: int
    in_flight: int


@dataclass(frozen=True)
class Stalled:
    """What 500 connections that fall silent inside a PUT do to a server.

    Attributes:
        connections: how many were stalled.
        rss: bytes, at the peak.
        alone_mib_s, beside_mib_s: a healthy upload, without them and beside them.
        read_timeout: seconds of silence allowed.
        cut_off: seconds until the last one was gone; None: some never went.
    """

    connections: int
    rss: int
    alone_mib_s: float
    beside_mib_s: float
    read_timeout: float
    cut_off: float | None


@dataclass(frozen=True)
class Bar:
    """One thing level 2 must reach. ``holds`` is None where it could not be measured."""

    name: str
    measured: str
    holds: bool | None


def median_of(measurements: Iterable[Measurement], server: str, uploads: int, what: str) -> float | None:
    """The median over the rounds of one attribute; None when there is no measurement."""
    values = [getattr(m, what) for m in measurements if (m.server, m.uploads) == (server, uploads)]
    return median(values) if values else None


def ratio(
    measurements: Sequence[Measurement], server: str, other: str, uploads: int, what: str = "chunk_mib_s"
) -> float | None:
    """The median of ``server`` / ``other``, taken round by round.

    Round by round, because the two were measured seconds apart: what else the machine did in that round
    slowed down both. A ratio of medians would compare one's good moment with the other's bad one.
    """
    mine, others = (
        {m.round: getattr(m, what) for m in measurements if (m.server, m.uploads) == (name, uploads)}
        for name in (server, other)
    )
    values = [mine[number] / others[number] for number in mine.keys() & others.keys()]
    return median(values) if values else None


def judge(measurements: Sequence[Measurement], memory: Memory, stalled: Stalled) -> list[Bar]:
    """All bars of level 2."""
    growth = memory.larger_file - memory.one_file
    return [
        _at_least(
            "four uploads at once, of nginx's DAV PUT", ratio(measurements, "level 2", "nginx", 4), OF_NGINX
        ),
        _at_least(
            "four uploads at once, of @tus/server", ratio(measurements, "level 2", "@tus/server", 4), OF_TUS
        ),
        _at_most("RSS with 64 uploads in flight", memory.in_flight, MOST_RSS),
        _at_most("RSS growth with an 8 times larger file", growth, GROWTH),
        Bar(
            f"{stalled.connections} stalled connections: a healthy upload passes, they are cut off",
            f"{stalled.beside_mib_s:.0f} MiB/s beside them ({stalled.alone_mib_s:.0f} alone), "
            + ("some never cut off" if stalled.cut_off is None else f"gone after {stalled.cut_off:.1f} s")
            + f" (timeout {stalled.read_timeout:.0f} s)",
            stalled.beside_mib_s > 0
            and stalled.cut_off is not None
            and stalled.cut_off <= stalled.read_timeout + CUT_OFF_SLACK,
        ),
    ]


def _at_least(name: str, value: float | None, bar: float) -> Bar:
    if value is None:
        return Bar(f"{name} ≥ {bar:.2f}", "not measured", None)
    return Bar(f"{name} ≥ {bar:.2f}", f"{value:.2f}", value >= bar)


def _at_most(name: str, value: int, mib: int) -> Bar:
    return Bar(f"{name} < {mib} MiB", f"{value / MIB:.0f} MiB", value < mib * MIB)
