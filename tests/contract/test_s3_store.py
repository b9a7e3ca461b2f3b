"""The S3 store keeps the contract of every byte store, on each S3 server that is here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from level3_s3_multipart.bucket import Bucket as OpenBucket
from level3_s3_multipart.bucket import open_bucket
from level3_s3_multipart.parts import part_sender
from level3_s3_multipart.s3_store import S3Store
from shared.ports import ByteStore
from shared.settings import settings_from
from tests.contract.byte_store_contract import CHUNK, ByteStoreContract, Upload
from tests.s3.endpoint import Bucket, Endpoint
from tests.s3.rules import S3_MINIMUM
from tests.s3.stores import LARGE_PARTS, NO_TRAILERS

_clients: dict[tuple[Endpoint, str], OpenBucket] = {}


def _opened(endpoint: Endpoint, bucket: str, checksum: str) -> OpenBucket:
    """As the settings would open it; one client for all tests, because it is dear to make."""
    if (endpoint, checksum) not in _clients:
        given = {"s3_endpoint": endpoint.url, "s3_bucket": bucket, "s3_checksum": checksum}
        with mock.patch.dict("os.environ", endpoint.environment):
            opened = open_bucket(settings_from({}, {**given, "s3_addressing": "path"}), Path())
        _clients[endpoint, checksum] = opened
    return _clients[endpoint, checksum]


class S3StoreContract(ByteStoreContract):
    parts = "stream"
    checksum = "md5"

    @pytest.fixture
    def opened(self, bucket: Bucket) -> OpenBucket:
        return replace(_opened(bucket.endpoint, bucket.name, self.checksum), name=bucket.name)

    @pytest.fixture
    def store(self, opened: OpenBucket) -> ByteStore:
        return S3Store(opened, part_sender(opened, self.parts), Upload.stored.get)

    @pytest.fixture
    def chunk_size(self, bucket: Bucket) -> int:
        return S3_MINIMUM if LARGE_PARTS in bucket.endpoint.traits else CHUNK


class TestStreamedParts(S3StoreContract):
    """As it comes."""


@pytest.mark.s3_in_turn
class TestPartsByTheSdk(S3StoreContract):
    """The readable way."""

    parts = "boto3"
    checksum = "crc32"


@pytest.mark.s3_in_turn
class TestStreamedPartsWithTheirChecksum(S3StoreContract):
    """The checksum travels behind the bytes."""

    checksum = "crc32"

    @pytest.fixture(autouse=True)
    def _takes_trailers(self, s3_endpoint: Endpoint) -> None:
        if NO_TRAILERS in s3_endpoint.traits:
            pytest.skip(
                f"NOT RUN on {s3_endpoint.name}: it {NO_TRAILERS}; s3-checksum=md5 is for such stores"
            )
