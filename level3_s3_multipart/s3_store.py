"""Chunks become the parts of an S3 multipart upload; the object is there at Complete, all at once.

    init      CreateMultipartUpload       <prefix><session>, invisible
    chunk     UploadPart                  part number = chunk number; the receipt is its ETag
    complete  CompleteMultipartUpload     <prefix><session> appears
    cancel    AbortMultipartUpload        until no part is left

The session keeps the multipart upload's id; the key follows from the session's. Nothing is kept on this
machine, so any server may take the next chunk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from level3_s3_multipart import listings
from level3_s3_multipart.bucket import Bucket
from level3_s3_multipart.parts import Part, PartSender, PartStands
from level3_s3_multipart.reading import read_range
from level3_s3_multipart.s3_errors import ABSENT, NO_UPLOAD, code_of, s3_errors
from level3_s3_multipart.turns import Turn, Turns
from shared.blocks import Blocks
from shared.errors import StorageUnavailable, UploadLost
from shared.ports import ChunkBody, StagedObject, Stray
from shared.session import Session

log = logging.getLogger(__name__)

MARK: Final = "upload-session"
"""The metadata that says whose object it is: set at Create, asked for after Complete."""

ABORT_TRIES: Final = 5
_REFUSED_PARTS: Final = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall"})


class S3Store:
    """:class:`shared.ports.ByteStore` over one bucket and prefix.

    Args:
        parts: how a part is sent.
    """

    fences = False

    def __init__(self, bucket: Bucket, parts: PartSender) -> None:
        self._bucket = bucket
        self._client = bucket.client
        self._parts = parts
        self._turns = Turns()
        self._blocks = Blocks()

    def create(self, session_id: str) -> str:
        """See :meth:`ByteStore.create`. The reference is the multipart upload's id."""
        with s3_errors():
            answer = self._client.create_multipart_upload(
                **self._bucket.at(session_id), Metadata={MARK: session_id}, **self._checksum()
            )
        return answer["UploadId"]

    def append(self, session: Session, body: ChunkBody) -> str:
        """See :meth:`ByteStore.append`. S3 answers once the part is durable; the receipt is its ETag."""
        part = Part(session.session_id, session.storage, session.chunk_number, body.length)
        with self._turns.take(session) as turn, self._blocks.one() as block:
            try:
                return self._parts.send(part, _blocks(body, block, turn), turn.stops_by)
            except StorageUnavailable:
                turn.check()  # it may have been broken off by the writer that took over
                raise
            except PartStands as error:
                return self._standing(part, error.md5)

    def recover(self, session: Session, receipts: Sequence[str], /) -> Sequence[str]:
        """See :meth:`ByteStore.recover`. A part is there only if its last block was let go, verified."""
        with s3_errors():
            try:
                listed = listings.parts(self._bucket, session.session_id, session.storage)
                there = {part.number: part for part in listed}
            except ClientError as error:
                if code_of(error) in NO_UPLOAD:
                    raise UploadLost from error
                raise
        found = [there[number].etag for number in range(1, len(receipts) + 1) if number in there]
        if found != list(receipts):
            raise UploadLost
        offset = session.committed_offset
        while (more := there.get(len(found) + 1)) is not None:
            if more.size != min(session.chunk_size, session.declared_size - offset):
                raise UploadLost
            found.append(more.etag)
            offset += more.size
        return found

    def complete(self, session: Session, receipts: Sequence[str], /) -> StagedObject:
        """See :meth:`ByteStore.complete`. Whatever Complete answers, the object itself is asked."""
        doubt: ClientError | BotoCoreError | None = None
        try:
            self._complete(session, receipts)
        except (ClientError, BotoCoreError) as error:
            doubt = error
        with s3_errors():
            if self._is_complete(session):
                return StagedObject(location=session.session_id, size=session.declared_size)
            if isinstance(doubt, ClientError) and code_of(doubt) in _REFUSED_PARTS:
                self._explain(session, receipts, doubt)
            elif doubt is not None and self._is_unfinished(session):
                raise doubt
            elif doubt is not None and self._is_complete(session):
                # Between our two questions another server has completed it.
                return StagedObject(location=session.session_id, size=session.declared_size)
        raise UploadLost from doubt

    def abort(self, session_id: str, storage: str) -> None:
        """See :meth:`ByteStore.abort`.

        A part that is under way during Abort may still be stored, and paid for (S3, AbortMultipartUpload):
        so the parts are listed, and the upload is aborted again until none is left.

        Raises:
            StorageUnavailable: parts keep arriving; a sweep will find them.
        """
        self._turns.end(session_id)
        with s3_errors():
            for attempt in range(ABORT_TRIES):
                try:
                    self._client.abort_multipart_upload(**self._bucket.at(session_id), UploadId=storage)
                    if not any(True for _ in listings.parts(self._bucket, session_id, storage)):
                        return
                except ClientError as error:
                    if code_of(error) in NO_UPLOAD:
                        return
                    raise
                time.sleep(0.05 * 2**attempt)
        raise StorageUnavailable("Parts of the upload keep arriving.", retry_after=5)

    def discard(self, location: str) -> None:
        """See :meth:`ByteStore.discard`."""
        with s3_errors():
            self._client.delete_object(**self._bucket.at(location))

    def read(self, location: str, start: int, stop: int) -> Iterator[bytes]:
        """See :meth:`ByteStore.read`."""
        return read_range(self._bucket, location, start, stop)

    def strays(self, before: float) -> Iterator[Stray]:
        """See :meth:`ByteStore.strays`. Nothing outside our prefix is even listed."""
        with s3_errors():
            for upload in listings.uploads(self._bucket):
                if upload.since < before:
                    yield Stray(upload.name, storage=upload.multipart_upload_id, location="")
            for found in listings.objects(self._bucket):
                if found.since < before:
                    yield Stray(found.name, storage="", location=found.name)

    def check(self) -> None:
        """See :meth:`ByteStore.check`."""
        with s3_errors():
            self._client.head_bucket(Bucket=self._bucket.name)

    def _standing(self, part: Part, md5: str) -> str:
        """The receipt of a part that the store had already and would not replace, if it is the same."""
        with s3_errors():
            for there in listings.parts(self._bucket, part.session_id, part.multipart_upload_id):
                if there.number == part.number:
                    if there.etag.strip('"') == md5:
                        return there.etag
                    # Somebody's other bytes are in the way for good: this upload can never be finished.
                    log.error("session %.6s…: part %d cannot be replaced", part.session_id, part.number)
                    raise UploadLost
        # Not there, and yet taken: a request that is ending has it (rclone), perhaps another server's.
        raise StorageUnavailable("The store is still busy with an earlier request.", retry_after=1)

    def _complete(self, session: Session, receipts: Sequence[str]) -> None:
        if not receipts:
            self._complete_nothing(session)
            return
        checksums = self._checksums(session)
        parts = [
            {"PartNumber": number, "ETag": etag, **checksums.get(number, {})}
            for number, etag in enumerate(receipts, start=1)
        ]
        self._client.complete_multipart_upload(
            **self._bucket.at(session.session_id),
            UploadId=session.storage,
            MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
        )

    def _complete_nothing(self, session: Session) -> None:
        """A file of no bytes has no parts, and S3 completes no upload without parts."""
        at = self._bucket.at(session.session_id)
        try:
            self._client.put_object(**at, Body=b"", Metadata={MARK: session.session_id})
        except (ClientError, BotoCoreError):
            # Its answer may have been lost, and then the upload would stay behind for a sweep.
            if not self._is_complete(session):
                raise
        self._client.abort_multipart_upload(**at, UploadId=session.storage)

    def _is_complete(self, session: Session) -> bool:
        """Whether the object is there, of the right size, and of this upload.

        NoSuchUpload alone says nothing: Complete's answer may have been lost, or the upload was aborted.
        """
        try:
            found = self._client.head_object(**self._bucket.at(session.session_id))
        except ClientError as error:
            if code_of(error) in ABSENT:
                return False
            raise
        marks = {name.lower(): value for name, value in found["Metadata"].items()}
        # The embedded store forgets metadata when it restarts; the key alone is 192 random bits.
        ours = marks.get(MARK, session.session_id) == session.session_id
        return ours and found["ContentLength"] == session.declared_size

    def _checksum(self) -> dict[str, Any]:
        """S3 takes no checksums for parts unless they were announced."""
        return {"ChecksumAlgorithm": "CRC32"} if self._bucket.checksum == "crc32" else {}

    def _checksums(self, session: Session) -> dict[int, dict[str, str]]:
        """The parts' checksums, which S3 wants to hear again at Complete where they were announced."""
        if self._bucket.checksum != "crc32":
            return {}
        listed = listings.parts(self._bucket, session.session_id, session.storage)
        return {part.number: {"ChecksumCRC32": part.crc32} for part in listed if part.crc32}

    def _is_unfinished(self, session: Session) -> bool:
        """Whether the multipart upload is there. Its own word counts: Ceph answers 500 to Complete for one
        that was aborted."""
        try:
            next(listings.parts(self._bucket, session.session_id, session.storage), None)
        except ClientError as error:
            if code_of(error) in NO_UPLOAD:
                return False
            raise
        return True

    def _explain(self, session: Session, receipts: Sequence[str], error: ClientError) -> None:
        """Say in the log which parts S3 has not as they were confirmed."""
        try:
            listed = listings.parts(self._bucket, session.session_id, session.storage)
            there = {part.number: part.etag for part in listed}
        except (ClientError, BotoCoreError):
            there = {}
        wrong = [number for number, etag in enumerate(receipts, start=1) if there.get(number) != etag]
        log.error("session %.6s…: %s; not as confirmed: parts %s", session.session_id, error, wrong[:20])


def _blocks(body: ChunkBody, block: memoryview, turn: Turn) -> Iterator[memoryview]:
    """The body in full blocks. The last one leaves only when all has been verified and the turn is ours."""
    left = body.length
    while left:
        filled = 0
        while filled < min(len(block), left):
            filled += body.readinto(block[filled:])
        left -= filled
        turn.check()
        if not left:
            turn.last_block()
            # The body's verdict on itself falls where it ends, and there other servers hear of it.
            body.readinto(memoryview(bytearray(1)))
        yield block[:filled]
