"""Both halves on one machine: two processes that know each other, and leave together.

For a terminal, a demo, a test. On machines of their own each half is started by itself (``--only``), by
whatever starts services there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NoReturn

from level4_dedicated_service.addresses import LEVEL, is_loopback
from level4_dedicated_service.keys import CALLBACK_VARIABLE, TICKET_VARIABLE, random_secret
from shared.settings import Settings

HALVES: Final = ("service", "application")
LOOK_INTERVAL: Final = 0.1
LEAVE_WITHIN: Final = 5.0
"""Seconds beyond the grace period, after which a half is killed."""


def serve_both(settings: Settings, given: Mapping[str, str | None]) -> None:
    """Serve until SIGTERM or Ctrl-C, or until one of the halves ends. Prints two lines when ready.

    Args:
        given: the words of the command line, by the names of the settings; the halves get them too.

    Raises:
        SystemExit: a half did not start, or ended by itself; it has said why.
    """
    port = settings.port_for(LEVEL) or _free_port(settings.host)
    application_port = settings.application_port_for(LEVEL) or _free_port(settings.host)
    words = ["--port", str(port), "--application-port", str(application_port), *_options(given)]
    signal.signal(signal.SIGTERM, _leave)
    with _halves(words, _environment(settings), settings.grace + LEAVE_WITHIN) as halves:
        service, application = (_ready_address(half) for half in halves)
        print(f"level {LEVEL} is ready at {service}", flush=True)
        print(f"its application, with the page, is at {application}", flush=True)
        with suppress(KeyboardInterrupt):
            while all(half.poll() is None for half in halves):
                time.sleep(LOOK_INTERVAL)
            ended = next(half for half in halves if half.poll() is not None)
            sys.exit(ended.returncode or 1)


def _environment(settings: Settings) -> dict[str, str]:
    """Ours, with secrets where none are given and nobody but this machine can reach the halves."""
    environment = dict(os.environ)
    made = []
    for variable, file in (
        (TICKET_VARIABLE, settings.ticket_secrets_file),
        (CALLBACK_VARIABLE, settings.callback_secrets_file),
    ):
        if variable not in environment and not file and is_loopback(settings.host):
            environment[variable] = random_secret()
            made.append(variable)
    if made:
        print(f"made for this run, and gone with it: {', '.join(made)}", file=sys.stderr, flush=True)
    return environment


@contextmanager
def _halves(
    words: Sequence[str], environment: Mapping[str, str], patience: float
) -> Iterator[list[subprocess.Popen[str]]]:
    halves: list[subprocess.Popen[str]] = []
    try:
        for name in HALVES:
            command = [sys.executable, "-m", "shared.commands.attended_serve", str(LEVEL), "--only", name]
            # One address can show the numbers of one half: those of the service.
            shown = () if name == "service" else ("--metrics", "")
            started = subprocess.Popen(  # noqa: S603 - our own command line
                [*command, *words, *shown],
                env=environment,
                stdin=subprocess.PIPE,  # never written to: its end tells the half that we are gone
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - there is one thread here
            )
            halves.append(started)
        yield halves
    finally:
        for half in halves:
            half.terminate()
        deadline = time.monotonic() + patience
        for half in halves:
            try:
                half.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                half.kill()


def _ready_address(half: subprocess.Popen[str]) -> str:
    assert half.stdout is not None  # noqa: S101 - a pipe was asked for
    line = half.stdout.readline()
    if not line:
        sys.exit(half.wait() or 1)
    return line.split()[-1]


def _options(given: Mapping[str, str | None]) -> list[str]:
    ours = {"only", "port", "application_port"}
    there = {name: text for name, text in given.items() if text is not None and name not in ours}
    return [word for name, text in there.items() for word in ("--" + name.replace("_", "-"), text)]


def _free_port(host: str) -> int:
    """A port that was free a moment ago: each half must know the other's before either has started."""
    with socket.create_server((host, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _die_with_parent() -> None:
    """Whoever is killed without warning takes the halves along, and their ports."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)
