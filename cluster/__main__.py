"""`python -m cluster`: two servers behind nginx until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import click

from cluster.pair import STORES, Pair, Store


@click.command()
@click.option("--sessions", type=click.Choice(STORES), default="redis", help="Where sessions live.")
@click.option("--port", default=8030, help="nginx listens here, the servers on the next two; 0: free ones.")
@click.option("--data", default="upload-data/cluster", help="Folder for what is stored.")
@click.argument("options", nargs=-1)
def main(sessions: Store, port: int, data: str, options: tuple[str, ...]) -> None:
    """Run two servers of level 3 behind nginx. OPTIONS, after `--`, go to both servers."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    folder = Path(data).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with Pair(sessions, folder, options, port) as pair:
            for server in pair.servers:
                print(f"  server {server.url}  (pid {server.pid})")
            print(f"  {pair.shared.name} {pair.shared.url}")
            print(f"two servers are ready behind nginx at {pair.url}", flush=True)
            stop.wait()
    except Exception as error:  # noqa: BLE001 - what did not start says why
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
