"""An S3 server that tests can use, whoever runs it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY: Final = "upload-levels-tests"
SECRET_KEY: Final = "only-for-tests-on-loopback"


@dataclass(frozen=True)
class Endpoint:
    """Where it listens and who may ask.

    Attributes:
        name: what the summary calls it.
        traits: what the server is known to do otherwise than S3 (the constants in stores.py).
    """

    name: str
    url: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    region: str = "us-east-1"
    traits: frozenset[str] = frozenset()

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes boto3 in another process find the credentials, and nothing else of this machine."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @cache  # noqa: B019 - a few endpoints; a client is dear to make
    def client(self, url: str | None = None, read_timeout: float = 60.0) -> S3Client:
        """A client of the tests' own, which looks past any proxy unless it is given one's ``url``.

        It tries nothing twice.
        """
        return boto3.client(
            "s3",
            endpoint_url=url or self.url,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"total_max_attempts": 1},
                read_timeout=read_timeout,
            ),
        )


@dataclass(frozen=True)
class Bucket:
    """A bucket of one test's own."""

    endpoint: Endpoint
    name: str
    client: S3Client

    def uploads(self) -> list[tuple[str, str]]:
        """Key and id of every unfinished multipart upload."""
        pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name)
        try:
            return [(u["Key"], u["UploadId"]) for page in pages for u in page.get("Uploads", [])]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchUpload":  # rclone: a bucket that never had one
                raise
            return []

    def objects(self) -> list[str]:
        """Every object."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def parts(self, key: str, upload_id: str) -> list[tuple[int, int]]:
        """Number and size of every part of an unfinished upload."""
        pages = self.client.get_paginator("list_parts").paginate(
            Bucket=self.name, Key=key, UploadId=upload_id
        )
        return [(part["PartNumber"], part["Size"]) for page in pages for part in page.get("Parts", [])]

    def content(self, key: str) -> bytes:
        """The bytes of an object."""
        body: Any = self.client.get_object(Bucket=self.name, Key=key)["Body"]
        data: bytes = body.read()
        return data


@contextmanager
def fresh_bucket(endpoint: Endpoint) -> Iterator[Bucket]:
    """A bucket that is there for as long as the context lasts."""
    bucket = Bucket(endpoint, f"upload-levels-{secrets.token_hex(6)}", endpoint.client())
    bucket.client.create_bucket(Bucket=bucket.name)
    try:
        yield bucket
    finally:
        for key, upload_id in bucket.uploads():
            bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=key, UploadId=upload_id)
        for key in bucket.objects():
            bucket.client.delete_object(Bucket=bucket.name, Key=key)
        with suppress(ClientError):  # BucketNotEmpty: rclone keeps the folders that keys have made
            bucket.client.delete_bucket(Bucket=bucket.name)
