"""The kernel's own delay, where it has one: a loopback interface that nobody else uses.

`--netem` starts the benchmark again inside a network namespace. Its loopback interface is new and private, so
that a delay on it delays nobody else on this machine. Only packets from and to the measured port are delayed:
what a server says to its store stays as fast as it was. Each packet passes the interface once, so half the
round-trip time goes on either way. The connections are the kernel's: slow start and congestion are real here,
which the delay proxy does not show.

netem limits and breaks for all connections together; where each needs a line of its own, the proxy lays it.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NoReturn
from urllib.parse import urlsplit

from bench.delay_proxy import Conditions
from bench.lines import ProxiedLines

INSIDE: Final = "UPLOAD_LEVELS_BENCH_NAMESPACE"
QUEUE: Final = 100_000
"""Packets that netem may hold; its default of 1,000 would drop what a large chunk has under way."""


class NoNetem(Exception):
    """This kernel, or this user, cannot; the message says what is missing."""


def inside() -> bool:
    """Whether this process already has a network of its own."""
    return os.environ.get(INSIDE) == "1"


def start_inside(module: str, arguments: Sequence[str]) -> NoReturn:
    """Become ``python -m module arguments`` in a network namespace.

    Raises:
        NoNetem: a program is missing, or the namespace is not allowed.
    """
    for program in ("unshare", "ip", "tc"):
        if _program(program) is None:
            raise NoNetem(f"there is no `{program}` (Debian: util-linux and iproute2)")
    enter = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if subprocess.run([*enter, "true"], capture_output=True, check=False).returncode != 0:
        raise NoNetem("this user may not make a network namespace")
    os.execvpe(enter[0], [*enter, sys.executable, "-m", module, *arguments], os.environ | {INSIDE: "1"})


class NetemLines:
    """Lines of netem, for delays; everything else is laid by the proxy.

    Raises:
        NoNetem: the kernel does not have it.
    """

    def __init__(self) -> None:
        self._proxies = ProxiedLines()
        run("ip link set lo up")
        through([], f"netem limit {QUEUE}")

    def lay(self, url: str, conditions: Conditions, number: int) -> str:
        """See :class:`bench.lines.Lines`."""
        if conditions.cuts_per_byte or not math.isinf(conditions.bandwidth):
            return self._proxies.lay(url, conditions, number)
        delay = (
            f"delay {conditions.rtt * 500:.3f}ms {conditions.jitter * 1000:.3f}ms" if conditions.rtt else ""
        )
        through([urlsplit(url).port or 80], f"netem {delay} limit {QUEUE}")
        return url

    def close(self) -> dict[str, int]:
        """See :class:`bench.lines.Lines`."""
        through([], f"netem limit {QUEUE}")
        return self._proxies.close()


def through(ports: Sequence[int], discipline: str) -> None:
    """Send packets from and to ``ports`` through a queueing discipline, all others past it.

    Raises:
        NoNetem: it was refused.
    """
    with suppress(NoNetem):  # there may be none yet
        run("tc qdisc del dev lo root")
    # htb lets through at once what no filter sends to one of its classes.
    run("tc qdisc add dev lo root handle 1: htb")
    run("tc class add dev lo parent 1: classid 1:4 htb rate 100gbit quantum 60000")
    run(f"tc qdisc add dev lo parent 1:4 handle 40: {discipline}")
    for port in ports:
        for end in ("sport", "dport"):
            match = f"match ip {end} {port} 0xffff flowid 1:4"
            run(f"tc filter add dev lo parent 1: protocol ip u32 {match}")


def run(words: str) -> None:
    """Run one command.

    Raises:
        NoNetem: with what it said.
    """
    name, *arguments = words.split()
    done = subprocess.run([_program(name) or name, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["failed"])[-1]
        raise NoNetem(f"`{words}`: {said}; without --netem the delay proxy is used")


def _program(name: str) -> str | None:
    # Debian keeps them where only root's PATH looks.
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
