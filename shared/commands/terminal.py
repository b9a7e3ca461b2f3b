"""What the client's commands say: bars on stderr, results on stdout, exit codes."""

from __future__ import annotations

import json
from enum import IntEnum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from shared.uploader.errors import ClientError, ServerAway, ServerRefused
from shared.uploader.names import printable
from shared.uploader.observer import Observer
from shared.uploader.speed import Speed


class Exit(IntEnum):
    """How a command ended; of several files the highest number counts."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    AWAY = 3
    INTERRUPTED = 130


def exit_for(error: ClientError) -> Exit:
    """3 when the server could not be reached, 1 for everything that trying again will not change."""
    return Exit.AWAY if isinstance(error, ServerAway) else Exit.REFUSED


def problem_json(subject: str, error: ClientError) -> str:
    """One line for programs."""
    problem: dict[str, object] = {"code": error.code, "detail": error.detail}
    if isinstance(error, ServerRefused):
        problem = {
            "code": error.problem_code or error.code,
            "status": error.status,
            "detail": error.detail,
        }
    return json.dumps({"path": subject, "problem": problem, "resumable": error.resumable})


def say_problem(subject: str, error: ClientError, *, again: str = "") -> None:
    """One line for people, on stderr."""
    click.echo(printable(f"{subject}: {error.detail} {again}".rstrip()), err=True)


def check_address(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Refuse what is no http address before anything is hashed or sent."""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise click.BadParameter(f"{value!r} is no address; write http://127.0.0.1:8002")
    return value


def human_size(size: int) -> str:
    """``8388608`` → ``8.0 MiB``."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:  # noqa: PLR2004 - the next unit
            break
        amount, unit = amount / 1024, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"


class Bars(Observer):
    """A progress bar for one file after the other, on stderr unless given a console; a context manager.

    The bar shows confirmed bytes only, so it can stand still while data flows (article, "Progress: measuring
    what actually matters"). Where stderr is no terminal, only retries and resumptions are said.

    Attributes:
        confirmed: bytes the server has confirmed of the current file; ``None`` before it has begun.
        state_lost: whether the session could not be stored, so that another run could not resume.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, quiet=quiet, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            _Amount(),
            _Pace(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
            transient=True,
        )
        self._task: TaskID | None = None
        self._name = ""
        self._speed = Speed()
        self.confirmed: int | None = None
        self.state_lost = False

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, name: str) -> None:
        """The next file."""
        self.end()
        self._name = escape(printable(name))
        self._speed, self.confirmed, self.state_lost = Speed(), None, False

    def end(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None

    def on_fingerprint_progress(self, hashed: int, total: int) -> None:
        self._show(f"{self._name} [dim]fingerprint[/dim]", hashed, total)

    def on_progress(self, confirmed: int, total: int) -> None:
        self.confirmed = confirmed
        self._show(self._name, confirmed, total)

    def on_chunk(self, number: int, offset: int, length: int, seconds: float) -> None:  # noqa: ARG002
        self._speed = self._speed.after(length, seconds)

    def on_retry(self, wait: float, reason: str) -> None:
        self._console.print(f"{self._name}: {escape(printable(reason))}; trying again in {wait:.1f} s")

    def on_resume(self, offset: int) -> None:
        self._console.print(f"{self._name}: going on at {human_size(offset)}")

    def on_state_lost(self, reason: str) -> None:
        self.state_lost = True
        self._console.print(f"{self._name}: cannot be resumed by another run: {escape(printable(reason))}")

    def _show(self, description: str, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._bars.add_task(description, total=total, speed=self._speed)
        self._bars.update(self._task, description=description, completed=done, total=total, speed=self._speed)


class _Amount(ProgressColumn):
    """Confirmed of total."""

    def render(self, task: Task) -> Text:
        return Text(f"{human_size(int(task.completed))} of {human_size(int(task.total or 0))}")


class _Pace(ProgressColumn):
    """Smoothed speed and time left; rich's own estimate where nobody reports chunks."""

    def render(self, task: Task) -> Text:
        speed: Speed = task.fields["speed"]
        if speed.bytes_per_second is None:
            speed = Speed(task.speed)
        left = speed.seconds_for(int((task.total or 0) - task.completed))
        if speed.bytes_per_second is None or left is None:
            return Text("")
        minutes, seconds = divmod(int(left), 60)
        return Text(f"{human_size(int(speed.bytes_per_second))}/s  {minutes}:{seconds:02} left")
