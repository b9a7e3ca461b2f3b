"""A long, thin, breaking line, on one machine: a TCP proxy that delays, limits and cuts.

    python -m bench.delay_proxy --to 127.0.0.1:8002 --rtt 80ms --bandwidth 50Mbit --cuts 4/GiB

Bytes are released half a round-trip time after they came in, in their order, while more come in behind
them: a delay, not a pause between blocks. What it leaves out: TCP's slow start and retransmissions happen on
loopback, on either side of it, where they cost nothing. So it is a line whose window is always open; on a
real one the first chunks are slower.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import selectors
import signal
import socket
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import click

from bench.units import PER_BYTE, RATE, TIME

BLOCK: Final = 256 * 1024
"""Bytes taken at once where the line has no limit."""

TICK: Final = 0.01
"""Seconds of bytes taken at once where it has one."""

OPEN_WINDOW: Final = 64 * 1024 * 1024
"""Bytes on the way at most, each way, where the line has no limit: more than a chunk of the largest size."""

RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Conditions:
    """How bad the line is. Each connection has a line of its own.

    Attributes:
        rtt: seconds that every byte and its answer are late, together.
        bandwidth: bytes per second, each way.
        jitter: seconds by which the delay of a block, one way, is at most longer; order is kept.
        cuts_per_byte: connections broken at random (exponential), per byte from client to server.
        cuts_per_second: the same, per second that a connection lasts.
        seed: the same cuts and the same jitter for the same seed and the same order of connections.
    """

    rtt: float = 0.0
    bandwidth: float = math.inf
    jitter: float = 0.0
    cuts_per_byte: float = 0.0
    cuts_per_second: float = 0.0
    seed: int = 0

    @property
    def block(self) -> int:
        """Bytes to take from a socket at once: small enough that a slow line is smooth."""
        return int(min(BLOCK, max(2048, self.bandwidth * TICK)))

    @property
    def window(self) -> int:
        """Bytes that may be on the way, so that a limited line is felt by who fills it."""
        if math.isinf(self.bandwidth):
            return OPEN_WINDOW
        return int(self.bandwidth * (self.rtt / 2 + self.jitter)) + 2 * self.block


@dataclass
class Tally:
    """What went through.

    Attributes:
        up, down: bytes to the server, and back.
        connections, cuts: how many.
    """

    up: int = 0
    down: int = 0
    connections: int = 0
    cuts: int = 0


class Cut(Exception):
    """The line broke, as ordered."""


class _Direction:
    """One way of one connection: a reader that stamps blocks, a writer that waits for their moment."""

    def __init__(self, source: socket.socket, target: socket.socket, line: Conditions, chance: float) -> None:
        self._source, self._target, self._line = source, target, line
        self._random = random.Random(chance)
        self._blocks: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._changed = asyncio.Event()
        self.carried = 0
        self.breaks_at = math.inf
        """Bytes after which the connection is broken."""

    async def run(self) -> None:
        """Until the source ends; then its end is passed on.

        Raises:
            Cut: at :attr:`breaks_at`.
            OSError: either side is gone.
        """
        async with asyncio.TaskGroup() as both:
            both.create_task(self._read())
            both.create_task(self._write())

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        free = release = 0.0
        while True:
            while self._held > self._line.window:
                self._changed.clear()
                await self._changed.wait()
            block = await loop.sock_recv(self._source, self._line.block)
            free = max(free, loop.time()) + len(block) / self._line.bandwidth
            late = self._line.rtt / 2 + self._line.jitter * self._random.random()
            release = max(release, free + late)
            self._blocks.append((release, block))
            self._held += len(block)
            self._changed.set()
            if not block:
                return

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._blocks:
                self._changed.clear()
                await self._changed.wait()
            moment, block = self._blocks.popleft()
            if (wait := moment - loop.time()) > 0:
                await asyncio.sleep(wait)
            if not block:
                self._target.shutdown(socket.SHUT_WR)
                return
            if self.carried + len(block) >= self.breaks_at:
                block = block[: int(self.breaks_at) - self.carried]
                await loop.sock_sendall(self._target, block)
                self.carried += len(block)
                raise Cut
            await loop.sock_sendall(self._target, block)
            self.carried += len(block)
            self._held -= len(block)
            self._changed.set()


class DelayProxy:
    """Listens on a free port of the loopback interface.

    Args:
        host, port: where the server is.

    Attributes:
        tally: of all connections so far.
    """

    def __init__(self, host: str, port: int, conditions: Conditions, listen: int = 0) -> None:
        self._server, self._line = (host, port), conditions
        self.tally = Tally()
        self._listener = socket.create_server(("127.0.0.1", listen), backlog=512)
        self._listener.setblocking(False)
        if not math.isinf(conditions.bandwidth):
            # Accepted sockets inherit it. Otherwise the kernel takes in megabytes before the line does.
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, max(conditions.window, 65536))
        self._random = random.Random(conditions.seed)

    @property
    def url(self) -> str:
        """Where clients go."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    async def serve(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        with self._listener:
            async with asyncio.TaskGroup() as connections:
                while True:
                    client, _ = await loop.sock_accept(self._listener)
                    connections.create_task(self._connection(client))

    async def _connection(self, client: socket.socket) -> None:
        self.tally.connections += 1
        chances = [self._random.random() for _ in range(4)]
        with client, socket.socket() as server:
            for sock in (client, server):
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            up = _Direction(client, server, self._line, chances[0])
            down = _Direction(server, client, self._line, chances[1])
            up.breaks_at = _exponential(chances[2], self._line.cuts_per_byte)
            try:
                await asyncio.get_running_loop().sock_connect(server, self._server)
                async with asyncio.timeout(_seconds(_exponential(chances[3], self._line.cuts_per_second))):
                    async with asyncio.TaskGroup() as ways:
                        ways.create_task(up.run())
                        ways.create_task(down.run())
            except* (Cut, TimeoutError):
                self.tally.cuts += 1
                _reset(client, server)
            except* OSError:
                _reset(client, server)
            finally:
                self.tally.up += up.carried
                self.tally.down += down.carried


def _exponential(chance: float, rate: float) -> float:
    """A waiting time at ``rate``, rounded up to the next whole one; ``chance`` is 0 ≤ x < 1."""
    return -math.log(1 - chance) / rate if rate > 0 else math.inf


def _seconds(value: float) -> float | None:
    return None if math.isinf(value) else value


def _reset(*sockets: socket.socket) -> None:
    """Close so that the other side is told at once: a reset, as a line that breaks under load."""
    for sock in sockets:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def event_loop() -> asyncio.AbstractEventLoop:
    """A loop whose timers are exact to some microseconds.

    epoll counts in milliseconds and rounds up, which would make each way of a 10 ms line up to 10 % longer.
    select counts in microseconds, at the price of 1,000 sockets at most: five hundred connections.
    """
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


@click.command()
@click.option("--to", required=True, metavar="HOST:PORT", help="The server behind the line.")
@click.option("--port", default=0, help="Port to listen on; 0 takes a free one.")
@click.option("--rtt", type=TIME, default="0", help="Round-trip time to add, as 80ms.")
@click.option("--bandwidth", type=RATE, default="unlimited", help="Of each connection, each way, as 50Mbit.")
@click.option("--jitter", type=TIME, default="0", help="Longest extra delay of a block, one way.")
@click.option("--cuts", type=PER_BYTE, default="0", help="Connections broken per bytes sent, as 4/GiB.")
@click.option("--cuts-per-second", default=0.0, help="Connections broken per second.")
@click.option("--seed", default=0, help="The same seed, the same cuts.")
def main(  # noqa: PLR0917 - a command's options
    to: str,
    port: int,
    rtt: float,
    bandwidth: float,
    jitter: float,
    cuts: float,
    cuts_per_second: float,
    seed: int,
) -> None:
    """Put a long, thin, breaking line before a server, until Ctrl-C or SIGTERM."""
    host, _, at = to.removeprefix("http://").rpartition(":")
    if not (host and at.isdecimal()):
        raise click.UsageError("--to wants HOST:PORT")
    conditions = Conditions(rtt, bandwidth, jitter, cuts, cuts_per_second, seed)
    proxy = DelayProxy(host, int(at), conditions, port)
    click.echo(f"the line to {host}:{at} begins at {proxy.url}")
    with asyncio.Runner(loop_factory=event_loop) as runner, suppress(asyncio.CancelledError):
        runner.run(_until_asked_to_leave(proxy))
    click.echo(json.dumps(vars(proxy.tally)))


async def _until_asked_to_leave(proxy: DelayProxy) -> None:
    serving = asyncio.ensure_future(proxy.serve())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    await serving


if __name__ == "__main__":
    main()
