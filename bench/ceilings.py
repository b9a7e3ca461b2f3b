"""How fast the instruments are by themselves: a server that reaches such a figure was not measured."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

from bench.client import PROCESSES, Crew
from bench.delay_proxy import Conditions
from bench.dialects import PlainPut, Task
from bench.levels import sink
from bench.lines import ProxiedLines
from bench.payload import LARGEST, MIB

SIZE: Final = 128 * MIB
ROUNDS: Final = 4


def ceilings(size: int = SIZE, clients: int = PROCESSES) -> dict[str, float]:
    """MiB/s into a server that throws everything away: by one and by four uploads, and over the proxy.

    Args:
        size: of an upload, in bytes.
        clients: processes to upload from.
    """
    with (
        tempfile.TemporaryDirectory(prefix="upload-levels-bench-") as folder,
        Crew(clients) as crew,
        sink(Path(folder)) as server,
        closing(ProxiedLines()) as lines,
    ):
        proxied = lines.lay(server.url, Conditions(), 0)
        return {
            "client, one upload": _best(crew, server.url, 1, size),
            "client, four uploads": _best(crew, server.url, 4, size),
            "delay proxy, one upload": _best(crew, proxied, 1, size),
        }


def _best(crew: Crew, url: str, uploads: int, size: int) -> float:
    found = []
    for _ in range(ROUNDS):
        timings = crew.upload(PlainPut, Task(url, size, LARGEST), uploads)
        found.append(timings.bytes / MIB / timings.send)
    return round(max(found), 1)
