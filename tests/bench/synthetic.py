"""A run that never happened: rows for every point of a plan, made from the model. Fast, and exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.model import Line, ServerCost, expect
from bench.payload import MIB
from bench.plan import Plan, Point
from bench.rows import Row
from bench.summary import summary

COST = ServerCost(0.005, 400 * MIB)


def row(point: Point) -> Row:
    """What the model expects at a point."""
    found = expect(point.chunk_size, Line(point.rtt, point.bandwidth, point.cuts), COST, 1.0)
    confirmed = point.uploads * point.file_size
    speed = found.goodput / MIB
    return Row(
        point,
        seconds=confirmed / max(found.goodput, 1.0),
        confirmed=confirmed,
        finished=point.uploads,
        mib_s=speed,
        line_mib_s=speed,
        chunk_p50=found.progress,
        sent_twice=round(min(found.overhead, 100.0) * confirmed),
        cpu_per_gib=point.level + 0.5,
        rss_idle=80 * MIB,
        rss_peak=(100 + 10 * point.level) * MIB,
        client_rss=30 * MIB,
        small_p50=0.002,
        small_p99=0.02 / point.level,
    )


def run(plan: Plan, others: float = 0.0) -> tuple[list[Row], dict[str, Any]]:
    """A whole run, and what is noted beside it."""
    rows: Sequence[Row] = [row(point) for step in plan.steps() for point in step]
    notes: dict[str, Any] = {
        "plan": plan.name,
        "date": "2026-01-01",
        "machine": {
            "processor": "a processor",
            "cores": 2,
            "memory": 8,
            "kernel": "6.1",
            "python": "3.12",
            "file_system": "ext4",
        },
        "delay": "proxy",
        "others": others,
        "ceilings": {"client, one upload": 2000.0},
        "summary": summary(rows),
    }
    return list(rows), notes
