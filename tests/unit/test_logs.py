"""Nothing that is logged lets anybody go on with an upload, or sign in somebody's name."""

from __future__ import annotations

import json
import logging
import secrets
import sys
from io import StringIO
from pathlib import Path

import pytest

from shared.logs import TEXT, JsonLines, TextFormatter, without_secrets
from shared.observed import shown
from shared.uploads import SESSION_ID_BYTES

SESSION_ID = "Zk3-9_aBcDeFgHiJkLmNoPqRsTuVwXyZ"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (SESSION_ID, "Zk3-9_…"),
        (f"[Errno 2] No such file: '/data/incoming/{SESSION_ID}.fence'", None),
        (f"GET /upload/{SESSION_ID}?x=1", "GET /upload/Zk3-9_…?x=1"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ("secret whsec_AbC+/9==", "secret whsec_…"),
        ("-" + SESSION_ID[1:], "-k3-9_…"),
    ],
)
def test_secrets_are_cut_to_their_beginning(text: str, left: str | None) -> None:
    cut = without_secrets(text)
    assert SESSION_ID[6:] not in cut
    assert left is None or cut == left


@pytest.mark.parametrize(
    "text",
    [
        'File "shared/sessions/sql.py", line 12, in _handle_dbapi_exception_noconnection',
        "session Zk3-9_…: its stored bytes are gone; giving it up",
        "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) disk I/O error",
    ],
)
def test_what_is_no_secret_stays_legible(text: str) -> None:
    assert without_secrets(text) == text


def test_no_session_id_gets_through() -> None:
    for _ in range(2000):
        session_id = secrets.token_urlsafe(SESSION_ID_BYTES)
        assert session_id[6:] not in without_secrets(f"x/{session_id}: y")


@pytest.mark.parametrize("session_id", ["", "short", "a\nforged line of a log", "x" * 6, "ä" * 32, None])
def test_what_is_no_session_id_is_not_shown(session_id: str | None) -> None:
    assert shown(session_id) == ""


def logged(formatter: logging.Formatter) -> str:
    """What a logger writes about an exception that quotes a session id, and about a request."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    try:
        Path("objects", SESSION_ID).read_bytes()
    except FileNotFoundError:
        told = logging.LogRecord("n", logging.ERROR, "p", 1, "of %s", (SESSION_ID,), sys.exc_info())
    handler.emit(told)
    request = logging.LogRecord("n", logging.INFO, "p", 1, "request", (), None)
    request.fields = {"status": 200, "session": "Zk3-9_…"}
    handler.emit(request)
    return stream.getvalue()


def test_json_is_an_object_a_line() -> None:
    error, request = map(json.loads, logged(JsonLines(["message"], timestamp="time")).splitlines())
    assert error["message"] == "of Zk3-9_…"
    assert "FileNotFoundError" in error["exc_info"]
    assert SESSION_ID[6:] not in error["exc_info"]
    assert (request["message"], request["status"], request["session"]) == ("request", 200, "Zk3-9_…")
    assert "fields" not in request


def test_text_says_the_same_for_people() -> None:
    text = logged(TextFormatter(TEXT))
    assert SESSION_ID[6:] not in text
    assert "FileNotFoundError" in text
    assert text.splitlines()[-1].endswith("n: request status=200 session=Zk3-9_…")
