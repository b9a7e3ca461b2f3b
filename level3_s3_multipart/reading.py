"""Reading an object (GetObject), a range at a time, also over a connection that breaks."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from level3_s3_multipart.bucket import Bucket
from level3_s3_multipart.s3_errors import ABSENT, code_of, s3_errors
from shared.errors import StorageFailure, StorageUnavailable

log = logging.getLogger(__name__)

BLOCK: Final = 256 * 1024
TRIES: Final = 3
BROKEN: Final = (BotoCoreError, HTTPClientError, HTTPError, OSError)


def read_range(bucket: Bucket, location: str, start: int, stop: int) -> Iterator[bytes]:
    """The bytes ``start`` ≤ i < ``stop`` of an object, in blocks.

    A connection that breaks inside is made again from there on, for the same object (``If-Match``).

    Raises:
        FileNotFoundError: at once, not at the first block: an answer's status depends on it.
        StorageUnavailable: S3 is away, also in the middle.
    """
    if start >= stop:
        with s3_errors():
            _found(lambda: bucket.client.head_object(**bucket.at(location)))
        return iter(())
    blocks = _blocks(bucket, location, start, stop, _get(bucket, location, start, stop, {}))
    # The first block at once as well: until it is here, S3 can still turn out to be away.
    return itertools.chain([next(blocks)], blocks)


def _blocks(bucket: Bucket, location: str, start: int, stop: int, answer: Any) -> Iterator[bytes]:
    same = {"IfMatch": answer["ETag"]}
    failures = 0
    while True:
        try:
            with answer["Body"] as body:
                while data := body.read(min(BLOCK, stop - start)):
                    start += len(data)
                    yield data
                    if start >= stop:
                        return
            broken: Exception | None = None
        except BROKEN as error:
            broken = error
        failures += 1
        log.warning("S3 broke off at byte %d: %s", start, broken)
        if failures == TRIES:
            raise StorageUnavailable(retry_after=1) from broken
        answer = _get(bucket, location, start, stop, same)


def _get(bucket: Bucket, location: str, start: int, stop: int, condition: dict[str, str]) -> Any:
    asked = bucket.at(location) | {"Range": f"bytes={start}-{stop - 1}"} | condition
    with s3_errors():
        answer = _found(lambda: bucket.client.get_object(**asked))
    if not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
        answer["Body"].close()
        raise StorageFailure("The store was asked for some bytes of the file and gave others.")
    return answer


def _found(ask: Any) -> Any:
    try:
        return ask()
    except ClientError as error:
        if code_of(error) in ABSENT:
            raise FileNotFoundError from error
        raise
