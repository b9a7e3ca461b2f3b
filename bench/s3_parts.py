"""The bare loop: the same parts to the same store, with nothing between. What level 3 is measured against."""

from __future__ import annotations

import os
import secrets
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from bench.connection import Connection
from bench.dialects import Task
from bench.payload import Payload

BUCKET: Final = "bench"


def client(endpoint: str) -> Any:
    """An S3 client; credentials come from the environment."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def remove_all(endpoint: str) -> None:
    """Empty the bucket: a disk that fills up would slow down whoever comes later."""
    s3 = client(endpoint)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for found in page.get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=found["Key"])


class BareParts:
    """A multipart upload over one connection: signed beforehand, sent with `sendfile`, part after part.

    No protocol, no session, no checksum: nothing in Python could be faster.
    """

    def __init__(self, task: Task, payload: Payload) -> None:
        self._task, self._payload = task, payload
        self._at = {"Bucket": BUCKET, "Key": f"bare/{secrets.token_hex(8)}"}

    def start(self) -> None:
        """See :class:`bench.dialects.Upload`."""
        self._s3 = client(self._task.url)
        self._at["UploadId"] = self._s3.create_multipart_upload(**self._at)["UploadId"]
        self._parts = [
            (number, length, self._sign(number))
            for number, (_, length) in enumerate(self._task.chunks(), start=1)
        ]
        self._connection = Connection(self._task.url)
        self._etags: list[dict[str, Any]] = []

    def send(self) -> None:
        """See :class:`bench.dialects.Upload`."""
        for number, length, path in self._parts:
            unique = number == 1
            answer = self._connection.send("PUT", path, {}, self._payload, length, unique=unique).expect(200)
            self._etags.append({"PartNumber": number, "ETag": answer.headers["etag"]})

    def finish(self) -> None:
        """See :class:`bench.dialects.Upload`."""
        self._s3.complete_multipart_upload(**self._at, MultipartUpload={"Parts": self._etags})
        self._connection.close()

    def _sign(self, number: int) -> str:
        url = urlsplit(
            self._s3.generate_presigned_url("upload_part", Params={**self._at, "PartNumber": number})
        )
        return f"{url.path}?{url.query}"
