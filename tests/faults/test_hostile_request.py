"""Hostile requests around the protocol: what is no HTTP, ids that are paths, pages of other origins, headers
that pretend to come from a proxy."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest

from tests.faults.hostile import assert_harmless, assert_refused
from tests.oracle import begin_upload, files
from tests.raw_http import Connection, exchange, exchange_json, head
from tests.servers import Server

FOREIGN = ("Origin", "https://evil.example")
INIT = {"fileName": "a.bin", "fileSize": 4}
JSON = ("Content-Type", "application/json")

NO_HTTP = {
    "garbage": (b"\x00\x01\x02\x03\r\n\r\n", 400),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "HTTP/9.9": (b"GET /upload HTTP/9.9\r\nHost: a\r\n\r\n", 400),
    "no version": (b"GET /upload\r\n\r\n", 400),
    "a blank in a name": (b"GET /upload HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "a folded header": (b"GET /upload HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
    "NUL in a header": (b"GET /upload HTTP/1.1\r\nHost: a\x00b\r\n\r\n", 400),
    "NUL in the path": (b"GET /upload/\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "lower-case method": (b"get /upload HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a long line": (b"GET /" + b"a" * 8000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "a long header": (b"GET /upload HTTP/1.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "a thousand headers": (b"GET /upload HTTP/1.1\r\n" + b"A: b\r\n" * 1000 + b"\r\n", 431),
    "an unknown coding": (b"PUT /upload/a HTTP/1.1\r\nTransfer-Encoding: zip\r\n\r\n", 400),
    "two codings": (b"PUT /upload/a HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400),
    "an expectation": (b"PUT /upload/a HTTP/1.1\r\nExpect: a miracle\r\n\r\n", 400),
    "the proxy protocol": (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET /upload HTTP/1.1\r\n\r\n", 400),
}


@pytest.mark.parametrize(("data", "status"), NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_is_answered_in_kind(level2: Server, data: bytes, status: int) -> None:
    with Connection(level2.port) as connection:
        connection.send(data).half_close()
        assert_refused(connection.answer(), status, "invalid-request")
        assert connection.rest() == b""


IDS = {
    "unknown": "A" * 32,
    "a parent folder": "..",
    "a path": "../../level2/sessions.sqlite3",
    "an encoded path": "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "twice encoded": "%252e%252e%252fetc",
    "a backslash": "..%5c..%5cboot.ini",
    "NUL": "%00",
    "NUL at the end": "AAAA%00.fence",
    "a lone surrogate": "%ED%A0%80",
    "not UTF-8": "%ff%fe",
    "CR LF": "a%0d%0aSet-Cookie:%20a=b",
    "SQL": "%27%20OR%201=1--",
    "two thousand characters": "a" * 2000,
    "a name of ours": "incoming",
    "a fence": "AAAA.fence",
}


@pytest.mark.parametrize("session_id", IDS.values(), ids=IDS)
def test_an_id_that_is_none_is_not_found(level2: Server, session_id: str) -> None:
    put = [("x-upload-offset", "0"), ("Content-Type", "application/octet-stream")]
    for answer in (
        exchange(level2.port, "GET", f"/upload/{session_id}"),
        exchange(level2.port, "PUT", f"/upload/{session_id}", put, b"data"),
        exchange(level2.port, "DELETE", f"/upload/{session_id}"),
        exchange(level2.port, "POST", f"/upload/{session_id}/complete"),
        exchange(level2.port, "GET", f"/files/{session_id}/content"),
    ):
        assert answer.code in ("session-not-found", "file-not-found", "not-found"), answer
        assert_refused(answer, HTTPStatus.NOT_FOUND, answer.code)
        assert answer.header("set-cookie") is None


PATHS = [
    "/upload/",
    "/upload//init",
    "/../etc/passwd",
    "/static/app.py",
    "/%2e%2e/",
    "//evil.example/%2e%2e",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_none_leads_nowhere(level2: Server, path: str) -> None:
    answer = exchange(level2.port, "GET", path, [("Host", "evil.example")])
    assert_refused(answer, HTTPStatus.NOT_FOUND, answer.code or "")
    assert answer.header("location") is None


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PATCH", "PROPFIND", "POST"])
def test_a_method_that_is_none(level2: Server, method: str) -> None:
    assert_refused(
        exchange(level2.port, method, "/upload"), HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed"
    )


FOREIGN_ORIGINS = [
    "https://evil.example",
    "null",
    "",
    "http://[",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1@evil.example",
    "http://127.0.0.1:1",
    "file://",
    "é",
]


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_page_of_another_origin_changes_nothing(level2: Server, origin: str) -> None:
    upload = begin_upload(level2, size=4, chunk_size=1024)
    upload.send_rest()
    put = [("x-upload-offset", "0"), ("Content-Type", "application/octet-stream")]
    for method, path, headers, body in (
        ("POST", "/upload/init", [JSON], json.dumps(INIT).encode()),
        ("PUT", upload.path, put, b"data"),
        ("POST", f"{upload.path}/complete", [], b""),
        ("DELETE", upload.path, [], None),
    ):
        answer = exchange(level2.port, method, path, [("Origin", origin), *headers], body)
        assert_refused(answer, HTTPStatus.FORBIDDEN, "foreign-origin")
    assert upload.resume() == 4


@pytest.mark.parametrize("origin", ["null", "", "file://"])
def test_an_origin_without_a_host_is_not_the_host_that_nobody_named(level2: Server, origin: str) -> None:
    with Connection(level2.port) as connection:
        connection.send(f"POST /upload/init HTTP/1.0\r\nOrigin: {origin}\r\n\r\n".encode())
        assert_refused(connection.answer(), HTTPStatus.FORBIDDEN, "foreign-origin")


def test_a_page_of_another_origin_reads_nothing(level2: Server) -> None:
    for path in ("/upload", "/files"):
        answer = exchange(level2.port, "GET", path, [FOREIGN])
        assert answer.header("access-control-allow-origin") is None
    preflight = exchange(level2.port, "OPTIONS", "/upload/init", [FOREIGN])
    assert not [name for name, _ in preflight.headers if name.startswith("access-control-")]


def test_the_own_page_may(level2: Server) -> None:
    own = [("Origin", f"http://127.0.0.1:{level2.port}"), ("Host", f"127.0.0.1:{level2.port}"), JSON]
    assert exchange(level2.port, "POST", "/upload/init", own, json.dumps(INIT).encode()).status == 201


SPOOFED = [
    [("Host", "evil.example")],
    [("X-Forwarded-Host", "evil.example")],
    [("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "1")],
    [("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "off")],
    [("X-Forwarded-Prefix", "/evil.example")],
    [("Forwarded", "host=evil.example;proto=https")],
    [("X-Original-URL", "/files"), ("X-Rewrite-URL", "/files")],
    [("Script-Name", "/evil.example")],
    [("SCRIPT_NAME", "/upload")],
    [("PATH_INFO", "/files")],
]


@pytest.mark.parametrize("headers", SPOOFED)
def test_no_header_changes_who_the_server_thinks_it_is(
    level2: Server, headers: list[tuple[str, str]]
) -> None:
    answer = exchange(level2.port, "POST", "/upload/init", [*headers, JSON], json.dumps(INIT).encode())
    assert answer.status == HTTPStatus.CREATED, answer
    assert answer.header("location") == f"/upload/{answer.json['sessionId']}"
    links = exchange(level2.port, "GET", "/upload", headers).json["links"]
    assert links == {"upload": "/upload", "files": "/files", "preflight": "/upload/preflight", "ticket": None}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=1e9", "limit=x", "after=x", "after=%C3%A9", "after="]
)
def test_a_page_of_the_list_that_is_none(level2: Server, query: str) -> None:
    assert_refused(exchange(level2.port, "GET", f"/files?{query}"), HTTPStatus.BAD_REQUEST, "invalid-request")


def test_absurd_limits_are_bounded(level2: Server) -> None:
    assert_harmless(exchange(level2.port, "GET", "/files?limit=9999999999999999999"))
    assert isinstance(files(level2), list)


def test_a_simple_form_of_another_site_starts_nothing(level2: Server) -> None:
    form = ("Content-Type", "text/plain")
    answer = exchange(level2.port, "POST", "/upload/init", [form], json.dumps(INIT).encode())
    assert_refused(answer, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type")


BROKEN_CHUNKS = [
    b"zz\r\nGET /files HTTP/1.1\r\n\r\n",
    b"-1\r\n",
    b"4\r\ndataXX0\r\n\r\n",
    b"5;=\r\nhello\r\n",
]


@pytest.mark.parametrize("body", BROKEN_CHUNKS)
@pytest.mark.parametrize(("path", "status"), [("/upload/init", 400), ("/upload/unknown/complete", 404)])
def test_broken_framing_gets_one_answer(level2: Server, body: bytes, path: str, status: int) -> None:
    with Connection(level2.port) as connection:
        connection.send(head("POST", path, [JSON, ("Transfer-Encoding", "chunked")]) + body).half_close()
        answer = connection.answer()
        assert_refused(answer, status, answer.code or "")
        assert connection.rest() == b"", "a second answer"


def test_the_next_request_on_the_connection_is_still_understood(level2: Server) -> None:
    """What is refused before its body was read must not become the next request (request smuggling)."""
    upload = begin_upload(level2, size=4096, chunk_size=1024)
    smuggled = head("DELETE", upload.path)
    body = smuggled + bytes(1024 - len(smuggled))
    with Connection(level2.port) as connection:
        connection.send(upload.head(1024, 1024) + body + head("GET", upload.path))
        assert_refused(connection.answer(), HTTPStatus.CONFLICT, "offset-mismatch")
        assert connection.answer().json["uploadedBytes"] == 0
    assert upload.resume() == 0
    assert exchange_json(level2.port, "POST", "/upload/init", INIT).status == HTTPStatus.CREATED
