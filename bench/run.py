"""Carries out the steps of a plan: servers and lines are started when they are needed."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Final

from bench.connection import Unexpected
from bench.delay_proxy import Conditions
from bench.fleet import Fleet
from bench.levels import Place
from bench.lines import SEND_BUFFER, Lines
from bench.machine import warm_up
from bench.patient import Order, Outcome
from bench.payload import LARGEST, MIB
from bench.percentiles import percentile
from bench.plan import DRIP, Point, Step
from bench.processes import PeakMemory
from bench.rows import Row
from bench.talk import FAST, Manner
from bench.watch import Neighbours, SmallRequests, peak_of

FULL: Final = 2048 * MIB
"""Bytes after which a server is started anew with an empty folder."""

HEAD: Final = 190
"""Bytes of a chunk request's head, roughly: a line carries them too, and they are not the file's."""

Start = Callable[[Path], AbstractContextManager[Place]]


@dataclass
class Running:
    """The server that runs just now; ``idle`` is its memory before the first upload, in bytes."""

    level: int
    place: Place
    folder: Path
    idle: int
    written: int = 0


class Measurer:
    """Carries out steps, one after another. A context manager; its end stops what it started.

    Args:
        starts: how to start each level on a folder of its own.
        fleet, slow: the clients, and those on slow lines.
        disk: where the servers' folders are made.
        client: the command that uploads a file, with `{file}`, `{url}` and `{chunk}` in it.
    """

    def __init__(
        self, starts: Mapping[int, Start], lines: Lines, *, fleet: Fleet, slow: Fleet, disk: Path, client: str
    ) -> None:
        self._starts, self._lines, self._fleet, self._slow = starts, lines, fleet, slow
        self._disk, self._client = disk, client
        self._stack = ExitStack()
        self._running: Running | None = None
        self._laid: list[Conditions | None] = []
        self._neighbours = Neighbours()

    def measure(self, step: Step) -> list[Row]:
        """Carry out one step.

        Raises:
            Unexpected: an upload was refused; nothing that is measured then means anything.
        """
        running = self._server(step[0].level, sum(point.uploads * point.file_size for point in step))
        if step[0].part == "memory":
            return [self._memory(point, running) for point in step]
        urls = self._urls(step, running.place.upload_url)
        orders = [
            _order(point, url) for point, url in zip(step, urls, strict=True) for _ in range(point.uploads)
        ]
        slow = [
            _slow_order(point, url) for point, url in zip(step, urls, strict=True) for _ in range(point.slow)
        ]
        self._neighbours.share()
        server, alone = running.place.server, len(step) == 1
        began = server.cpu()
        with PeakMemory(server) as memory, SmallRequests(running.place.other_url) as small:
            behind = self._slow.begin(slow)
            outcomes = self._fleet.upload(orders)
            behind.end(now=True)
        used, others = server.cpu() - began, self._neighbours.share()
        # What a kernel has taken and a line has not carried was not sent: the lines know better.
        carried = self._take_lines_away() if step[0].cuts else {}
        rows = []
        for point, url in zip(step, urls, strict=True):
            mine, outcomes = outcomes[: point.uploads], outcomes[point.uploads :]
            row = summarize(point, mine, carried.get(url))
            rows.append(
                replace(
                    row,
                    cpu_per_gib=used / row.confirmed * 1024 * MIB if alone and row.confirmed else None,
                    rss_idle=running.idle if alone else None,
                    rss_peak=memory.bytes if alone else None,
                    small_p50=percentile(small.seconds, 50) if alone else None,
                    small_p99=percentile(small.seconds, 99) if alone else None,
                    others=others,
                )
            )
        return rows

    def _server(self, level: int, size: int) -> Running:
        """The server of a level, with room for ``size`` bytes."""
        if self._running is None or self._running.level != level or self._running.written + size > FULL:
            self.stop()
            folder = Path(
                self._stack.enter_context(
                    tempfile.TemporaryDirectory(prefix="upload-levels-bench-", dir=self._disk)
                )
            )
            place = self._stack.enter_context(self._starts[level](folder))
            # What is loaded and allocated once, whoever comes first, is nobody's measurement.
            self._fleet.upload([Order(place.upload_url, LARGEST, LARGEST)])
            self._running = Running(level, place, folder, place.server.rss())
        self._running.written += size
        warm_up(self._running.folder, min(size * 5 // 4, FULL // 4))
        return self._running

    def _urls(self, step: Step, url: str) -> list[str]:
        """Where each point's clients go: the server itself, or the beginning of a line to it."""
        wanted = [_conditions(point) if point.proxied else None for point in step]
        if wanted != self._laid:
            self._take_lines_away()
            self._laid = wanted
        return [
            url if conditions is None else self._lines.lay(url, conditions, number)
            for number, conditions in enumerate(wanted)
        ]

    def _take_lines_away(self) -> dict[str, int]:
        self._laid = []
        return self._lines.close()

    def _memory(self, point: Point, running: Running) -> Row:
        """Upload with the command, and watch both sides."""
        file = running.folder / "sample.bin"
        with file.open("wb") as sample:
            for _ in range(0, point.file_size, MIB):
                sample.write(os.urandom(MIB))
        filled = self._client.format(
            file=shlex.quote(str(file)), url=running.place.upload_url, chunk=point.chunk_size
        )
        with PeakMemory(running.place.server) as memory:
            peak, code = peak_of(shlex.split(filled), running.folder / "client.log")
        file.unlink()
        if code != 0:
            raise Unexpected(f"{filled}: exit code {code}")
        return Row(
            point,
            seconds=0.0,
            confirmed=point.file_size,
            finished=1,
            mib_s=0.0,
            line_mib_s=0.0,
            rss_idle=running.idle,
            rss_peak=memory.bytes,
            client_rss=peak,
        )

    def stop(self) -> None:
        """Stop the server and take the lines away."""
        self._take_lines_away()
        self._stack.close()
        self._running = None

    def __enter__(self) -> Measurer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def summarize(point: Point, outcomes: Sequence[Outcome], carried: int | None = None) -> Row:
    """One row of many uploads.

    Args:
        carried: bytes that their line carried to the server, where it is known.

    Raises:
        Unexpected: one of them was refused.
    """
    refused = [outcome.refused for outcome in outcomes if outcome.refused]
    if refused:
        raise Unexpected(f"level {point.level}, {len(refused)} of {len(outcomes)} uploads: {refused[0]}")
    # An upload that was cut short has used the time up to its end; a finished one, up to its last chunk.
    ends = [one.ended if one.completed is None else one.sent_at for one in outcomes]
    begins = [one.sending for one in outcomes]
    confirmed = sum(one.confirmed for one in outcomes)
    seconds = max(ends) - min(begins)
    each = sum(end - begin for begin, end in zip(begins, ends, strict=True))
    latencies = [latency for one in outcomes for latency in one.chunk_seconds]
    requests = len(latencies) + 2 * sum(one.retries + one.gave_up for one in outcomes)
    twice = max((carried or 0) - confirmed - requests * HEAD, 0)
    completions = [one.completed for one in outcomes if one.completed is not None]
    return Row(
        point,
        seconds=seconds,
        confirmed=confirmed,
        finished=len(completions),
        mib_s=confirmed / MIB / seconds,
        line_mib_s=confirmed / MIB / each,
        chunk_p50=percentile(latencies, 50),
        chunk_p95=percentile(latencies, 95),
        chunk_p99=percentile(latencies, 99),
        complete=median(completions) if completions else None,
        sent_twice=sum(one.sent_twice for one in outcomes) if carried is None else twice,
        conflicts=sum(one.conflicts for one in outcomes),
        retries=sum(one.retries for one in outcomes),
        gave_up=sum(one.gave_up for one in outcomes),
    )


def _order(point: Point, url: str) -> Order:
    # Only where bytes sent twice are counted: a small buffer slows a fast line down.
    manner = Manner(send_buffer=SEND_BUFFER) if point.part == "loss" else FAST
    return Order(url, point.file_size, point.chunk_size, point.deadline, manner)


def _slow_order(point: Point, url: str) -> Order:
    return Order(url, point.chunk_size, point.chunk_size, manner=Manner(drip=DRIP))


def _conditions(point: Point) -> Conditions:
    # Every chunk size has luck of its own: the same for all would shift the whole curve.
    seed = point.round * 1_000_003 + point.chunk_size
    return Conditions(point.rtt, point.bandwidth, cuts_per_byte=point.cuts, seed=seed if point.cuts else 0)
