"""Parts of a file and validators: section `files`, in the words of RFC 9110, sections 13 and 14."""

from __future__ import annotations

from typing import Final

from tests.conformance.expect import expect, same, same_bytes
from tests.conformance.forms import text
from tests.conformance.messages import Answer
from tests.conformance.target import Target
from tests.conformance.ways import upload_file, variant

SIZE: Final = 1000
WITHIN: Final = (
    ("the first byte", "0-0", 0, 1),
    ("the first ten", "0-9", 0, 10),
    ("one byte in the middle", "500-500", 500, 501),
    ("some in the middle", "100-899", 100, 900),
    ("the last byte by its number", "999-999", 999, 1000),
    ("to the end, by number", "990-999", 990, 1000),
    ("an open end", "990-", 990, 1000),
    ("everything, with an open end", "0-", 0, 1000),
    ("everything, by number", "0-999", 0, 1000),
    ("further than the end", "990-5000", 990, 1000),
    ("the last byte", "-1", 999, 1000),
    ("the last ten", "-10", 990, 1000),
    ("the last thousand", "-1000", 0, 1000),
    ("the last two thousand", "-2000", 0, 1000),
)
"""What is asked for, the range, and which bytes it means: from, up to but not including."""
OUTSIDE: Final = ("1000-", "1000-1000", "1000-2000", "5000-5001", f"{2**63}-{2**63 + 1}")
UNCLEAR: Final = (
    "bytes=abc",
    "bytes=5-2",
    "bytes=",
    "bytes=-",
    "bytes=0x1-5",
    "bytes 0-5",
    "lines=0-5",
    "bytes=-0",
    "=",
)
"""To be ignored or refused; never to be taken for something."""


def ranges(target: Target) -> None:
    """`files/range`."""
    data = target.blob(SIZE)
    file = upload_file(target, data, "range.bin")

    def get(wanted: str) -> Answer:
        return target.content(file, {"Range": wanted})

    for what, wanted, start, stop in WITHIN:
        with variant(f"Range: bytes={wanted}, {what} of {SIZE}"):
            answer = get(f"bytes={wanted}")
            expect(answer, status=206)
            same(answer.header("Content-Range"), f"bytes {start}-{stop - 1}/{SIZE}", "Content-Range")
            same_bytes(answer.body, data[start:stop], "the range")
    for wanted in OUTSIDE:
        with variant(f"Range: bytes={wanted} of {SIZE}"):
            expect(get(f"bytes={wanted}"), status=416, code="range-not-satisfiable")
    for wanted in UNCLEAR:
        with variant(f"Range: {wanted}, which means nothing"):
            answer = get(wanted)
            expect(answer, status=(200, 400, 416))
            if answer.status == 200:
                same_bytes(answer.body, data, "the whole content")
    with variant("two ranges at once"):
        # A server may answer with all of it, with one joined range, or with a multipart body.
        answer = get("bytes=0-1,5-6")
        expect(answer, status=(200, 206))
        if answer.status == 200:
            same_bytes(answer.body, data, "the whole content")
        else:
            joined = answer.header("Content-Range") == f"bytes 0-6/{SIZE}" and answer.body == data[:7]
            several = answer.media_type == "multipart/byteranges"
            same(joined or several, True, "one joined range or multipart/byteranges as the answer")
    with variant("without Range, afterwards"):
        answer = target.content(file)
        expect(answer, status=200)
        same_bytes(answer.body, data, "the whole content")


def etag(target: Target) -> None:
    """`files/etag`."""
    data, part = target.blob(SIZE), "bytes=0-9"
    file = upload_file(target, data, "etag.bin")
    tag = text(target.content(file).header("ETag"), "ETag")
    weak = tag if tag.startswith("W/") else f"W/{tag}"
    for matching in (tag, weak, f'"another", {tag}', f'{tag}, "another"'):
        with variant(f"If-None-Match: {matching}"):
            answer = target.content(file, {"If-None-Match": matching})
            expect(answer, status=304)
            same_bytes(answer.body, b"", "a body of a 304")
    for other in ('"another"', f'{tag[:-1]}x"', tag[:-2] + '"'):
        with variant(f"If-None-Match: {other}, where the ETag is {tag}"):
            answer = target.content(file, {"If-None-Match": other})
            expect(answer, status=200)
            same_bytes(answer.body, data, "the content")
        with variant(f"Range with If-Range: {other}, where the ETag is {tag}"):
            answer = target.content(file, {"If-Range": other, "Range": part})
            expect(answer, status=200)
            same_bytes(answer.body, data, "the whole content")
    if tag != weak:
        with variant("Range with If-Range: the ETag"):
            answer = target.content(file, {"If-Range": tag, "Range": part})
            expect(answer, status=206)
            same_bytes(answer.body, data[:10], "the range")
