"""Hostile chunks: whatever is wrong with one, it is refused by name and not one byte of it is kept."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from http import HTTPStatus

import pytest

from tests.conftest import Serve
from tests.faults.faulty import until
from tests.faults.hostile import assert_refused
from tests.oracle import begin_upload, files, oracle
from tests.raw_http import Connection, exchange, head
from tests.servers import Server

SIZE, CHUNK = 4096, 1024
BODY = bytes(CHUNK)

OFFSET = "x-upload-offset"
TYPE = ("Content-Type", "application/octet-stream")
WRONG_DIGEST = base64.b64encode(hashlib.sha256(b"other bytes").digest()).decode()


@dataclass(frozen=True)
class Row:
    """A PUT, and what it is answered. ``parsed``: it is HTTP, so that the session is known."""

    why: str
    status: int
    code: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = BODY
    parsed: bool = True


def bad_offset(text: str) -> Row:
    return Row(f"offset {text!r}", 400, "invalid-offset", ((OFFSET, text), TYPE))


def with_headers(why: str, status: int, code: str, *headers: tuple[str, str], body: bytes = BODY) -> Row:
    return Row(why, status, code, ((OFFSET, "0"), *headers), body)


def sized(length: int, status: int, code: str) -> Row:
    return Row(f"{length} bytes", status, code, ((OFFSET, "0"), TYPE), bytes(length))


def length_and_chunked() -> Row:
    row = length_header("1024")
    return replace(row, why="length and chunked", headers=(*row.headers, ("Transfer-Encoding", "chunked")))


def length_header(*texts: str) -> Row:
    lengths = tuple(("Content-Length", text) for text in texts)
    return replace(with_headers(f"length {texts}"[:60], 400, "invalid-request", TYPE, *lengths), parsed=False)


OFFSETS = ["-1", "+5", "5_0", "0x10", "٥", "", "00", "01", "1e3", "0.0", "0,0", "0;", "∞", "9" * 20, "9" * 30]

ROWS = [
    *map(bad_offset, OFFSETS),
    Row("no offset", 400, "invalid-offset", (TYPE,)),
    Row("offset twice", 400, "invalid-offset", ((OFFSET, "0"), (OFFSET, "0"), TYPE)),
    Row("another offset", 409, "offset-mismatch", ((OFFSET, " 5"), TYPE)),
    Row("the largest offset", 409, "offset-mismatch", ((OFFSET, "9" * 19), TYPE)),
    sized(0, 400, "empty-chunk"),
    sized(CHUNK - 1, 400, "wrong-chunk-size"),
    sized(CHUNK + 1, 400, "wrong-chunk-size"),
    sized(SIZE, 400, "wrong-chunk-size"),
    sized(SIZE + 1, 413, "exceeds-declared-size"),
    with_headers("a length of 10¹⁸", 413, "exceeds-declared-size", TYPE, ("Content-Length", "1" + "0" * 18)),
    with_headers(
        "a length of 4,300 digits", 413, "exceeds-declared-size", TYPE, ("Content-Length", "9" * 4300)
    ),
    length_header("9" * 5000),
    length_header("+1024"),
    length_header("-1024"),
    length_header("1_024"),
    length_header("0x400"),
    length_header("١٠٢٤"),
    length_header("1024", "1024"),
    length_header("1024, 1024"),
    length_header("1024", "1025"),
    length_and_chunked(),
    with_headers(
        "chunked", 411, "length-required", TYPE, ("Transfer-Encoding", "chunked"), body=b"0\r\n\r\n"
    ),
    with_headers("gzip", 415, "unsupported-media-type", TYPE, ("Content-Encoding", "gzip")),
    with_headers("identity", 415, "unsupported-media-type", TYPE, ("Content-Encoding", "identity")),
    with_headers("HTML", 415, "unsupported-media-type", ("Content-Type", "text/html")),
    with_headers("a form", 415, "unsupported-media-type", ("Content-Type", "multipart/form-data")),
    with_headers(
        "another digest", 400, "checksum-mismatch", TYPE, ("Content-Digest", f"sha-256=:{WRONG_DIGEST}:")
    ),
    with_headers("a digest that is none", 400, "invalid-request", TYPE, ("Content-Digest", "sha-256=:AAAA:")),
    with_headers(
        "a digest bare", 400, "invalid-request", TYPE, ("Content-Digest", f"sha-256={WRONG_DIGEST}")
    ),
    with_headers("no base64", 400, "invalid-request", TYPE, ("Content-Digest", "sha-256=:" + "é" * 44 + ":")),
]


@pytest.mark.parametrize("row", ROWS, ids=[row.why for row in ROWS])
def test_a_wrong_chunk_changes_nothing(level2: Server, row: Row) -> None:
    upload = begin_upload(level2, size=SIZE, chunk_size=CHUNK)
    answer = exchange(level2.port, "PUT", upload.path, row.headers, row.body)
    assert_refused(answer, row.status, row.code)
    assert answer.json.get("uploadedBytes") == (0 if row.parsed else None)
    if answer.status == HTTPStatus.CONFLICT:
        assert answer.header(OFFSET) == "0"
    assert upload.resume() == 0
    assert (level2.level_folder / "incoming" / upload.session_id).stat().st_size == 0


def test_no_length_at_all(level2: Server) -> None:
    upload = begin_upload(level2, size=SIZE, chunk_size=CHUNK)
    with Connection(level2.port) as connection:
        connection.send(head("PUT", upload.path, [(OFFSET, "0"), TYPE]))
        assert_refused(connection.answer(), HTTPStatus.LENGTH_REQUIRED, "length-required")


def test_a_chunk_past_the_end_of_a_full_upload(level2: Server) -> None:
    upload = begin_upload(level2, size=SIZE, chunk_size=CHUNK)
    upload.send_rest()
    answer = upload.put(SIZE, BODY)
    assert_refused(answer, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "exceeds-declared-size")
    assert (level2.level_folder / "incoming" / upload.session_id).stat().st_size == SIZE


def test_a_chunk_to_what_is_over(serve: Serve) -> None:
    server = serve("--session-ttl", "2")
    expired = begin_upload(server, size=SIZE, chunk_size=CHUNK)
    cancelled, rejected = begin_upload(server), begin_upload(server, "no.png", size=SIZE, chunk_size=CHUNK)
    rejected.send_rest()
    assert_refused(rejected.complete(), HTTPStatus.UNPROCESSABLE_ENTITY, "content-rejected")
    assert_refused(rejected.put(SIZE, BODY), HTTPStatus.CONFLICT, "wrong-state")
    assert exchange(server.port, "DELETE", cancelled.path).status == HTTPStatus.NO_CONTENT
    assert_refused(cancelled.put(0), HTTPStatus.NOT_FOUND, "session-not-found")
    completed = begin_upload(server, size=SIZE, chunk_size=CHUNK, seed=2)
    completed.send_rest()
    assert completed.complete().status == HTTPStatus.OK
    assert_refused(completed.put(SIZE, BODY), HTTPStatus.CONFLICT, "wrong-state")
    until(lambda: expired.status().status == HTTPStatus.NOT_FOUND, "the end of its life")
    assert_refused(expired.put(0), HTTPStatus.NOT_FOUND, "session-not-found")


def test_a_method_override_overrides_nothing(level2: Server) -> None:
    upload = begin_upload(level2, size=SIZE, chunk_size=CHUNK)
    before = len(files(level2))
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        answer = exchange(level2.port, "POST", upload.path, [(name, "DELETE")], b"")
        assert_refused(answer, HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed")
    answer = exchange(level2.port, "POST", f"{upload.path}?_method=DELETE", [], b"_method=DELETE")
    assert_refused(answer, HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed")
    assert upload.resume() == 0
    assert len(files(level2)) == before


def test_after_all_that_an_honest_upload_passes(serve: Serve) -> None:
    server = serve()
    upload = begin_upload(server, size=SIZE, chunk_size=CHUNK)
    for row in ROWS:
        exchange(server.port, "PUT", upload.path, row.headers, row.body)
    oracle(upload)
