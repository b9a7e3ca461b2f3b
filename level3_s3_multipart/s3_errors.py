"""What S3 says, in our words.

Stores agree on the codes that matter and differ in the rest, so what is not in the table goes by its status.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import InsufficientStorage, StorageFailure, StorageUnavailable, UploadError, UploadLost

log = logging.getLogger(__name__)

NO_UPLOAD: Final = frozenset({"NoSuchUpload", "NoSuchKey"})
"""The multipart upload is not there (any more). Ceph calls it a key."""

ABSENT: Final = frozenset({"NoSuchKey", "NotFound", "404"})
"""HEAD has no body to carry a code, so there the SDK gives the bare status."""

_BUSY: Final = frozenset({"SlowDown", "RequestTimeout", "Throttling", "TooManyRequests", "OperationAborted"})
_FULL: Final = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "StorageFull"})
_FORBIDDEN: Final = frozenset({401, 403})
_NOT_IMPLEMENTED: Final = 501
_SERVER_ERROR: Final = 500


def code_of(error: ClientError) -> str:
    """S3's code, such as ``NoSuchUpload``; ``""`` where the answer had none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The HTTP status of the answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def in_our_words(code: str, status: int, message: str) -> UploadError:
    """The error to raise for an answer of S3's.

    Args:
        code: S3's, or ``""``.
        status: HTTP.
        message: for the log; it can name buckets and keys, so no client sees it.
    """
    if code in NO_UPLOAD:
        return UploadLost()
    if code in _FULL or status == 507:  # noqa: PLR2004 - MinIO says it by status too
        return InsufficientStorage(retry_after=30)
    if code in _BUSY or status == 429:  # noqa: PLR2004
        return StorageUnavailable("The store asks to slow down; nothing was lost.", retry_after=2)
    if status in _FORBIDDEN or code == "NoSuchBucket":
        # Ours to mend, not the client's: wrong or expired credentials, a missing right, a bucket that went.
        log.error("S3 refuses: %s (%s) %s", code, status, message)
        return StorageUnavailable(retry_after=30)
    if status >= _SERVER_ERROR and status != _NOT_IMPLEMENTED:
        return StorageUnavailable(retry_after=1)
    log.error("S3 fails: %s (%s) %s", code, status, message)
    return StorageFailure()


@contextmanager
def s3_errors() -> Iterator[None]:
    """Turn the SDK's errors into ours.

    Raises:
        UploadLost, StorageUnavailable, InsufficientStorage, StorageFailure.
    """
    try:
        yield
    except ClientError as error:
        raise in_our_words(code_of(error), status_of(error), str(error)) from error
    except BotoCoreError as error:
        # No answer at all: refused, reset, timed out, or no credentials to be found.
        log.warning("S3 does not answer: %s", error)
        raise StorageUnavailable(retry_after=1) from error
