"""A server of any level, with what it needs beside itself."""

from __future__ import annotations

import base64
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final

import pytest

from tests.conftest import Serve
from tests.raw_http import exchange
from tests.s3.endpoint import Bucket, fresh_bucket
from tests.servers import Server

ServeLevel = Callable[..., Server]
ServeHalves = Callable[[], tuple[Server, Server, Mapping[str, str]]]

STORE: Final = "rclone"
"""The S3 server below levels 3 and 4 here. Which one it is makes no difference to what is asked in this
folder, and one of the tests' own is there at once and gone at once."""


@pytest.fixture
def serve_level(serve: Serve, request: pytest.FixtureRequest) -> Iterator[ServeLevel]:
    """``serve_level(3, "--log-format", "json")``: as ``serve``, and from level 3 on over a bucket of its own,
    which all servers of a test share."""
    with ExitStack() as stack:
        buckets: list[Bucket] = []

        def start(level: int, *options: str, **attributes: Any) -> Server:
            if level < 3:
                return serve(*options, level=level, **attributes)
            if not buckets:
                endpoint = request.getfixturevalue("s3_stores").open(STORE)
                buckets.append(stack.enter_context(fresh_bucket(endpoint)))
            bucket = buckets[0]
            where = ("--s3-endpoint", bucket.endpoint.url, "--s3-bucket", bucket.name)
            how = ("--s3-addressing", "path", "--s3-min-part", "1")
            given = attributes.pop("environment", {})
            environment = {**bucket.endpoint.environment, **given}
            return serve(*where, *how, *options, level=level, environment=environment, **attributes)

        yield start


@pytest.fixture
def serve_halves(serve_level: ServeLevel) -> ServeHalves:
    """Level 4's service and application, and the header that lets a client begin an upload."""

    def start() -> tuple[Server, Server, Mapping[str, str]]:
        keys = {f"UPLOAD_{name}_SECRETS": _secret() for name in ("TICKET", "CALLBACK")}
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
        to_application = ("--only", "service", "--application-url", f"http://127.0.0.1:{port}")
        to_service = ("--only", "application", "--application-port", port)
        service = serve_level(4, *to_application, environment=keys, name="service")
        service_url = ("--service-url", f"http://127.0.0.1:{service.port}")
        application = serve_level(4, *to_service, *service_url, environment=keys, name="application")
        ticket = exchange(application.port, "POST", "/tickets").json["ticket"]
        return service, application, {"Authorization": f"Bearer {ticket}"}

    return start


def _secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
