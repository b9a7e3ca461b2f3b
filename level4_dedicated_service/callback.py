"""The service's finalizer: call the application, believe its answer, and leave everything else to the outbox.

`finalize` makes one try. Whether, when and by which process there is another stands in the session
(:mod:`shared.finalization`): an answer other than 200 and 422, or none, is an exception here and a later try
there. So a delivery happens at least once, and always under the same ``webhook-id``.

Signed after the Standard Webhooks specification, by its library.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import urllib3
from standardwebhooks import Webhook

from level4_dedicated_service.keys import Keys
from shared.errors import REFUSALS, ContentRejected, StorageUnavailable
from shared.files import FileRecord
from shared.ports import Accepted, Rejected, StagedObject
from shared.session import Session
from shared.wire import timestamp

EVENT: Final = "upload.completed"
CONNECT_WITHIN: Final = 5.0
LARGEST_ANSWER: Final = 64 * 1024
LONGEST_PAUSE: Final = 3600.0
"""Seconds. An application may ask for a pause before the next try, but not for tomorrow."""

OK, REFUSED = 200, 422


class CallbackFailed(StorageUnavailable):
    """The application did not say yes or no; the outbox tries again."""


def webhook_id(session_id: str) -> str:
    """The id of the one message about this upload. The same whichever process sends it, and how often.

    A hash, because ids of messages are logged, and the session id is a secret.
    """
    return "msg_" + hashlib.sha256(f"{EVENT} {session_id}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class CallbackFinalizer:
    """:class:`~shared.ports.Finalizer` that asks the application over HTTP.

    Attributes:
        url: where the application listens. From the settings and nowhere else; redirects are not followed:
            whatever an answer says, the service calls no other address.
        keys: every one of them signs, so that the application may know the old one or the new one.
        timeout: seconds to wait for an answer. One that comes later is not lost: the next delivery gets it.
        key_of: location of a staged object → its key in the bucket.
    """

    url: str
    keys: Keys
    timeout: float
    key_of: Callable[[str], str]
    http: urllib3.PoolManager
    clock: Callable[[], float] = time.time

    def finalize(self, session: Session, staged: StagedObject) -> Accepted | Rejected:
        """See :meth:`shared.ports.Finalizer.finalize`.

        Raises:
            CallbackFailed: no answer, or one that is neither yes nor no.
        """
        body = json.dumps(event(session, staged, self.key_of(staged.location)), ensure_ascii=False).encode()
        status, headers, answer = self._post(body, self._signed(webhook_id(session.session_id), body))
        if status == OK:
            return _accepted(answer)
        if status == REFUSED:
            return _rejected(answer)
        raise CallbackFailed(f"The application answered {status}.", retry_after=_pause(headers))

    def owns(self, location: str) -> bool:  # noqa: ARG002
        """See :meth:`shared.ports.Finalizer.owns`. The application keeps a copy: nothing staged is a file."""
        return False

    def _signed(self, message_id: str, body: bytes) -> dict[str, str]:
        now = datetime.fromtimestamp(int(self.clock()), UTC)
        signatures = [Webhook(secret).sign(message_id, now, body.decode()) for secret in self.keys.secrets]
        return {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        within = urllib3.Timeout(connect=min(CONNECT_WITHIN, self.timeout), read=self.timeout)
        try:
            response = self.http.request(
                "POST",
                self.url,
                body=body,
                headers=headers,
                timeout=within,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                return response.status, response.headers, response.read(LARGEST_ANSWER)
            finally:
                response.close()  # whatever else it has to say; the next callback may come from elsewhere
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise CallbackFailed(f"No answer from the application: {type(error).__name__}.") from error


def event(session: Session, staged: StagedObject, key: str) -> dict[str, Any]:
    """The message, the same for every delivery of one upload."""
    return {
        "type": EVENT,
        "timestamp": timestamp(session.finalizing_since),
        "data": {
            "sessionId": session.session_id,
            "owner": session.owner,
            "stagedKey": key,
            "fileName": session.file_name,
            "mimeType": session.mime_type,
            "fileSize": staged.size,
            "fingerprint": session.fingerprint,
        },
    }


def _accepted(answer: bytes) -> Accepted:
    try:
        document = json.loads(answer)
        file = FileRecord(
            file_id=_text(document, "fileId"),
            file_name=_text(document, "fileName"),
            file_size=int(document["fileSize"]),
            mime_type=_text(document, "mimeType"),
            fingerprint=_text(document, "fingerprint"),
            created_at=datetime.fromisoformat(document["createdAt"]).timestamp(),
        )
        duplicate = document.get("duplicate") is True
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CallbackFailed("The application answered 200 and no file.") from error
    return Accepted(file, duplicate=duplicate, adopted=False)


def _rejected(answer: bytes) -> Rejected:
    try:
        document = json.loads(answer)
        code, detail = document.get("code"), document.get("detail")
    except (ValueError, AttributeError):
        code = detail = None
    # An application of one's own may refuse for reasons of its own; clients know two.
    known = code if code in REFUSALS else ContentRejected.code
    return Rejected(known, detail if isinstance(detail, str) and detail else ContentRejected.title)


def _text(document: Mapping[str, Any], member: str) -> str:
    value = document[member]
    if not isinstance(value, str):
        raise TypeError(member)
    return value


def _pause(headers: Mapping[str, str]) -> float | None:
    asked = headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isascii() and asked.isdecimal() else None
