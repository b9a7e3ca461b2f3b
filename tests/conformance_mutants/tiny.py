"""The tiny server, as it is or with a mistake in it, as a process with every hook the suite knows to use."""

from __future__ import annotations

import base64
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.conformance.hooks import Hooks
from tests.conformance.messages import Address
from tests.conformance.probe import find_target
from tests.conformance.stand_in import listening
from tests.conformance.target import Target
from tests.controlled_server import ControlledServer

REPOSITORY: Final = Path(__file__).resolve().parents[2]
TINY_SERVER: Final = REPOSITORY / "tests" / "conformance" / "tiny" / "server.py"
TINY_SERVICE: Final = TINY_SERVER.with_name("service.py")
STORED: Final = (
    "import pathlib, sys; print(sum(p.stat().st_size for p in pathlib.Path(sys.argv[1]).iterdir()))"
)


@contextmanager
def serve_service(folder: Path, source: str, ttl: float | None = None, *, played: bool) -> Iterator[Target]:
    """The same for the tiny service; sessions and tickets live for ``ttl`` seconds.

    Args:
        played: whether it calls the suite and not its own application.
    """
    secret, port = base64.b64encode(b"tiny" * 8).decode(), _free_port()
    words = ["--callback-secret", secret, *(["--ticket-life", str(ttl)] if ttl else [])]
    if not played:
        with serve(folder, source, ttl, words) as target:
            yield target
        return
    words += ["--callback-url", f"http://127.0.0.1:{port}/internal/finalize"]
    with listening(port, secret) as application, serve(folder, source, ttl, words) as target:
        yield replace(target, hooks=replace(target.hooks, application=application))


@contextmanager
def serve(folder: Path, source: str, ttl: float | None = None, more: Sequence[str] = ()) -> Iterator[Target]:
    """Run ``source`` in ``folder``; gone afterwards.

    Args:
        ttl: seconds a session lives; without it a day.
        more: words of the command line.
    """
    program, data = folder / "server.py", folder / "data"
    program.write_text(source)
    words = [sys.executable, str(program), "--port", str(_free_port()), "--data", str(data), *more]
    server = ControlledServer.create(folder, words + (["--ttl", str(ttl)] if ttl else []))
    address = server.start()
    control = f"cd {REPOSITORY} && {sys.executable} -m tests.controlled_server {folder}"
    commands = {name: f"{control} {name}" for name in ("restart", "stop", "start")}
    commands["stored"] = f"{sys.executable} -c '{STORED}' {data / 'bytes'}"
    try:
        yield find_target(Address.of(address), Hooks(commands, ttl), {})
    finally:
        server.kill()


def _free_port() -> int:
    """A port that was free a moment ago: the server must come back to the same one after a restart."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
