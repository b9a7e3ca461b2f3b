"""What was measured on what: enough to compare two runs, nothing that says whose machine it is."""

from __future__ import annotations

import mmap
import os
import platform
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


def warm_up(size: int) -> None:
    """Touch ``size`` bytes of memory and give them back.

    A virtual machine may have returned its free memory to its host, and then pays for every page anew: a
    buffered write costs six times the CPU. Whoever is measured first would pay for the others.
    """
    with mmap.mmap(-1, size) as memory:
        for offset in range(0, size, mmap.PAGESIZE):
            memory[offset] = 1


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
