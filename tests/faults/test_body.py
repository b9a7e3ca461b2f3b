"""The body of a chunk, byte by byte: past gunicorn's parser, and through its own stream.

Both ways must give the same answers. The fast way leans on gunicorn's internals and steps aside when they
look different; so that an upgrade cannot make it step aside unnoticed, the first server here has no other.
"""

from __future__ import annotations

import base64
import hashlib
import io
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

import pytest

from shared.blocks import BLOCK
from shared.body import chunk_body
from tests.faults.faulty import GONE, until, with_fault
from tests.faults.hostile import assert_refused
from tests.oracle import Upload, begin_upload, finished, oracle, some_bytes
from tests.raw_http import Connection, head
from tests.servers import Server

SILENCE = 1
CHUNK = 2 * BLOCK + 1000
"""Three blocks, the last one odd."""

SOURCE = some_bytes(3 * CHUNK)

WAYS = {
    "past the parser": "before shared.body:plain_source 0 refuse",
    "through the stream": "before shared.body:_socket_source 0 skip",
}


past_the_parser_only = pytest.mark.parametrize("server", ["past the parser"], indirect=True)
"""What gunicorn's own stream cannot do: it blocks until it has all it was asked for, and closes the
connection rather than read away what a refused client still sends."""


@pytest.fixture(scope="module", params=[*WAYS])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    fault = with_fault(WAYS[request.param])
    options = ("--read-timeout", str(SILENCE))
    there = Server(tmp_path_factory.mktemp("body"), options=options, **fault).start()
    yield there
    there.close()


@pytest.fixture
def upload(server: Server) -> Iterator[Upload]:
    """After one chunk, and held to the oracle afterwards, whatever the test did to it."""
    begun = begin_upload(server, source=SOURCE, chunk_size=CHUNK)
    assert begun.put().status == HTTPStatus.OK
    yield begun
    oracle(begun)


CUTS = [1, 100, 8192, BLOCK, BLOCK + 1, CHUNK - 1]


@pytest.mark.parametrize("cut", CUTS)
def test_a_body_may_arrive_in_any_pieces(upload: Upload, cut: int) -> None:
    body = upload.chunk()
    with Connection(upload.server.port) as connection:
        connection.send(upload.head() + body[:cut])
        until(lambda: stored(upload) >= CHUNK + cut - BLOCK, "the first piece")
        connection.send(body[cut:])
        assert upload.learn(connection.answer()).status == HTTPStatus.OK


@pytest.mark.parametrize("sent", [0, *CUTS])
def test_a_body_that_ends_early_counts_for_nothing(upload: Upload, sent: int) -> None:
    with Connection(upload.server.port) as connection:
        connection.send(upload.head() + upload.chunk()[:sent]).half_close()
        answer = connection.answer()
        assert_refused(answer, HTTPStatus.BAD_REQUEST, "incomplete-body")
        assert answer.json["uploadedBytes"] == CHUNK
        assert f"{sent:,} of {CHUNK:,}" in answer.json["detail"]
        assert connection.rest() == b""
    assert upload.resume() == CHUNK
    assert stored(upload) == CHUNK, "the space is given back at once"


@pytest.mark.parametrize("sent", [0, BLOCK + 1])
@pytest.mark.parametrize("end", [Connection.reset, Connection.close])
def test_a_connection_that_dies_inside_a_chunk(
    upload: Upload, sent: int, end: Callable[[Connection], None]
) -> None:
    connection = Connection(upload.server.port).send(upload.head() + upload.chunk()[:sent])
    until(lambda: stored(upload) >= CHUNK + sent - BLOCK, "the first block")
    end(connection)
    until(lambda: stored(upload) == CHUNK, "the truncation of what was cut off")
    assert upload.resume() == CHUNK


@pytest.mark.parametrize("sent", [0, BLOCK + 1])
def test_a_client_that_falls_silent_is_cut_off(upload: Upload, sent: int) -> None:
    begin = time.monotonic()
    with Connection(upload.server.port) as connection:
        connection.send(upload.head() + upload.chunk()[:sent])
        answer = connection.answer()
        assert_refused(answer, HTTPStatus.BAD_REQUEST, "incomplete-body")
        assert "fell silent" in answer.json["detail"]
        assert connection.rest() == b""
    # Its end is waited for once, and not a second time while its body is read away.
    assert SILENCE <= time.monotonic() - begin < SILENCE + 4


@past_the_parser_only
def test_a_client_that_drips_is_cut_off(server: Server) -> None:
    """Never silent for long, and never done: the deadline is for this one."""
    small = begin_upload(server, size=2048, chunk_size=1024)
    with Connection(server.port) as connection:
        connection.send(small.head())
        with pytest.raises(OSError):  # noqa: PT012 - the server closes, and sending fails at last
            for byte in small.chunk():
                connection.send(bytes([byte]))
                time.sleep(0.02)
            pytest.fail("twenty seconds of dripping")
    assert small.resume() == 0
    oracle(small)


def test_requests_sent_ahead_are_kept_apart(upload: Upload) -> None:
    """The bytes behind a body belong to the next request, also when they were received with it: here with
    the last block of a chunk, and with the head of a small one."""
    small = begin_upload(upload.server, "small.bin", size=2048, chunk_size=1024)
    with Connection(upload.server.port) as connection:
        for sent in (upload, upload, small, small):
            connection.send(sent.head() + sent.chunk())
            sent.acknowledged += len(sent.chunk())
        connection.send(head("GET", small.path))
        told = [connection.answer().json["uploadedBytes"] for _ in range(5)]
    assert told == [2 * CHUNK, 3 * CHUNK, 1024, 2048, 2048]
    finished(small)


@past_the_parser_only
def test_a_request_after_a_refused_chunk_is_understood(upload: Upload) -> None:
    small = begin_upload(upload.server, size=2048, chunk_size=1024)
    with Connection(upload.server.port) as connection:
        connection.send(upload.head(0) + upload.chunk(0))  # sent twice: refused unread
        assert_refused(connection.answer(), HTTPStatus.CONFLICT, "offset-mismatch")
        connection.send(
            upload.head() + upload.chunk() + small.head() + small.chunk() + small.head(0) + small.chunk(0)
        )
        assert upload.learn(connection.answer()).status == HTTPStatus.OK
        assert small.learn(connection.answer()).status == HTTPStatus.OK
        assert_refused(connection.answer(), HTTPStatus.CONFLICT, "offset-mismatch")


def test_what_is_sent_beyond_the_length_is_not_stored(upload: Upload) -> None:
    with Connection(upload.server.port) as connection:
        connection.send(upload.head() + upload.chunk() + b"and some more\r\n\r\n")
        assert upload.learn(connection.answer()).status == HTTPStatus.OK
        assert_refused(connection.answer(), HTTPStatus.BAD_REQUEST, "invalid-request")
    assert stored(upload) == 2 * CHUNK


def test_a_client_that_waits_to_be_asked(upload: Upload) -> None:
    with Connection(upload.server.port) as connection:
        connection.send(upload.head().replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert connection.until_blank_line().startswith("HTTP/1.1 100")
        connection.send(upload.chunk())
        assert upload.learn(connection.answer()).status == HTTPStatus.OK


def sha256(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


SECOND = SOURCE[CHUNK : 2 * CHUNK]
VERDICTS = {
    "right": (sha256(SECOND), None),
    "right among others": (f"sha-512=:AAAA:, {sha256(SECOND)}, md5=:AAAA:", None),
    "of an algorithm we do not know": ("crc32c=:AAAA:", None),
    "of one byte less": (sha256(SECOND[:-1]), "checksum-mismatch"),
    "of nothing": (sha256(b""), "checksum-mismatch"),
    "cut off": ("sha-256=:AAAA:", "invalid-request"),
}


@pytest.mark.parametrize(("digest", "code"), VERDICTS.values(), ids=VERDICTS)
def test_content_digest(upload: Upload, digest: str, code: str | None) -> None:
    with Connection(upload.server.port) as connection:
        start = upload.head().replace(b"\r\n\r\n", f"\r\nContent-Digest: {digest}\r\n\r\n".encode())
        connection.send(start + upload.chunk())
        answer = upload.learn(connection.answer())
        assert (answer.status == HTTPStatus.OK, answer.code) == (code is None, code)
        assert upload.resume() == (CHUNK if code else 2 * CHUNK)
        if code != "invalid-request":  # all of the body was read, so the connection goes on
            assert connection.send(head("GET", upload.path)).answer().status == HTTPStatus.OK


def test_under_another_server_the_stream_is_read() -> None:
    body = chunk_body({"wsgi.input": io.BytesIO(b"0123456789")}, 10, silence=1)
    block = memoryview(bytearray(6))
    assert [body.readinto(block) for _ in range(3)] == [6, 4, 0]
    assert bytes(block) == b"678945"


def stored(upload: Upload) -> int:
    """Bytes on the disk, committed or not."""
    try:
        return (upload.server.level_folder / "incoming" / upload.session_id).stat().st_size
    except GONE:
        return 0
