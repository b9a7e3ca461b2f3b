"""What S3 has of ours, page by page (ListParts, ListMultipartUploads, ListObjectsV2).

S3 never lists more than 1,000 at once, so every listing here is a generator over all pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

from level3_s3_multipart.bucket import Bucket
from level3_s3_multipart.s3_errors import NO_UPLOAD, code_of

NAME: Final = re.compile(r"[A-Za-z0-9_-]{16,}")
"""A session id. What else lies below the prefix is somebody else's and is left alone."""


@dataclass(frozen=True)
class ListedPart:
    """A part that S3 has; ``size`` is bytes, ``crc32`` as S3 writes it, or ``""``."""

    number: int
    etag: str
    size: int
    crc32: str = ""


@dataclass(frozen=True)
class ListedUpload:
    """A multipart upload that is neither completed nor aborted; ``since`` is seconds since the epoch."""

    name: str
    multipart_upload_id: str
    since: float


@dataclass(frozen=True)
class ListedObject:
    """An object; ``since`` is seconds since the epoch."""

    name: str
    since: float


def parts(bucket: Bucket, location: str, multipart_upload_id: str) -> Iterator[ListedPart]:
    """The parts of one multipart upload, in order."""
    pages = bucket.client.get_paginator("list_parts").paginate(
        **bucket.at(location), UploadId=multipart_upload_id
    )
    for page in pages:
        for part in page.get("Parts", []):
            yield ListedPart(part["PartNumber"], part["ETag"], part["Size"], part.get("ChecksumCRC32", ""))


def uploads(bucket: Bucket) -> Iterator[ListedUpload]:
    """The multipart uploads below our prefix."""
    pages = bucket.client.get_paginator("list_multipart_uploads").paginate(
        Bucket=bucket.name, Prefix=bucket.prefix
    )
    try:
        for page in pages:
            for upload in page.get("Uploads", []):
                if name := _name(bucket, upload["Key"]):
                    yield ListedUpload(name, upload["UploadId"], upload["Initiated"].timestamp())
    except ClientError as error:
        if code_of(error) not in NO_UPLOAD:  # what rclone says of a bucket that never had one
            raise


def objects(bucket: Bucket) -> Iterator[ListedObject]:
    """The objects below our prefix."""
    pages = bucket.client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix=bucket.prefix)
    for page in pages:
        for found in page.get("Contents", []):
            if name := _name(bucket, found["Key"]):
                yield ListedObject(name, found["LastModified"].timestamp())


def _name(bucket: Bucket, key: str) -> str:
    name = key.removeprefix(bucket.prefix)
    return name if key.startswith(bucket.prefix) and NAME.fullmatch(name) else ""
