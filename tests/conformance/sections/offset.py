"""PROTOCOL.md, section `offset`.

The files are one chunk of the smallest size and a tail of a few bytes: once the chunk is committed, every
wrong offset comes with the very bytes that would be right, so that the offset alone is on trial.
"""

from __future__ import annotations

from typing import Final

from tests.conformance.case import MUST, Section
from tests.conformance.expect import expect, require, same, same_bytes
from tests.conformance.forms import fingerprint
from tests.conformance.target import OCTETS, Target, Upload
from tests.conformance.ways import BEYOND, committed, drop, expect_committed, variant

SECTION: Final = Section("offset", claim="chunked")

TAIL: Final = 7


def begin(target: Target) -> Upload:
    """A session for one chunk and a tail."""
    return target.begin(target.blob(target.small + TAIL))


@SECTION.case(
    "mismatch", MUST, "An offset other than the committed one is 409 offset-mismatch; nothing is stored."
)
def mismatch(target: Target) -> None:
    upload = begin(target)
    size, first, tail = upload.chunk_size, upload.chunk(0), upload.chunk(1)
    for early in (1, size, len(upload.data)):
        with variant(f"offset {early:,} when nothing is committed"):
            expect(target.put(upload, early, first), status=409, code="offset-mismatch")
    expect_committed(target, upload, 0)
    target.put_chunks(upload, 0, 1)
    wrong = (0, 1, size - 1, size + 1, len(upload.data), len(upload.data) + 1, 2**63 - 1, BEYOND)
    for offset in (each for each in wrong if each != size):
        with variant(f"offset {offset} when {size:,} bytes are committed"):
            expect(target.put(upload, offset, bytes(len(tail))), status=409, code="offset-mismatch")
            expect_committed(target, upload, size)
    with variant("a chunk that was committed already"):
        expect(target.put(upload, 0, bytes(size)), status=409, code="offset-mismatch")
    file = target.finish(upload, first=1)
    same(file.get("fingerprint"), fingerprint(upload.data), "the fingerprint after refused chunks")
    if "files" in target.claims:
        same_bytes(target.content(file).body, upload.data, "the file after refused chunks")


@SECTION.case(
    "mismatch-tells",
    MUST,
    "That 409 carries the committed offset as `uploadedBytes` and as `x-upload-offset`.",
)
def mismatch_tells(target: Target) -> None:
    upload = begin(target)
    size, total = upload.chunk_size, len(upload.data)
    for here, sent in (0, 1), (size, size + 1), (total, 0):
        with variant(f"offset {sent:,} when {here:,} bytes are committed"):
            answer = target.put(upload, sent, upload.chunk(0 if here == 0 else 1))
            expect(answer, status=409, code="offset-mismatch", uploadedBytes=here)
            told = [value for name, value in answer.headers if name == "x-upload-offset"]
            same(told, [str(here)], "the x-upload-offset headers of the 409")
        if here < total:
            target.put_chunks(upload, here // size, here // size + 1)
    drop(target, upload)


MALFORMED: Final[tuple[tuple[str, list[bytes]], ...]] = (
    ("missing", []),
    ("twice, the same", [b"0", b"0"]),
    ("twice, different", [b"0", b"1"]),
    ("empty", [b""]),
    ("+0", [b"+0"]),
    ("-0", [b"-0"]),
    ("+5", [b"+5"]),
    ("-1", [b"-1"]),
    ("0_0", [b"0_0"]),
    ("5_0", [b"5_0"]),
    ("00", [b"00"]),
    ("007", [b"007"]),
    ("0x0", [b"0x0"]),
    ("0x10", [b"0x10"]),
    ("0.0", [b"0.0"]),
    ("0e0", [b"0e0"]),
    ("0,0", [b"0,0"]),
    ("0;", [b"0;"]),
    ("0 0", [b"0 0"]),
    ('"0"', [b'"0"']),
    ("a word", [b"none"]),
    ("an Arabic zero", ["٠".encode()]),
    ("a full-width zero", ["０".encode()]),
    ("a zero after a no-break space", [b"\xa00"]),
    ("a superscript two", [b"\xb2"]),
    ("20 digits", [b"10000000000000000000"]),
    ("20 zeros", [b"0" * 20]),
    ("300 digits", [b"1" * 300]),
)
"""Where a lenient parser would see a number, it sees 0: then the chunk would be accepted, not merely answered
with another refusal."""


@SECTION.case(
    "header-form",
    MUST,
    "`x-upload-offset` is sent exactly once, as a plain decimal of at most 19 digits; anything else is 400.",
)
def header_form(target: Target) -> None:
    upload = target.begin(target.blob(TAIL))
    for what, values in MALFORMED:
        # Bytes as they are: the head is encoded as UTF-8, with surrogates standing for everything else.
        fields = [("x-upload-offset", value.decode("utf-8", "surrogateescape")) for value in values]
        fields += [*target.base_headers().items(), ("Content-Type", OCTETS), ("Content-Length", str(TAIL))]
        with variant(f"x-upload-offset: {what}"), target.connect() as connection:
            connection.send_head("PUT", upload.path, fields)
            connection.send(upload.data)
            expect(connection.answer(), status=400, code="invalid-offset")
    expect_committed(target, upload, 0)
    for offset in ("1" * 19, BEYOND):
        with variant(f"x-upload-offset: {offset} is in good form"):
            expect(target.put(upload, offset, upload.data), status=409, code="offset-mismatch")
    expect(target.put(upload, "0", upload.data), status=200, uploadedBytes=TAIL)
    drop(target, upload)


@SECTION.case("never-decreases", MUST, "`uploadedBytes` never decreases while the session lives.")
def never_decreases(target: Target) -> None:
    upload = begin(target)
    size, tail = upload.chunk_size, upload.chunk(1)
    highest = 0

    def look(after: str) -> None:
        nonlocal highest
        here = committed(target, upload)
        require(here >= highest, f"uploadedBytes to stay at {highest:,} or rise after {after}", f"{here:,}")
        highest = here

    def torn(offset: int, promised: int) -> None:
        fields = target.base_headers() | {"x-upload-offset": str(offset), "Content-Type": OCTETS}
        with target.connect() as connection:
            connection.send_head("PUT", upload.path, fields | {"Content-Length": str(promised)})
            connection.send(upload.data[: promised // 2])
            connection.reset()

    look("init")
    target.put_chunks(upload, 0, 1)
    look("the first chunk")
    same(highest, size, "uploadedBytes after the first chunk")
    target.put(upload, 0, upload.chunk(0))
    look("the first chunk, sent again")
    target.put(upload, 0, bytes(TAIL))
    look("other bytes for the beginning")
    target.put(upload, size, b"")
    look("a chunk without bytes")
    target.put(upload, size, tail + b"!")
    look("a chunk that reaches too far")
    torn(0, size)
    look("a first chunk whose connection died")
    torn(size, TAIL)
    look("a second chunk whose connection died")
    target.request("POST", f"{upload.path}/complete")
    look("asking for completion too early")
    if target.put(upload, size, tail).status == 409:
        # What is left of a dead connection may reach the server late and take over; then once more.
        expect(target.put(upload, size, tail), status=200)
    look("the last chunk")
    target.put(upload, 0, upload.chunk(0))
    look("the first chunk, sent again at the end")
    same(highest, len(upload.data), "uploadedBytes when everything was sent")
    drop(target, upload)
