"""What the application does with a verified delivery: once, whatever is repeated, reordered or concurrent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from sqlalchemy import Connection

from level4_dedicated_service.delivery import Delivery
from level4_dedicated_service.downstream import Downstream
from level4_dedicated_service.inbox import Answer, Claimed, Inbox
from level4_dedicated_service.object_store import Place
from level4_dedicated_service.own_copy import Copied, OwnCopies
from shared.catalogue import Catalogue, OverQuota
from shared.content import check_content
from shared.errors import (
    FileNotFound,
    FingerprintMismatch,
    InsufficientStorage,
    InvalidRequest,
    MemberError,
    Refused,
    StorageUnavailable,
)
from shared.files import FileRecord
from shared.lease import RENEWALS
from shared.wire import file_json

PATIENCE: Final = 20.0
"""Seconds that a repetition waits for the answer to the delivery it repeats; less than the service waits."""

PAUSES: Final = (0.05, 0.5)


@dataclass(frozen=True)
class Intake:
    """Takes deliveries.

    Attributes:
        quota: bytes that one owner's files may have together.
        allowed_types: MIME types taken, read from the bytes; empty: all.
    """

    inbox: Inbox
    catalogue: Catalogue
    staged: Place
    copies: OwnCopies
    downstream: Downstream
    quota: int
    allowed_types: frozenset[str]

    def take(self, delivery: Delivery) -> Answer:
        """Make one record, or refuse for good; the same answer to every repetition.

        Raises:
            InvalidRequest: the staged key is none that the service may name.
            StorageUnavailable: another delivery of the same message is still being worked on.
            FileNotFound, StorageFailure, InsufficientStorage: not now; a later delivery may succeed.
        """
        location = self.staged.location(delivery.staged_key)
        if location != delivery.session_id:
            raise InvalidRequest(errors=[MemberError("data.stagedKey", "is another upload's")])
        deadline, (pause, longest) = time.monotonic() + PATIENCE, PAUSES
        while not isinstance(there := self.inbox.claim(delivery.webhook_id, self.inbox.clock()), Claimed):
            if isinstance(there, Answer):
                return there
            if time.monotonic() + pause > deadline:
                raise StorageUnavailable("Another delivery of this is being worked on.", retry_after=2)
            time.sleep(pause)
            pause = min(2 * pause, longest)
        try:
            return self._work(delivery, location)
        except BaseException:
            self.inbox.release(delivery.webhook_id)
            raise

    def _work(self, delivery: Delivery, location: str) -> Answer:
        # After a crash between the record and the answer all is done; a large object is not copied again.
        if known := self.catalogue.recorded(delivery.session_id):
            return self.inbox.store(delivery.webhook_id, _yes(known, duplicate=False))
        try:
            copied = self.copies.copy(
                location, delivery.file_size, self.inbox.clock(), self._renewal(delivery)
            )
        except FileNotFoundError as error:
            raise FileNotFound("There is no such staged object (any more).") from error
        try:
            mime_type = self._check(delivery, copied)
        except Refused as refusal:
            self.copies.drop(copied)
            return self.inbox.store(delivery.webhook_id, _no(refusal))
        if known := self.catalogue.find(delivery.owner, copied.sha256, delivery.file_size):
            self.copies.drop(copied)
            return self.inbox.store(delivery.webhook_id, _yes(known, duplicate=True))
        return self._record(delivery, mime_type, copied.sha256, self.copies.keep(copied))

    def _check(self, delivery: Delivery, copied: Copied) -> str:
        if delivery.fingerprint not in ("", copied.sha256):
            raise FingerprintMismatch(
                f"The bytes that arrived have the SHA-256 {copied.sha256}, not {delivery.fingerprint}."
            )
        return check_content(copied.head, delivery.file_name, delivery.mime_type, self.allowed_types)

    def _record(self, delivery: Delivery, mime_type: str, sha256: str, location: str) -> Answer:
        def also(connection: Connection, file: FileRecord) -> None:
            self.inbox.answer(connection, delivery.webhook_id, _yes(file, duplicate=False))
            self.downstream.plan(connection, file, location)

        try:
            file, duplicate = self.catalogue.record(
                delivery.owner,
                delivery.session_id,
                delivery.file_name,
                delivery.file_size,
                mime_type,
                sha256,
                location,
                self.inbox.clock(),
                quota=self.quota,
                also=also,
            )
        except OverQuota as error:
            self.copies.own.store.discard(location)
            raise InsufficientStorage("The owner's files leave no room for this one.") from error
        # Any other error leaves open whether it was recorded; if not, the copy is a stray for the sweep.
        if not self.catalogue.owns(location):  # a rival was first: with this upload, or with these bytes
            self.copies.own.store.discard(location)
            return self.inbox.store(delivery.webhook_id, _yes(file, duplicate=duplicate))
        self.downstream.wake()
        return _yes(file, duplicate=duplicate)

    def _renewal(self, delivery: Delivery) -> Callable[[], None]:
        renewed = time.monotonic()

        def tick() -> None:
            nonlocal renewed
            if time.monotonic() - renewed > self.inbox.lease / RENEWALS:
                self.inbox.renew(delivery.webhook_id, self.inbox.clock())
                renewed = time.monotonic()

        return tick


def _yes(file: FileRecord, *, duplicate: bool) -> Answer:
    return Answer(HTTPStatus.OK, json.dumps({**file_json(file), "duplicate": duplicate}))


def _no(refusal: Refused) -> Answer:
    document = {
        "type": "about:blank",
        "title": refusal.title,
        "status": HTTPStatus.UNPROCESSABLE_ENTITY,
        "detail": refusal.detail,
        "code": refusal.code,
    }
    return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, json.dumps(document))
