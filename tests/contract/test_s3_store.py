"""The S3 store keeps the contract of every byte store, on each S3 server that is here."""

from __future__ import annotations

import pytest

from level3_s3_multipart.parts import part_sender
from level3_s3_multipart.s3_store import S3Store
from shared.ports import ByteStore
from tests.contract.byte_store_contract import CHUNK, ByteStoreContract
from tests.s3.endpoint import Bucket, Endpoint
from tests.s3.opened import opened
from tests.s3.rules import S3_MINIMUM
from tests.s3.stores import LARGE_PARTS, NO_TRAILERS, SHORT_PARTS

BROKEN_OFF = {
    "test_a_broken_chunk_changes_nothing",
    "test_a_late_writer_changes_nothing",
    "test_an_older_writer_is_refused_at_once",
}
"""What rests on S3 making no part of a request whose body ends early."""


class S3StoreContract(ByteStoreContract):
    parts = "stream"
    checksum = "md5"

    @pytest.fixture
    def store(self, bucket: Bucket) -> ByteStore:
        there = opened(bucket, self.checksum)
        return S3Store(there, part_sender(there, self.parts))

    @pytest.fixture(autouse=True)
    def _known_differences(self, request: pytest.FixtureRequest, s3_endpoint: Endpoint) -> None:
        if SHORT_PARTS in s3_endpoint.traits and request.function.__name__ in BROKEN_OFF:
            pytest.skip(f"NOT RUN on {s3_endpoint.name}: it {SHORT_PARTS}")

    @pytest.fixture
    def chunk_size(self, bucket: Bucket) -> int:
        return S3_MINIMUM if LARGE_PARTS in bucket.endpoint.traits else CHUNK


class TestStreamedParts(S3StoreContract):
    """As it comes."""


@pytest.mark.s3_in_turn("moto")
class TestPartsByTheSdk(S3StoreContract):
    """The readable way."""

    parts = "boto3"
    checksum = "crc32"


@pytest.mark.s3_in_turn("rclone")
class TestStreamedPartsWithTheirChecksum(S3StoreContract):
    """The checksum travels behind the bytes."""

    checksum = "crc32"

    @pytest.fixture(autouse=True)
    def _takes_trailers(self, s3_endpoint: Endpoint) -> None:
        if NO_TRAILERS in s3_endpoint.traits:
            pytest.skip(f"NOT RUN on {s3_endpoint.name}: it {NO_TRAILERS}; there, s3-checksum is md5")
