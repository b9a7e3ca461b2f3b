"""Hostile content: a disguise is refused, and what is served back can only be saved."""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import unquote

import pytest

from tests.faults.hostile import assert_refused
from tests.oracle import begin_upload, files, finished
from tests.raw_http import Answer, exchange
from tests.servers import Server

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(40)
ELF = b"\x7fELF\x02\x01\x01" + bytes(100)
WINDOWS = b"MZ\x90\0" + bytes(100)
HTML = b"<!doctype html><script>alert(document.domain)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

DISGUISED = {"invoice.pdf": ELF, "cat.jpg": WINDOWS, "cat.png": HTML, "film.mp4": SVG, "cat.gif": PNG}


@pytest.mark.parametrize(("name", "source"), DISGUISED.items())
def test_a_disguise_is_refused_and_its_bytes_are_gone(level2: Server, name: str, source: bytes) -> None:
    upload = begin_upload(level2, name=name, source=source, chunk_size=1024)
    upload.send_rest()
    for _ in range(2):
        assert_refused(upload.complete(), HTTPStatus.UNPROCESSABLE_ENTITY, "content-rejected")
    status = upload.status().json
    assert (status["state"], status["problem"]["code"]) == ("rejected", "content-rejected")
    assert name not in [file["fileName"] for file in files(level2)]
    for folder in ("incoming", "objects"):
        assert not (level2.level_folder / folder / upload.session_id).exists()


SERVED = {
    "page.html": HTML,
    "drawing.svg": SVG,
    "setup.exe": WINDOWS,
    "both.png": PNG + HTML,
    "note.xhtml": HTML + b" ",
}


@pytest.mark.parametrize(("name", "source"), SERVED.items())
def test_what_could_run_is_served_to_be_saved_only(level2: Server, name: str, source: bytes) -> None:
    upload = begin_upload(level2, name=name, source=source, chunk_size=1024)
    upload.send_rest()
    answer = content(level2, finished(upload)["fileId"])
    assert str(answer.header("content-disposition")).startswith("attachment;")
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("content-security-policy") == "default-src 'none'; sandbox"
    assert answer.header("cross-origin-resource-policy") == "same-origin"


NAMES = [
    'quo"te.txt',
    "semi;colon.txt",
    "perc%22ent.txt",
    "\u202egnp.exe",
    "naïve-文件.txt",
    "😀",
    "a'b*c.txt",
    "=?utf-8?q?x?=",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_breaks_out_of_its_header(level2: Server, name: str) -> None:
    upload = begin_upload(level2, name=name, source=name.encode(), chunk_size=1024)
    upload.send_rest()
    value = str(content(level2, finished(upload)["fileId"]).header("content-disposition"))
    form = re.fullmatch(r'attachment; filename="([ -!#-\[\]-~]+)"(?:; filename\*=UTF-8\'\'([!-~]+))?', value)
    assert form, value
    assert (unquote(form[2]) if form[2] else form[1]) == name
    assert '"' not in unquote(form[1])


RANGES = {
    "bytes=0-3": 206,
    "bytes=-4": 206,
    "bytes=4-": 206,
    "bytes=10-999999": 206,
    "bytes=9999-": 416,
    "bytes=-0": 200,
    "bytes=5-4": 200,
    "bytes=a-b": 200,
    "bytes=" + "0-0," * 1000 + "0-0": 200,
    "bytes=0-" + "9" * 400: 206,
    "lines=0-3": 200,
    "bytes=--4": 200,
    "é": 200,
}


@pytest.mark.parametrize(("value", "status"), RANGES.items(), ids=[text[:20] for text in RANGES])
def test_a_range_that_is_none_is_ignored_or_refused(level2: Server, value: str, status: int) -> None:
    upload = begin_upload(level2, name="ranges.bin", source=bytes(range(64)), chunk_size=1024)
    upload.send_rest()
    answer = content(level2, finished(upload)["fileId"], ("Range", value))
    assert answer.status == status, answer
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        assert_refused(answer, status, "range-not-satisfiable")
        assert answer.header("content-range") == "bytes */64"
    else:
        assert len(answer.body) == int(str(answer.header("content-length"))) <= 64


def content(server: Server, file_id: str, *headers: tuple[str, str]) -> Answer:
    return exchange(server.port, "GET", f"/files/{file_id}/content", headers)
