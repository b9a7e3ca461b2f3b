"""`python -m level3_s3_multipart.cluster`: two servers behind nginx until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import click

from level3_s3_multipart.cluster.pair import Pair


@click.command()
@click.option(
    "--sessions", default="redis", help="redis or postgresql: starts one; or the URL of one that runs."
)
@click.option("--port", default=8030, help="nginx listens here; 0: a free one.")
@click.option("--server-ports", nargs=2, default=(8031, 8032), help="The servers; 0: a free one.")
@click.option("--data", default="upload-data/cluster", help="Folder for what is stored.")
@click.argument("options", nargs=-1)
def main(
    sessions: str, port: int, server_ports: tuple[int, int], data: str, options: tuple[str, ...]
) -> None:
    """Run two servers of level 3 behind nginx. OPTIONS, after `--`, go to both servers."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    folder = Path(data).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with Pair(sessions, folder, options, port, server_ports) as pair:
            for server in pair.servers:
                print(f"a server at {server.url} (pid {server.pid})", file=sys.stderr)
            print(f"their sessions in {pair.sessions}", file=sys.stderr, flush=True)
            print(f"two servers are ready behind nginx at {pair.url}", flush=True)
            stop.wait()
    except Exception as error:  # noqa: BLE001 - what did not start says why
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
