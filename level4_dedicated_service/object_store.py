"""Level 3's store, unchanged, used twice: for what is staged, and for what the application keeps.

The only place where one level imports another: what the article says in words (the service is level 3, moved
out) stands here in code. Staged objects and files have a prefix each, and may have a bucket each, so that
the credentials of each half can be narrowed to its own (README.md has the policies).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from botocore.exceptions import ClientError

from level3_s3_multipart.bucket import Bucket, open_bucket
from level3_s3_multipart.embedded_s3 import EMBEDDED
from level3_s3_multipart.parts import part_sender
from level3_s3_multipart.s3_errors import ABSENT, code_of, s3_errors
from level3_s3_multipart.s3_store import S3Store
from shared.errors import InvalidRequest, MemberError
from shared.settings import Settings

NAME: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
"""A session id: what a staged object is called, and all it may be called."""


@dataclass(frozen=True)
class Place:
    """One prefix of one bucket, and level 3's store in it."""

    bucket: Bucket
    store: S3Store

    def key(self, location: str) -> str:
        """The object's key in the bucket."""
        return self.bucket.key(location)

    def location(self, key: str) -> str:
        """The inverse of :meth:`key`.

        Raises:
            InvalidRequest: no key below our prefix; whoever signed it, nothing else is ever read.
        """
        location = key.removeprefix(self.bucket.prefix)
        if not key.startswith(self.bucket.prefix) or not NAME.fullmatch(location):
            raise InvalidRequest(errors=[MemberError("stagedKey", "is no key below the staging prefix")])
        return location

    def size(self, location: str) -> int:
        """Bytes of the object (HeadObject).

        Raises:
            FileNotFoundError: there is none.
            StorageUnavailable, StorageFailure.
        """
        with s3_errors():
            try:
                return self.bucket.client.head_object(**self.bucket.at(location))["ContentLength"]
            except ClientError as error:
                if code_of(error) in ABSENT:
                    raise FileNotFoundError(location) from error
                raise


def staging_place(settings: Settings, folder: Path) -> Place:
    """Where the service assembles uploads and the application fetches them."""
    bucket = settings.staging_bucket or settings.s3_bucket
    return _place(replace(settings, s3_bucket=bucket, s3_prefix=settings.staging_prefix), folder)


def files_place(settings: Settings, folder: Path) -> Place:
    """Where the application keeps what it has accepted."""
    return _place(settings, folder)


def _place(settings: Settings, folder: Path) -> Place:
    bucket = open_bucket(settings, folder)
    if settings.s3_endpoint == EMBEDDED:
        # rclone removes a folder with its last object, also while another upload begins in it. Staged objects
        # come and go, so something must stay. It is no session id: no sweep looks at it.
        with s3_errors():
            bucket.client.put_object(**bucket.at(".keep"), Body=b"")
    return Place(bucket, S3Store(bucket, part_sender(bucket, settings.s3_parts)))
