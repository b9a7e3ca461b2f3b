"""A test's bucket as level 3 would open it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

from level3_s3_multipart.bucket import Bucket as OpenBucket
from level3_s3_multipart.bucket import open_bucket
from shared.settings import settings_from
from tests.s3.endpoint import Bucket, Endpoint

_clients: dict[tuple[Endpoint, str], OpenBucket] = {}


def opened(bucket: Bucket, checksum: str = "md5") -> OpenBucket:
    """From settings alone. One client an S3 server for all tests: it is dear to make."""
    endpoint = bucket.endpoint
    if (endpoint, checksum) not in _clients:
        given = {"s3_endpoint": endpoint.url, "s3_bucket": bucket.name, "s3_checksum": checksum}
        with mock.patch.dict("os.environ", endpoint.environment):
            made = open_bucket(settings_from({}, {**given, "s3_addressing": "path"}), Path())
        _clients[endpoint, checksum] = made
    return replace(_clients[endpoint, checksum], name=bucket.name)
