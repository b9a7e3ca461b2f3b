"""What was measured on what: enough to compare two runs, nothing that says whose machine it is."""

from __future__ import annotations

import os
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.payload import MIB


@dataclass(frozen=True)
class Machine:
    """The machine in words. ``memory`` in GiB."""

    processor: str
    cores: int
    memory: int
    kernel: str
    python: str
    file_system: str


def this_machine(folder: Path) -> Machine:
    """Describe the machine, and the file system that ``folder`` lies on."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory=round(psutil.virtual_memory().total / (1024 * MIB)),
        kernel=platform.release(),
        python=platform.python_version(),
        file_system=file_system(folder),
    )


def file_system(folder: Path) -> str:
    """The type of the file system that ``folder`` lies on, like ``ext4``."""
    mounts = psutil.disk_partitions(all=True)
    above = [m for m in mounts if folder.resolve().is_relative_to(m.mountpoint)]
    return max(above, key=lambda mount: len(mount.mountpoint)).fstype if above else "unknown"


def warm_up(folder: Path, size: int) -> None:
    """Write ``size`` bytes to a file in ``folder`` and remove it, so that the page cache has pages at hand.

    A virtual machine may return its free memory to its host within seconds, and then pays for every page
    anew: a buffered write costs five times the CPU, which hits whoever happens to be measured at that moment.
    Memory merely touched and freed does not help: the page cache takes its pages from elsewhere.
    """
    block = bytes(MIB)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(0, size, MIB):
            file.write(block)


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
