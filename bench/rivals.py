"""Servers that are measured in turn, and one turn of one of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.client import Crew
from bench.dialects import Task, Upload
from bench.judge import Measurement
from bench.machine import warm_up
from bench.payload import MIB
from bench.processes import Server


@dataclass(frozen=True)
class Rival:
    """One of the servers that are measured in turn.

    Attributes:
        start: runs it on a folder of its own.
        kind: what the client speaks to it.
    """

    name: str
    words: str
    start: Callable[[Path], AbstractContextManager[Server]]
    kind: type[Upload]


def one_round(
    rival: Rival, number: int, disk: Path, crew: Crew, *, loads: Mapping[int, int], chunk_size: int
) -> list[Measurement]:
    """Measure one server once.

    Args:
        loads: uploads at once, and the size of each in bytes.
        chunk_size: in bytes.
    """
    found = []
    # A new server with an empty folder each time: nobody is measured on what another round left behind.
    with folder_on(disk) as folder, rival.start(folder) as server:
        for uploads, file_size in loads.items():
            warm_up(folder, uploads * file_size * 5 // 4)
            cpu: dict[str, float] = {}

            def note(phase: str, cpu: dict[str, float] = cpu) -> None:
                cpu[phase] = server.cpu()

            timings = crew.upload(rival.kind, Task(server.url, file_size, chunk_size), uploads, note)
            size = timings.bytes / MIB
            found.append(
                Measurement(
                    server=rival.name,
                    uploads=uploads,
                    round=number,
                    chunk_mib_s=size / timings.send,
                    whole_mib_s=size / timings.whole,
                    complete_s=timings.finish,
                    chunk_cpu=(cpu["finish"] - cpu["send"]) / size * 1024,
                    whole_cpu=(cpu["end"] - cpu["start"]) / size * 1024,
                )
            )
    return found


@contextmanager
def folder_on(disk: Path) -> Iterator[Path]:
    """An empty folder that goes with its contents."""
    with tempfile.TemporaryDirectory(prefix="upload-levels-bench-", dir=disk) as folder:
        yield Path(folder)
