"""Hostile input at init: sizes that are none, names that are paths, JSON that is not JSON."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest

from shared.limits import MIB
from tests.conftest import Serve
from tests.faults.hostile import assert_refused
from tests.raw_http import exchange, exchange_json
from tests.servers import Server

JSON = [("Content-Type", "application/json")]
ABSENT = object()

WRONG_MEMBERS = [
    ("fileSize", -1),
    ("fileSize", 1.5),
    ("fileSize", 1024.0),
    ("fileSize", True),
    ("fileSize", "1024"),
    ("fileSize", None),
    ("fileSize", [1]),
    ("fileSize", 2**63),
    ("fileSize", 10**400),
    ("fileSize", ABSENT),
    ("fileName", ABSENT),
    ("fileName", 7),
    ("fileName", ""),
    ("fileName", "."),
    ("fileName", "a/../.."),
    ("fileName", "folder/"),
    ("fileName", "a\0b"),
    ("fileName", "a\r\nSet-Cookie: b"),
    ("fileName", "a\x85b"),
    ("fileName", "é" * 128),
    ("fileName", "\ud800.txt"),
    ("chunkSize", 0),
    ("chunkSize", -8),
    ("chunkSize", "8"),
    ("chunkSize", True),
    ("chunkSize", 1.5),
    ("mimeType", 5),
    ("mimeType", "text/plain\r\nX: y"),
    ("mimeType", "t" * 256),
    ("mimeType", "té/xt"),
    ("fingerprint", "../../../etc/passwd"),
    ("fingerprint", "A" * 64),
    ("fingerprint", "a" * 63),
    ("fingerprint", "a" * 64 + "\n"),
    ("fingerprint", None),
    ("fingerprint", "٠" * 64),
]


@pytest.mark.parametrize(("member", "value"), WRONG_MEMBERS)
def test_a_member_that_is_wrong_is_named(level2: Server, member: str, value: object) -> None:
    body: dict[str, Any] = {"fileName": "a.bin", "fileSize": 1024, member: value}
    if value is ABSENT:
        del body[member]
    answer = exchange_json(level2.port, "POST", "/upload/init", body)
    assert_refused(answer, HTTPStatus.BAD_REQUEST, "invalid-request")
    assert [error["member"] for error in answer.json["errors"]] == [member]


NO_JSON_OBJECT = {
    "nothing": b"",
    "cut off": b'{"fileName": "a", ',
    "a list": b"[1, 2]",
    "a string": b'"upload"',
    "not UTF-8": b'{"fileName": "\xff", "fileSize": 1}',
    "UTF-16": '{"fileName": "a", "fileSize": 1}'.encode("utf-16"),
    "NaN": b'{"fileName": "a", "fileSize": NaN}',
    "deep lists": b"[" * 30_000,
    "deep objects": b'{"a":' * 10_000,
    "a number of 5,000 digits": b'{"fileName": "a", "fileSize": ' + b"9" * 5_000 + b"}",
    "a number of 100,000 digits": b'{"fileName": "a", "fileSize": ' + b"9" * 100_000 + b"}",
    "huge": b" " * (5 * MIB) + b"{}",
    "huge behind the object": b'{"fileName": "a", "fileSize": 1}' + b" " * 65_536,
}


@pytest.mark.parametrize("body", NO_JSON_OBJECT.values(), ids=NO_JSON_OBJECT)
def test_what_is_no_json_object_is_refused(level2: Server, body: bytes) -> None:
    answer = exchange(level2.port, "POST", "/upload/init", JSON, body)
    assert_refused(answer, HTTPStatus.BAD_REQUEST, "invalid-request")


OTHER_TYPES = [
    [],
    [("Content-Type", "text/plain")],  # what another site's page may send without asking
    [("Content-Type", "application/x-www-form-urlencoded")],
    [("Content-Type", "multipart/form-data; boundary=x")],
    [*JSON, ("Content-Encoding", "gzip")],
]


@pytest.mark.parametrize("headers", OTHER_TYPES)
def test_another_content_type_is_refused(level2: Server, headers: list[tuple[str, str]]) -> None:
    body = json.dumps({"fileName": "a", "fileSize": 1}).encode()
    answer = exchange(level2.port, "POST", "/upload/init", headers, body)
    assert_refused(answer, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type")


@pytest.mark.parametrize("size", [100 * 1024 * MIB + 1, 2**63 - 1])
def test_too_large_is_said_at_init(level2: Server, size: int) -> None:
    answer = exchange_json(level2.port, "POST", "/upload/init", {"fileName": "a", "fileSize": size})
    assert_refused(answer, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "file-too-large")


NAMES_TAKEN = {
    "../../etc/passwd": "passwd",
    "/etc/passwd": "passwd",
    "C:\\Windows\\win.ini": "win.ini",
    "..\\..\\boot.ini": "boot.ini",
    "%2e%2e%2fpasswd": "%2e%2e%2fpasswd",  # nobody decodes it a second time
    "<img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
    "\u202egnp.exe": "\u202egnp.exe",
    'quo"te;.txt': 'quo"te;.txt',
    "~root": "~root",
    "-rf": "-rf",
    "CON": "CON",
}


@pytest.mark.parametrize(("sent", "kept"), NAMES_TAKEN.items())
def test_a_name_is_metadata_and_never_a_path(level2: Server, sent: str, kept: str) -> None:
    answer = exchange_json(level2.port, "POST", "/upload/init", {"fileName": sent, "fileSize": 1})
    assert answer.status == HTTPStatus.CREATED
    session_id = answer.json["sessionId"]
    assert exchange(level2.port, "GET", f"/upload/{session_id}").json["fileName"] == kept
    assert (level2.level_folder / "incoming" / session_id).exists()


def test_a_wish_for_absurd_chunks_is_clamped(level2: Server) -> None:
    wish = {"fileName": "a", "fileSize": 1, "chunkSize": 2**62}
    answer = exchange_json(level2.port, "POST", "/upload/init", wish)
    assert answer.json["chunkSize"] == 64 * MIB


def test_inits_are_bounded_and_a_cancelled_upload_makes_room(serve: Serve) -> None:
    port = serve("--max-sessions", "20").port
    body = {"fileName": "a", "fileSize": 1}
    paths = [exchange_json(port, "POST", "/upload/init", body).header("location") for _ in range(20)]
    assert None not in paths
    answer = exchange_json(port, "POST", "/upload/init", body)
    assert_refused(answer, HTTPStatus.TOO_MANY_REQUESTS, "too-many-sessions")
    assert answer.header("retry-after")
    exchange(port, "DELETE", str(paths[0]))
    assert exchange_json(port, "POST", "/upload/init", body).status == HTTPStatus.CREATED
