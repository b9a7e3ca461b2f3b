"""`make rolling-restarts`: twenty restarts under a load of uploads; nobody may lose anything.

A server is sent SIGTERM and replaced by a new process, then the other one, and so on, while clients send file
after file through nginx. Ends with exit code 1 if a client failed, if a confirmed byte was taken back, if a
file is missing or wrong, or if a process took longer than ten seconds to leave.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final

import click

from level3_s3_multipart.cluster.load import CHUNKS_A_FILE, Load
from level3_s3_multipart.cluster.pair import STORES, Pair
from shared.uploader.listing import list_files

GONE_WITHIN: Final = 10.0
CHUNK: Final = 1024 * 1024


@click.command()
@click.option("--times", default=20, help="Restarts.")
@click.option("--uploads", default=6, help="Uploads at once.")
@click.option("--chunk-size", default=CHUNK, help="Bytes.")
@click.option(
    "--sessions", type=click.Choice(list(STORES)), multiple=True, default=list(STORES), help="One or both."
)
def main(times: int, uploads: int, chunk_size: int, sessions: tuple[str, ...]) -> None:
    """Restart two servers behind nginx, one after the other, under load."""
    for store in sessions:
        with tempfile.TemporaryDirectory() as name:
            run(store, Path(name), times, uploads, chunk_size)


def run(store: str, folder: Path, times: int, uploads: int, chunk_size: int) -> None:
    """One campaign over one store; its result is printed."""
    gone: list[float] = []
    with Pair(store, folder / "data", ("--s3-min-part", "1")) as pair:
        with Load(pair.url, folder, uploads=uploads, chunks=None, chunk_size=chunk_size) as load:
            for number in range(times):
                load.until_moving()
                gone.append(pair.restart(number % 2))
        try:
            load.check(list_files(pair.url))
        except AssertionError as error:
            sys.exit(f"{store}: {error}")
    retries = sum(result.retries for result in load.results)
    print(
        f"{store}: {times} restarts, {len(load.results)} files of {CHUNKS_A_FILE} chunks whole, "
        f"{retries} tries repeated by the clients, none failed; a server was gone after "
        f"{statistics.median(gone):.1f} s (longest {max(gone):.1f} s)"
    )
    if max(gone) >= GONE_WITHIN:
        sys.exit(f"{store}: a server took {max(gone):.1f} s to leave")


if __name__ == "__main__":
    main()
