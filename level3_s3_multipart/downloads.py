"""Downloads straight from S3: the server signs an address and steps aside."""

from __future__ import annotations

from typing import Final

from level3_s3_multipart.bucket import Bucket
from level3_s3_multipart.s3_errors import s3_errors
from shared.files import FileRecord
from shared.files_blueprint import Address, attachment

FETCHED_WITHIN: Final = 300
"""Seconds in which a download must begin."""


def elsewhere(bucket: Bucket, downloads: str) -> Address | None:
    """Where downloads are sent, or None when they pass through the server (``downloads`` is ``stream``).

    S3 answers with the headers that are part of the signature, so a file is saved there as here, and never
    shown. What S3 cannot be told is ``nosniff``: give it a host name of its own.
    """
    if downloads == "stream":
        return None

    def address(record: FileRecord, location: str) -> str:
        headers = {
            "ResponseContentDisposition": attachment(record.file_name),
            "ResponseContentType": record.mime_type,
            "ResponseCacheControl": "private, no-cache",
        }
        with s3_errors():
            return bucket.client.generate_presigned_url(
                "get_object", Params=bucket.at(location) | headers, ExpiresIn=FETCHED_WITHIN
            )

    return address
