"""The tiny server, as it is or with a mistake in it, as a process with every hook the suite knows to use."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.conformance.hooks import Hooks
from tests.conformance.http import Address
from tests.conformance.probe import find_target
from tests.conformance.target import Target
from tests.controlled_server import ControlledServer

REPOSITORY: Final = Path(__file__).resolve().parents[2]
TINY_SERVER: Final = REPOSITORY / "tests" / "conformance" / "tiny" / "server.py"
STORED: Final = (
    "import pathlib, sys; print(sum(p.stat().st_size for p in pathlib.Path(sys.argv[1]).iterdir()))"
)


@contextmanager
def serve(folder: Path, source: str, ttl: float | None = None) -> Iterator[Target]:
    """Run ``source`` in ``folder``; gone afterwards.

    Args:
        ttl: seconds a session lives; without it a day.
    """
    program, data = folder / "server.py", folder / "data"
    program.write_text(source)
    words = [sys.executable, str(program), "--port", str(_free_port()), "--data", str(data)]
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
