"""Runs the `console` blocks of a document from top to bottom, in one shell and one empty folder.

    $ command           typed as it stands; `> ` continues it on the next line
    output              what must appear, on either stream; `...` stands for what differs from run to run,
                        and on a line of its own for any number of lines

After a line `<!-- roughly -->`, which no reader sees, the numbers of a block may differ by 30 %: measured
figures are shown as they were, and it is still noticed when they drift. Runs of blanks count as one, because
columns move with what they hold, and empty lines at the end count for nothing.

Three things are changed on the way: ports (8001, 9002, …) become free ones, so that two documents can run at
once; `make demo` becomes the command it stands for, at free ports as well; and a file of the repository that
is given to a program (`-f bench/…`) is found there.
"""

from __future__ import annotations

import math
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ROOT: Final = Path(__file__).parents[2]
LINGERING: Final = 20.0
"""Seconds without a word after which what runs in the background is taken to say no more: a server that
starts on a busy machine takes its time."""

PATIENCE: Final = 100.0
"""Seconds for one command and what it says in the background, on a busy machine as well."""

FENCE: Final = re.compile(r"^(?:(<!-- roughly -->)\n)?( *)```(\w*)\n(.*?)^\2```$", re.DOTALL | re.MULTILINE)
NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
TOLERANCE: Final = 0.3
PORT: Final = re.compile(r"\b[89]00\d\b")
SERVE: Final = re.compile(r"\bupload-levels serve (\d)(?!.*--port)")
DEMO: Final = re.compile(r"\bmake demo ARGS=")
MARK: Final = "\x01done\x01"
LOOP: Final = f"""
status=0
while IFS= read -r -d '' -u $0 command; do
    eval "(exit $status)"$'\\n'"$command"
    status=$?
    printf '%s\\n' '{MARK}'
done
"""
"""Reads commands, each ended by a NUL, from the descriptor whose number is $0; keeps $? between them."""
GOODBYES: Final = re.compile(r"^.*: line \d+: +\d+ (Killed|Terminated|Stopped|Hangup)\b")
"""What a shell says of a job that ended; shells differ in when and how, so it stands in no document."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a document; ``line`` is where it begins, from 1."""

    document: str
    line: int
    language: str
    text: str
    roughly: bool


@dataclass(frozen=True)
class Step:
    """One command and what must appear."""

    where: str
    command: str
    expected: tuple[str, ...]
    roughly: bool = False


class Drift(AssertionError):
    """A document shows what does not happen."""

    def __init__(self, step: Step, found: list[str]) -> None:
        said = "\n".join(f"  {line}" for line in found) or "  (nothing)"
        wanted = "\n".join(f"  {line}" for line in step.expected) or "  (nothing)"
        super().__init__(f"{step.where}\n$ {step.command}\nthe document says\n{wanted}\nbut it was\n{said}")


def blocks(document: str) -> Iterator[Block]:
    """The fenced blocks of a document, in order."""
    text = (ROOT / document).read_text()
    for found in FENCE.finditer(text):
        indent = len(found[2])
        lines = "".join(line[indent:] for line in found[4].splitlines(keepends=True))
        begins = text.count("\n", 0, found.start(2)) + 1
        yield Block(document, begins, found[3], lines, roughly=found[1] is not None)


def steps(block: Block) -> Iterator[Step]:
    """The commands of a `console` block."""
    command: list[str] = []
    output: list[str] = []
    begins = block.line
    for number, line in enumerate([*block.text.splitlines(), "$ "], block.line + 1):
        if line.startswith("$ "):
            if command:
                yield Step(f"{block.document}:{begins}", "\n".join(command), tuple(output), block.roughly)
            command, output, begins = [line[2:]], [], number
        elif line.startswith("> ") and command and not output:
            command.append(line[2:])
        elif command:
            output.append(line)
        else:
            raise ValueError(f"{block.document}:{number}: output before the first `$ command`")


def matches(expected: tuple[str, ...], found: list[str], *, roughly: bool = False) -> bool:
    """Whether ``found`` is what the document shows."""
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(_literally(part, roughly) for part in squeezed(line).split("...")) + r"\n"
    match = re.fullmatch(pattern, "".join(f"{squeezed(line)}\n" for line in found))
    if match is None:
        return False
    shown = [number for line in expected for number in NUMBER.findall(line)]
    return all(
        math.isclose(float(one), float(other), rel_tol=TOLERANCE)
        for one, other in zip(shown, match.groups(), strict=roughly)
    )


def _literally(text: str, roughly: bool) -> str:
    if not roughly:
        return re.escape(text)
    return f"({NUMBER.pattern})".join(re.escape(part) for part in NUMBER.split(text))


def squeezed(line: str) -> str:
    """``line`` with every run of blanks as one."""
    return re.sub(r"\s+", " ", line.strip())


def free_ports(count: int) -> int:
    """The first of ``count`` free ports in a row, below the range from which clients take theirs."""
    for _ in range(1000):
        first = random.randrange(20_000, 32_000, 10)
        with suppress(OSError):
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
            return first
    raise OSError("no free ports")


@dataclass
class Shell:
    """A shell in ``folder`` with the project's commands on its path; a context manager."""

    folder: Path
    lingering: float = LINGERING
    _ports: dict[str, int] = field(default_factory=dict, init=False)
    _unread: str = field(default="", init=False)

    def __enter__(self) -> Self:
        commands, self._commands = os.pipe()
        self._process = subprocess.Popen(
            ["bash", "--norc", "-c", LOOP, str(commands)],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[commands],
            start_new_session=True,
        )
        os.close(commands)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._commands)
        for how in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def run(self, step: Step) -> None:
        """Type the command.

        Raises:
            Drift: something else appears than the document shows.
        """
        os.write(self._commands, self._here(step.command).encode() + b"\0")
        expected = tuple(PORT.sub(lambda port: self._port(port[0]), line) for line in step.expected)
        deadline = time.monotonic() + PATIENCE
        while not (self._returned and matches(expected, self._said, roughly=step.roughly)):
            if not self._hear(
                deadline if not self._returned else min(deadline, time.monotonic() + self.lingering)
            ):
                raise Drift(step, self._said)
        self._unread = ""

    @property
    def _returned(self) -> bool:
        # A line that is still arriving would leave its end to the next command.
        return MARK in self._unread and self._unread.endswith("\n")

    @property
    def _said(self) -> list[str]:
        lines = self._unread.replace(f"{MARK}\n", "").rstrip().splitlines()
        return [line for line in lines if not GOODBYES.match(line)]

    def _hear(self, deadline: float) -> bool:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(self._process.stdout.fileno(), 65536) if ready else b""
        self._unread += data.decode(errors="replace")
        return bool(data)

    def _here(self, command: str) -> str:
        command = SERVE.sub(r"upload-levels serve \1 --port 800\1", command)
        command = command.replace(" -f bench/", f" -f {ROOT}/bench/")
        command = DEMO.sub(f"upload-levels tour --first-port {self._first('800')} ", command)
        return PORT.sub(lambda port: self._port(port[0]), command)

    def _port(self, written: str) -> str:
        return str(self._first(written[:3]) + int(written[3]))

    def _first(self, written: str) -> int:
        """Ports that stand side by side in a document are side by side here as well."""
        if written not in self._ports:
            self._ports[written] = free_ports(10)
        return self._ports[written]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("UPLOAD_", "XDG_"))}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "120",
        }
