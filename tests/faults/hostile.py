"""What every refusal has in common."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from tests.raw_http import Answer
from tests.servers import REPOSITORY

INTERNALS: Final = (
    "Traceback",
    ".py",
    "werkzeug",
    "sqlalchemy",
    "sqlite",
    "flask",
    str(REPOSITORY),
    "/data/",
)


def assert_refused(answer: Answer, status: int, code: str) -> None:
    """A problem document of this status and code, that shows nothing of the inside."""
    assert (answer.status, answer.code) == (status, code), answer
    document = answer.json
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"]
    text = answer.body.decode()
    assert not [word for word in INTERNALS if word.lower() in text.lower()], text


def assert_harmless(answer: Answer) -> None:
    """Whatever it was taken for: no fault of the server's, and nothing of the inside."""
    assert answer.status < HTTPStatus.INTERNAL_SERVER_ERROR, answer
    assert b"Traceback" not in answer.body
