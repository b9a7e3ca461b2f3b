"""How one part reaches S3 (UploadPart): streamed through, or by the SDK's own call.

Both take the part's bytes as an iterable of blocks, so that nothing above here knows which one it is.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from botocore.exceptions import ClientError

from level3_s3_multipart.bucket import Bucket, ca_bundle
from level3_s3_multipart.s3_errors import in_our_words, s3_errors, status_of
from level3_s3_multipart.streamed_put import Answer, NoAnswer, StopsBy, StreamedPut
from level3_s3_multipart.trailer import Crc32, framed_length, signed_headers
from shared.errors import StorageFailure, StorageUnavailable

log = logging.getLogger(__name__)

SIGNED_FOR: Final = 3600
"""Seconds a signature lasts. It is looked at when the request begins, and is never given away."""

OK: Final = 200
NOT_IMPLEMENTED: Final = 501
DAMAGED: Final = "The chunk arrived damaged at the store; send it again."
_DAMAGED: Final = frozenset({"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"})


class PartStands(Exception):
    """The store has a part of this number already and replaces none, as S3 would (rclone: 501).

    Attributes:
        md5: of the bytes that were sent now, lower-case hex, or ``""`` where that is not known.
    """

    def __init__(self, md5: str) -> None:
        super().__init__(md5)
        self.md5 = md5


@dataclass(frozen=True)
class Part:
    """One part of one multipart upload. ``number`` counts from 1; ``length`` is bytes."""

    session_id: str
    multipart_upload_id: str
    number: int
    length: int


class PartSender(Protocol):
    """Sends parts."""

    def send(self, part: Part, blocks: Iterable[memoryview], stops_by: StopsBy) -> str:
        """UploadPart; returns the ETag, quotes and all: the receipt.

        When ``blocks`` raises, the exception passes through and there is no part.

        Args:
            stops_by: is told how to break the request off from another thread, if there is a way.

        Raises:
            PartStands; UploadLost, StorageUnavailable, InsufficientStorage, StorageFailure.
        """


class StreamedParts:
    """An address signed for one part, and the body passed through to it.

    boto3 signs, and nothing of the body is hashed for the signature. Its own call would want a body that can
    be read twice: the whole chunk in memory, hashed and copied (bench/README.md has the figures).
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._http = StreamedPut(ssl.create_default_context(cafile=ca_bundle()), bucket.patience)

    def send(self, part: Part, blocks: Iterable[memoryview], stops_by: StopsBy) -> str:
        """See :meth:`PartSender.send`."""
        with s3_errors():
            url = self._bucket.client.generate_presigned_url(
                "upload_part", Params=_arguments(self._bucket, part), ExpiresIn=SIGNED_FOR
            )
        try:
            if self._bucket.checksum == "crc32":
                return self._send_with_crc32(url, part, blocks, stops_by)
            return self._send_presigned(url, part, blocks, stops_by)
        except NoAnswer as error:
            log.warning("S3 does not answer: %s", error)
            raise StorageUnavailable(retry_after=1) from error

    def _send_presigned(self, url: str, part: Part, blocks: Iterable[memoryview], stops_by: StopsBy) -> str:
        if self._bucket.checksum == "none":
            return _etag(self._http.put(url, {}, part.length, blocks, stops_by), md5="")
        digest = hashlib.md5(usedforsecurity=False)
        answer = self._http.put(url, {}, part.length, _hashed(blocks, digest), stops_by)
        etag = _etag(answer, digest.hexdigest())
        if etag.strip('"') != digest.hexdigest():
            log.error(
                "part %d: ETag %s, but MD5 %s was sent; where ETags are no MD5, use --s3-checksum crc32",
                part.number,
                etag,
                digest.hexdigest(),
            )
            raise StorageFailure(DAMAGED)
        return etag

    def _send_with_crc32(self, url: str, part: Part, blocks: Iterable[memoryview], stops_by: StopsBy) -> str:
        at = urlsplit(url)
        query = f"partNumber={part.number}&uploadId={quote(part.multipart_upload_id, safe='')}"
        url = f"{at.scheme}://{at.netloc}{at.path}?{query}"
        with s3_errors():
            headers = signed_headers(url, part.length, self._bucket)
        crc32 = Crc32()
        framed = crc32.passing(blocks)
        answer = self._http.put(url, headers, framed_length(part.length), framed, stops_by)
        return _etag(answer, md5="")


class SdkParts:
    """boto3's own call, for stores and networks that want something special. Holds a chunk in memory."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def send(self, part: Part, blocks: Iterable[memoryview], stops_by: StopsBy) -> str:  # noqa: ARG002
        """See :meth:`PartSender.send`."""
        body = bytearray()
        for block in blocks:
            body += block
        digest = hashlib.md5(body, usedforsecurity=False)
        asked = _arguments(self._bucket, part) | {"Body": bytes(body)}
        if self._bucket.checksum == "md5":
            asked["ContentMD5"] = base64.b64encode(digest.digest()).decode()
        try:
            with s3_errors():
                answer = self._bucket.client.upload_part(**asked)
        except StorageFailure as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and status_of(cause) == NOT_IMPLEMENTED:
                raise PartStands(digest.hexdigest()) from error
            raise
        return answer["ETag"]


def part_sender(bucket: Bucket, way: str) -> PartSender:
    """The sender that the setting ``s3_parts`` names: ``stream`` or ``boto3``."""
    return StreamedParts(bucket) if way == "stream" else SdkParts(bucket)


def _arguments(bucket: Bucket, part: Part) -> dict[str, Any]:
    return bucket.at(part.session_id) | {"UploadId": part.multipart_upload_id, "PartNumber": part.number}


def _hashed(blocks: Iterable[memoryview], digest: hashlib._Hash) -> Iterator[memoryview]:
    for block in blocks:
        digest.update(block)
        yield block


def _etag(answer: Answer, md5: str) -> str:
    if answer.status == OK and "etag" in answer.headers:
        return answer.headers["etag"]
    if answer.status == NOT_IMPLEMENTED:
        raise PartStands(md5)
    code, message = _error(answer.body)
    if code in _DAMAGED:
        raise StorageFailure(DAMAGED)
    raise in_our_words(code, answer.status, message)


def _error(document: bytes) -> tuple[str, str]:
    """Code and message of S3's error document."""
    try:
        error = ElementTree.fromstring(document)  # noqa: S314 - from our own store, and 64 KiB at most
    except ElementTree.ParseError:
        return "", repr(document[:200])
    return error.findtext("Code", ""), error.findtext("Message", "")
