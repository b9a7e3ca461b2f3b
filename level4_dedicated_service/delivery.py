"""A callback as it reaches the application: verified first, as bytes; parsed only then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from standardwebhooks import Webhook

from level4_dedicated_service.callback import EVENT
from level4_dedicated_service.keys import Keys
from shared.errors import InvalidRequest, MemberError, Unauthorized
from shared.wire import parse_json

HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
LONGEST_ID: Final = 128
MOST_SIGNATURES: Final = 1024
"""Characters of the signature header that are looked at: a dozen signatures, no more work than that."""


class SupportsGet(Protocol):
    """Headers of a request, in whatever class the framework has for them."""

    def get(self, name: str, default: str, /) -> str:
        """The header's value, or ``default``."""


@dataclass(frozen=True)
class Delivery:
    """What the service says of a staged upload; sizes in bytes, ``fingerprint`` hex or ``""``."""

    webhook_id: str
    session_id: str
    owner: str
    staged_key: str
    file_name: str
    mime_type: str
    file_size: int
    fingerprint: str


def verify(raw: bytes, headers: SupportsGet, keys: Keys) -> str:
    """Check the signature over the bytes as they came; return the webhook-id.

    Raises:
        Unauthorized: no signature of ours, or one that is more than five minutes old or ahead. Which of
            these is not said.
    """
    given = {name: headers.get(name, "") for name in HEADERS}
    if len(given["webhook-id"]) <= LONGEST_ID and len(given["webhook-signature"]) <= MOST_SIGNATURES:
        for secret in keys.secrets:
            try:
                Webhook(secret).verify(raw, given, json_parse=False)
            except Exception:  # noqa: BLE001, S112 - the library lets what hostile headers cause pass through
                continue
            return given["webhook-id"]
    raise Unauthorized("This address takes signed callbacks of the upload service, and nothing else.")


def parse(raw: bytes, webhook_id: str) -> Delivery:
    """The members of a verified message.

    Raises:
        InvalidRequest: another kind of event, or a member missing or of the wrong type.
    """
    message = parse_json(raw)
    if message.get("type") != EVENT:
        raise InvalidRequest(errors=[MemberError("type", f"must be {EVENT}")])
    data = message.get("data")
    problems: list[MemberError] = []
    delivery = Delivery(
        webhook_id=webhook_id,
        session_id=_text(data, "sessionId", problems),
        owner=_text(data, "owner", problems),
        staged_key=_text(data, "stagedKey", problems),
        file_name=_text(data, "fileName", problems),
        mime_type=_text(data, "mimeType", problems),
        file_size=_size(data, problems),
        fingerprint=_text(data, "fingerprint", problems),
    )
    if problems:
        raise InvalidRequest(errors=problems)
    return delivery


def _text(data: Any, member: str, problems: list[MemberError]) -> str:
    value = data.get(member) if isinstance(data, dict) else None
    if isinstance(value, str):
        return value
    problems.append(MemberError(f"data.{member}", "must be text"))
    return ""


def _size(data: Any, problems: list[MemberError]) -> int:
    value = data.get("fileSize") if isinstance(data, dict) else None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    problems.append(MemberError("data.fileSize", "must be a whole number of bytes"))
    return 0
