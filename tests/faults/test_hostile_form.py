"""Hostile forms at level 1. It is naive about size and time, and still refuses by name."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus

import pytest

from shared.limits import MIB
from tests.conftest import Serve
from tests.faults.faulty import GONE, with_fault
from tests.faults.hostile import assert_refused
from tests.oracle import files
from tests.raw_http import Answer, Connection, exchange, head
from tests.servers import COMMAND, Server

BOUNDARY = "xxBOUNDARYxx"
FORM = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")


def form(name: str = "file", file_name: str | None = "a.bin", data: bytes = b"some bytes") -> bytes:
    shown = "" if file_name is None else f'; filename="{file_name}"'
    opening = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'
    return opening.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def post(server: Server, body: bytes, *headers: tuple[str, str]) -> Answer:
    return exchange(server.port, "POST", "/upload", headers or [FORM], body)


def nothing_visible(server: Server) -> None:
    """No record: what bytes there are, nobody can see."""
    assert files(server) == []


WHOLE = form()
MANY_PARTS = form("x", None).removesuffix(f"--{BOUNDARY}--\r\n".encode()) * 1500 + form("x", None)
CHUNKED = ("Transfer-Encoding", "chunked")

REFUSED = {
    "nothing": (b"", [FORM], 400, "invalid-request"),
    "no boundary": (WHOLE, [("Content-Type", "multipart/form-data")], 400, "invalid-request"),
    "another boundary": (
        WHOLE,
        [("Content-Type", "multipart/form-data; boundary=y")],
        400,
        "invalid-request",
    ),
    "JSON": (b"{}", [("Content-Type", "application/json")], 400, "invalid-request"),
    "another field": (form("data"), [FORM], 400, "invalid-request"),
    "no file name": (form(file_name=None), [FORM], 400, "invalid-request"),
    "an empty name": (form(file_name=""), [FORM], 400, "invalid-request"),
    "a name of dots": (form(file_name="../.."), [FORM], 400, "invalid-request"),
    "a name of 300 bytes": (form(file_name="a" * 300), [FORM], 400, "invalid-request"),
    "NUL in the name": (form(file_name="a\0b"), [FORM], 400, "invalid-request"),
    "cut off": (WHOLE[:-20], [FORM], 400, "invalid-request"),
    "cut off in a part's head": (WHOLE[:30], [FORM], 400, "invalid-request"),
    "a disguise": (form(file_name="cat.jpg"), [FORM], 422, "content-rejected"),
    "a thousand parts and more": (MANY_PARTS, [FORM], 413, "file-too-large"),
    "no length": (b"%x\r\n%b\r\n0\r\n\r\n" % (len(WHOLE), WHOLE), [FORM, CHUNKED], 411, "length-required"),
    "chunks of no size": (b"zz\r\n" + WHOLE, [FORM, CHUNKED], 411, "length-required"),
    "chunks that end early": (b"ffff\r\n" + WHOLE, [FORM, CHUNKED], 411, "length-required"),
    "another origin": (WHOLE, [FORM, ("Origin", "https://evil.example")], 403, "foreign-origin"),
}


@pytest.mark.parametrize(("body", "headers", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_a_form_that_is_wrong(
    level1: Server, body: bytes, headers: list[tuple[str, str]], status: int, code: str
) -> None:
    with Connection(level1.port) as connection:
        length = [] if CHUNKED in headers else [("Content-Length", str(len(body)))]
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.send(head("POST", "/upload", [*headers, *length]) + body).half_close()
        assert_refused(connection.answer(), status, code)
        assert connection.rest() == b"", "a second answer"
    nothing_visible(level1)
    assert list((level1.level_folder / "objects").iterdir()) == []


def test_too_large_is_said_before_the_body_is_read(level1: Server) -> None:
    with Connection(level1.port) as connection:
        connection.send(head("POST", "/upload", [FORM, ("Content-Length", str(51 * MIB))]))
        assert_refused(connection.answer(), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "file-too-large")


@pytest.mark.parametrize("way", ["half_close", "reset", "close"])
def test_a_connection_that_dies_inside_the_form_leaves_nothing(level1: Server, way: str) -> None:
    with Connection(level1.port) as connection:
        connection.send(head("POST", "/upload", [FORM, ("Content-Length", str(len(WHOLE)))]) + WHOLE[:-25])
        getattr(connection, way)()
        if way == "half_close":
            assert_refused(connection.answer(), HTTPStatus.BAD_REQUEST, "invalid-request")
    nothing_visible(level1)


def test_names_in_forms_are_no_paths(serve: Serve) -> None:
    server = serve(level=1)
    for number, sent in enumerate(("../../etc/passwd", "/etc/passwd", "C:\\\\Windows\\\\passwd")):
        answer = post(server, form(file_name=sent, data=b"%d" % number))
        assert (answer.status, answer.json["fileName"]) == (HTTPStatus.CREATED, "passwd")


KILLED_AT = [
    "before pathlib:Path.write_bytes 1",
    "after pathlib:Path.write_bytes 1",
    "before shared.catalogue:Catalogue.record 1",
]


@pytest.mark.parametrize("point", KILLED_AT)
def test_killed_inside_the_post_nothing_is_visible(serve: Serve, point: str) -> None:
    server = serve(level=1, **with_fault(f"{point} kill"))
    with pytest.raises(GONE):
        post(server, WHOLE)
    server.wait_gone()
    server.restart(command=COMMAND)
    nothing_visible(server)
    answer = post(server, WHOLE)
    assert answer.status == HTTPStatus.CREATED
    content = exchange(server.port, "GET", f"/files/{answer.json['fileId']}/content")
    assert content.body == b"some bytes"
