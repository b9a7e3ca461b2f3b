"""Finalization in the same process: check the bytes, then make the record (article, "Finalization")."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shared.catalogue import Catalogue
from shared.content import HEAD_SIZE, check_content
from shared.errors import FingerprintMismatch, Refused, StorageFailure
from shared.ports import Accepted, Rejected, StagedObject
from shared.session import Session


@dataclass(frozen=True)
class CatalogueFinalizer:
    """:class:`~shared.ports.Finalizer` of levels 2 and 3. A staged object becomes the file where it lies.

    Attributes:
        catalogue: where records are made.
        read: :meth:`~shared.ports.ByteStore.read` of the store that holds the staged objects.
        allowed_types: MIME types taken, read from the bytes; empty: all.
        clock: seconds since the epoch.
    """

    catalogue: Catalogue
    read: Callable[[str, int, int], Iterator[bytes]]
    allowed_types: frozenset[str]
    clock: Callable[[], float]

    def finalize(self, session: Session, staged: StagedObject) -> Accepted | Rejected:
        """See :meth:`shared.ports.Finalizer.finalize`."""
        # After a crash between the record and the session's result, all has been checked already; a large
        # object is not read a second time for it.
        if known := self.catalogue.recorded(session.session_id):
            return Accepted(known, duplicate=False, adopted=True)
        try:
            fingerprint, mime_type = self._check(session, staged)
        except Refused as refusal:
            return Rejected(refusal.code, refusal.detail)
        file, duplicate = self.catalogue.record(
            session.owner,
            session.session_id,
            session.file_name,
            staged.size,
            mime_type,
            fingerprint,
            staged.location,
            self.clock(),
        )
        return Accepted(file, duplicate=duplicate, adopted=not duplicate)

    def owns(self, location: str) -> bool:
        """See :meth:`shared.ports.Finalizer.owns`."""
        return self.catalogue.owns(location)

    def _check(self, session: Session, staged: StagedObject) -> tuple[str, str]:
        """The file's SHA-256 and MIME type, from one read of all bytes, or of the head if that is enough."""
        if staged.sha256 is None:
            fingerprint, head = self._hash(staged)
        else:
            fingerprint, head = staged.sha256, self._head(staged)
        if session.fingerprint not in ("", fingerprint):
            raise FingerprintMismatch(
                f"The bytes that arrived have the SHA-256 {fingerprint}, not {session.fingerprint}."
            )
        return fingerprint, check_content(head, session.file_name, session.mime_type, self.allowed_types)

    def _head(self, staged: StagedObject) -> bytes:
        return b"".join(self.read(staged.location, 0, min(HEAD_SIZE, staged.size)))

    def _hash(self, staged: StagedObject) -> tuple[str, bytes]:
        digest, head, size = hashlib.sha256(), b"", 0
        for block in self.read(staged.location, 0, staged.size):
            digest.update(block)
            head += block[: HEAD_SIZE - len(head)]
            size += len(block)
        if size != staged.size:
            raise StorageFailure(f"Of {staged.size:,} stored bytes only {size:,} could be read back.")
        return digest.hexdigest(), head
