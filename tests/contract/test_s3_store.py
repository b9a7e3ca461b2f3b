"""The S3 store keeps the contract of every byte store, on each S3 server that is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from level3_s3_multipart.bucket import Bucket as OpenBucket
from level3_s3_multipart.bucket import open_bucket
from level3_s3_multipart.parts import part_sender
from level3_s3_multipart.s3_store import S3Store
from shared.ports import ByteStore
from shared.settings import settings_from
from tests.contract.byte_store_contract import CHUNK, ByteStoreContract, Upload
from tests.s3.endpoint import Bucket
from tests.s3.rules import S3_MINIMUM
from tests.s3.stores import LARGE_PARTS


class S3StoreContract(ByteStoreContract):
    parts = "stream"
    checksum = "md5"

    @pytest.fixture
    def opened(self, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenBucket:
        for name, value in bucket.endpoint.environment.items():
            monkeypatch.setenv(name, value)
        settings = settings_from(
            {},
            {
                "s3_endpoint": bucket.endpoint.url,
                "s3_bucket": bucket.name,
                "s3_addressing": "path",
                "s3_checksum": self.checksum,
            },
        )
        return open_bucket(settings, tmp_path)

    @pytest.fixture
    def store(self, opened: OpenBucket) -> ByteStore:
        return S3Store(opened, part_sender(opened, self.parts), Upload.stored.get)

    @pytest.fixture
    def chunk_size(self, bucket: Bucket) -> int:
        return S3_MINIMUM if LARGE_PARTS in bucket.endpoint.traits else CHUNK


class TestStreamedParts(S3StoreContract):
    """As it comes."""


class TestPartsByTheSdk(S3StoreContract):
    """The readable way."""

    parts = "boto3"
    checksum = "crc32"
