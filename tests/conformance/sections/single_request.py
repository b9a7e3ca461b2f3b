"""PROTOCOL.md, section `single-request`: one POST, and nothing to go back to. The forms are made by hand."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from tests.conformance.case import MUST, NotApplicable, Section
from tests.conformance.expect import expect, same, same_bytes
from tests.conformance.forms import expect_file, number, text
from tests.conformance.messages import NoAnswer
from tests.conformance.target import OCTETS, Target
from tests.conformance.ways import file_part, file_path, form, post_form, text_part, variant

SECTION: Final = Section("single-request", claim="single-request")

MIB: Final = 1024 * 1024
AFFORDABLE: Final = 64 * MIB
"""The largest file that a case sends in earnest."""


@SECTION.case("created", MUST, "Answer 201 FILE with `Location`.")
def created(target: Target) -> None:
    awkward = b"\r\n--" + target.blob(16, "awkward").hex().encode() + b"--\r\n\r\n--\r\n\x00"
    blob = target.blob
    for what, data, parts in (
        ("a file", blob(100), [file_part("a.bin", blob(100), OCTETS)]),
        ("a file that names no type", blob(101), [file_part("a.bin", blob(101))]),
        ("one byte", blob(1), [file_part("a.bin", blob(1), OCTETS)]),
        ("bytes that look like the form's own", awkward, [file_part("a.bin", awkward, OCTETS)]),
        (
            "a file between other fields",
            blob(102),
            [text_part("before", "1"), file_part("a.bin", blob(102), OCTETS), text_part("after", "2")],
        ),
    ):
        with variant(what):
            answer = post_form(target, parts)
            expect(answer, status=201)
            if len(data) > 1:  # there are only so many files of one byte, and somebody's may have been first
                expect(answer, status=201, fileName="a.bin")
            same(answer.media_type, "application/json", "the Content-Type of FILE")
            expect_file(answer.json, data, "FILE")
            wanted = file_path(target, answer.json)
            location = text(answer.header("Location"), f"Location ({wanted})")
            same(urlsplit(location).path, urlsplit(wanted).path, "the path in Location")
            found = target.request("GET", wanted)
            expect(found, status=200)
            same(found.json, answer.json, "FILE at its Location")
            same_bytes(target.content(answer.json).body, data, "the content")


@SECTION.case("too-large", MUST, "More than `maxFileSize` is 413 `file-too-large`, before the body is read.")
def too_large(target: Target) -> None:
    most = number(target.capabilities.get("maxFileSize"), "maxFileSize")
    if most >= 2**63 - MIB:
        raise NotApplicable("maxFileSize is the largest size there is")
    for length in (most + MIB, most * 2 + MIB):
        with variant(f"Content-Length: {length:,}, where maxFileSize is {most:,}, and not one byte of body"):
            kind, body = form([file_part("large.bin", b"", OCTETS)])
            fields = target.base_headers() | {"Content-Type": kind, "Content-Length": str(length)}
            with target.connect() as connection:
                connection.send_head("POST", target.upload_path, fields)
                expect(connection.answer(5), status=413, code="file-too-large")
    if most > AFFORDABLE:
        return
    with variant(f"a file of {most + 1:,} bytes, one more than maxFileSize"):
        # All of it is sent: from the length of the form alone, nobody knows the file's to the byte.
        kind, body = form([file_part("large.bin", bytes(most + 1), OCTETS)])
        fields = target.base_headers() | {"Content-Type": kind, "Content-Length": str(len(body))}
        with target.connect() as connection:
            connection.send_head("POST", target.upload_path, fields)
            connection.send(body)
            expect(connection.answer(), status=413, code="file-too-large")


@SECTION.case("missing-file", MUST, "A form without a file named `file` is 400 `invalid-request`.")
def missing_file(target: Target) -> None:
    data = target.blob(100)
    for what, parts in (
        ("no parts", []),
        ("a field of another name", [text_part("name", "value")]),
        ("a file of another name", [file_part("a.bin", data, OCTETS, field="attachment")]),
        ("a file of another case", [file_part("a.bin", data, OCTETS, field="File")]),
        ("a text named file", [text_part("file", "value")]),
    ):
        with variant(f"a form with {what}"):
            expect(post_form(target, parts), status=400, code="invalid-request")
    for what, kind, body in (
        ("a form of the other kind", "application/x-www-form-urlencoded", b"file=value"),
        ("an empty body", form([])[0], b""),
        (
            "a boundary that does not occur",
            "multipart/form-data; boundary=other",
            form([file_part("a", data)])[1],
        ),
        ("no boundary", "multipart/form-data", form([file_part("a", data)])[1]),
    ):
        with variant(what):
            headers = {"Content-Type": kind}
            answer = target.request("POST", target.upload_path, body=body, headers=headers)
            # Another kind of body may also be refused as such.
            multipart = kind.startswith("multipart")
            expect(answer, status=400 if multipart else (400, 415))
            expect(
                answer,
                status=answer.status,
                code="invalid-request" if answer.status == 400 else "unsupported-media-type",
            )
    with variant("a form with a file, afterwards"):
        expect(post_form(target, [file_part("missing-file.bin", data, OCTETS)]), status=201)


@SECTION.case("nothing-visible", MUST, "A connection that dies inside the POST leaves no record.")
def nothing_visible(target: Target) -> None:
    data = target.blob(50_000)
    name = f"torn-{target.blob(8, 'name').hex()}.bin"
    kind, body = form([file_part(name, data, OCTETS)])
    fields = target.base_headers() | {"Content-Type": kind, "Content-Length": str(len(body))}
    ends = {
        "before the file": body.index(b"\r\n\r\n"),
        "inside the file": len(body) // 2,
        "after the file, before the form's end": body.rindex(b"\r\n--"),
        "two bytes before the form's end": len(body) - 4,
    }
    for where, end in ends.items():
        for how in ("reset", "half-close", "close"):
            with variant(f"{how} {where}"), target.connect() as connection:
                connection.send_head("POST", target.upload_path, fields)
                connection.send(body[:end])
                same(_seen(target, name), 0, "the number of records while the bytes are still coming")
                if how == "half-close":
                    connection.half_close()
                    with suppress(NoAnswer):
                        expect(connection.answer(5), status=range(400, 500))
                elif how == "reset":
                    connection.reset()
                else:
                    connection.close()
                same(_seen(target, name), 0, "the number of records of a torn upload")
    time.sleep(0.5)
    same(_seen(target, name), 0, "the number of records of torn uploads, a little later")
    with variant("the whole form, afterwards"):
        answer = target.request("POST", target.upload_path, body=body, headers={"Content-Type": kind})
        expect(answer, status=201, fileName=name)
        same(_seen(target, name), 1, "the number of records of the whole upload")


def _seen(target: Target, name: str) -> int:
    return sum(file.get("fileName") == name for file in target.all_files())
