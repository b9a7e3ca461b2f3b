"""A server of any level, with what it needs beside itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import Serve
from tests.s3.endpoint import fresh_bucket
from tests.servers import Server

ServeLevel = Callable[..., Server]

STORE = "rclone"
"""The S3 server below level 3 here. Which one it is makes no difference to what is asked in this folder, and
one of the tests' own is there at once and gone at once."""


@pytest.fixture
def serve_level(serve: Serve, request: pytest.FixtureRequest) -> Iterator[ServeLevel]:
    """``serve_level(3, "--log-format", "json")``: as ``serve``, and at level 3 over a bucket of its own."""
    with ExitStack() as stack:

        def start(level: int, *options: str, **attributes: object) -> Server:
            if level != 3:
                return serve(*options, level=level, **attributes)
            bucket = stack.enter_context(fresh_bucket(request.getfixturevalue("s3_stores").open(STORE)))
            where = ("--s3-endpoint", bucket.endpoint.url, "--s3-bucket", bucket.name)
            how = ("--s3-addressing", "path", "--s3-min-part", "1")
            environment = dict(bucket.endpoint.environment)
            return serve(*where, *how, *options, level=3, environment=environment, **attributes)

        yield start
