"""Level-3 servers of the tests: real processes, their S3 behind the proxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.s3.endpoint import Bucket
from tests.s3.oracle import PREFIX, Level3
from tests.s3.rules import S3_MINIMUM
from tests.s3.stores import LARGE_PARTS
from tests.servers import Server

SILENCE: Final = "1"
"""Seconds that a server waits for a byte from S3."""


def options(bucket: Bucket, url: str | None = None) -> tuple[str, ...]:
    """The command line that makes a server use ``bucket``, reached at ``url``."""
    smallest = S3_MINIMUM if LARGE_PARTS in bucket.endpoint.traits else 1
    return (
        *("--s3-endpoint", url or bucket.endpoint.url, "--s3-bucket", bucket.name),
        *("--s3-prefix", PREFIX, "--s3-addressing", "path", "--s3-min-part", str(smallest)),
        *("--s3-timeout", SILENCE),
    )


@contextmanager
def serving(
    folder: Path, bucket: Bucket, url: str | None = None, *more: str, **attributes: Any
) -> Iterator[Level3]:
    """A level-3 server for as long as the context lasts."""
    environment = dict(bucket.endpoint.environment) | dict(attributes.pop("environment", {}))
    server = Server(
        folder, level=3, options=(*options(bucket, url), *more), environment=environment, **attributes
    )
    try:
        server.start()
        yield Level3(server, bucket)
    finally:
        server.close()
