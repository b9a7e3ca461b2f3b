"""PROTOCOL.md, section `chunk`, second part: chunks that must be refused, and for what."""

from __future__ import annotations

from tests.conformance.case import MUST
from tests.conformance.expect import expect, require, same
from tests.conformance.messages import NoAnswer
from tests.conformance.results import deliver, expect_bytes
from tests.conformance.rude import Writer
from tests.conformance.sections.chunk_body import EARLY, SECTION
from tests.conformance.target import OCTETS, Target, Upload
from tests.conformance.ways import drop, expect_committed, variant


@SECTION.case(
    "exact-size",
    MUST,
    "Every chunk but the last is exactly `chunkSize`, the last what is left; else 400.",
)
def exact_size(target: Target) -> None:
    code, size = "wrong-chunk-size", target.small
    for total, committed, lengths in (
        (size * 5 // 2, 0, (1, size // 2, size - 1, size + 1, 2 * size)),
        (size * 5 // 2, 1, (size // 2, size + 1, size * 3 // 2)),  # the last one's length; all that is left
        (size * 5 // 2, 2, (1, size // 2 - 1)),
        (size * 3 // 2, 0, (size * 3 // 2,)),
        (2 * size, 0, (2 * size,)),
        (2 * size, 1, (1, size - 1)),
        (size + 1, 0, (size + 1, 1)),
        (size - 1, 0, (size - 2,)),
    ):
        upload = target.begin(target.blob(total))
        target.put_chunks(upload, 0, committed)
        here = committed * upload.chunk_size
        for length in (each for each in lengths if each > 0):
            with variant(f"{length:,} bytes at {here:,} of {total:,}, chunks of {size:,}"):
                wrong = target.blob(length, "wrong size")
                expect(target.put(upload, here, wrong), status=400, code=code)
                expect_committed(target, upload, here)
        with variant(f"the right chunks of {total:,} bytes, chunks of {size:,}"):
            target.put_chunks(upload, committed)
            expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)


@SECTION.case("empty", MUST, "A chunk without bytes is 400 empty-chunk.")
def empty(target: Target) -> None:
    upload = target.begin(chunks=1.5)
    for number in (0, 1, 2):
        offset = min(number * upload.chunk_size, len(upload.data))
        with variant(f"{offset:,} of {len(upload.data):,} bytes committed"):
            expect(target.put(upload, offset, b""), status=400, code="empty-chunk")
            expect_committed(target, upload, offset)
        target.put_chunks(upload, number, min(number + 1, 2))
    nothing = target.begin(b"")
    with variant("a file of zero bytes"):
        expect(target.put(nothing, 0, b""), status=400, code="empty-chunk")
    expect_bytes(target, target.finish(upload, first=2), upload.data)
    drop(target, nothing)


@SECTION.case(
    "exceeds-declared-size",
    MUST,
    "Past `fileSize` is 413 exceeds-declared-size; no byte more is stored.",
)
def exceeds_declared_size(target: Target) -> None:
    upload = target.begin(chunks=1.5)
    size, total = upload.chunk_size, len(upload.data)
    small, none = target.begin(target.blob(10)), target.begin(b"")
    target.put_chunks(upload, 0, 1)
    for what, to, offset, length in (
        ("one byte more than is left", upload, size, total - size + 1),
        ("a whole chunk where less is left", upload, size, size),
        ("a whole chunk for a file of ten bytes", small, 0, size),
        ("one byte for a file of none", none, 0, 1),
    ):
        with variant(what):
            answer = target.put(to, offset, target.blob(length, "too much"))
            expect(answer, status=413, code="exceeds-declared-size")
            expect_committed(target, to, offset)
    with (
        variant("a byte behind the body of the last chunk"),
        Writer(target, upload, size, upload.chunk(1)) as w,
    ):
        w.send().connection.send(b"!")
        expect(w.answer(), status=200, uploadedBytes=total)
        expect_committed(target, upload, total)
    with variant("a byte after the end"):
        expect(target.put(upload, total, b"!"), status=413, code="exceeds-declared-size")
    expect_bytes(target, target.finish(upload, first=2), upload.data)
    expect_bytes(target, target.finish(small), small.data)
    drop(target, none)


@SECTION.case(
    "length-required", MUST, "No `Content-Length` is 411; together with `Transfer-Encoding` it is 400."
)
def length_required(target: Target) -> None:
    upload = target.begin(target.blob(target.small))
    body = upload.data
    framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    common = target.base_headers() | {"x-upload-offset": "0", "Content-Type": OCTETS}
    for what, extra, data in (
        ("no Content-Length and no body", {}, b""),
        ("chunked transfer", {"Transfer-Encoding": "chunked"}, framed),
    ):
        with variant(what), target.connect() as connection:
            connection.send_head("PUT", upload.path, common | extra)
            connection.send(data)
            expect(connection.answer(), status=411, code="length-required")
            expect_committed(target, upload, 0)
    # Which of the two lengths counts is what request smuggling lives on, so the second request hidden
    # behind the chunked end must not be carried out either.
    hidden = b"0\r\n\r\n" + smuggled(target, upload)
    for first, data in (
        ("Content-Length", framed),
        ("Transfer-Encoding", framed),
        ("Content-Length", hidden),
    ):
        lengths = [("Content-Length", str(len(data))), ("Transfer-Encoding", "chunked")]
        with variant(f"both lengths, {first} first"), target.connect() as connection:
            order = lengths if first == "Content-Length" else lengths[::-1]
            connection.send_head("PUT", upload.path, [*common.items(), *order])
            connection.send(data)
            try:
                same(connection.answer().status, 400, "the status")
            except NoAnswer as nothing:
                # Closing without a word is what RFC 9112 (6.3) allows beside 400; hanging is neither.
                require("in time" not in str(nothing), "400, or the connection closed", str(nothing))
            connection.rest(EARLY)
            expect_committed(target, upload, 0)
    expect_bytes(target, target.finish(upload), upload.data)


@SECTION.case(
    "media-type", MUST, "Any `Content-Type` but application/octet-stream, or any `Content-Encoding`, is 415."
)
def media_type(target: Target) -> None:
    upload = target.begin(target.blob(target.small))
    for name, value in (
        ("Content-Type", "text/plain"),
        ("Content-Type", "application/json"),
        ("Content-Type", "application/octet-streams"),
        ("Content-Type", "multipart/form-data; boundary=x"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "br"),
        ("Content-Encoding", "identity"),
    ):
        with variant(f"{name}: {value}"):
            answer = target.put(upload, 0, upload.data, {name: value})
            expect(answer, status=415, code="unsupported-media-type")
            expect_committed(target, upload, 0)
    expect_bytes(target, target.finish(upload), upload.data)


@SECTION.case(
    "checked-first", MUST, "Session, state, offset and length are checked before the first byte is stored."
)
def checked_first(target: Target) -> None:
    upload = target.begin()
    size, total = upload.chunk_size, len(upload.data)
    target.put_chunks(upload, 0, 1)
    done, _ = deliver(target, target.blob(10, "done"))
    unknown = Upload(f"{target.upload_path}/{'n' * len(upload.session_id)}", "", b"", size)
    other = target.blob(total, "other")
    for what, to, offset, length, status, code in (
        ("an unknown session", unknown, 0, size, 404, "session-not-found"),
        ("a completed upload", done, 0, 10, 409, "wrong-state"),
        ("an offset already passed", upload, 0, size, 409, "offset-mismatch"),
        ("an offset not yet reached", upload, 2 * size, total - 2 * size, 409, "offset-mismatch"),
        ("a wrong length", upload, size, size - 1, 400, "wrong-chunk-size"),
        ("more bytes than declared", upload, size, total, 413, "exceeds-declared-size"),
    ):
        with variant(f"{what}, while all but one byte are still to come"):
            with Writer(target, to, offset, other[:length]) as writer:
                expect(writer.send(1).answer(5), status=status, code=code)
                writer.send()
                writer.connection.half_close()
            if to is upload:
                expect_committed(target, upload, size)
    # A server that refuses without reading and keeps the connection would take the body for a request.
    with variant("a refused chunk whose body looks like a request"):
        body = smuggled(target, upload).ljust(size, b"\n")[: max(size, 1)]
        with Writer(target, upload, 0, body) as writer:
            expect(writer.send().answer(), status=409, code="offset-mismatch")
            writer.connection.rest(EARLY)
        expect_committed(target, upload, size)
    expect_bytes(target, target.finish(upload, first=1), upload.data)


def smuggled(target: Target, upload: Upload) -> bytes:
    """A request that would forget the upload, as bytes to hide in a body."""
    lines = [f"DELETE {upload.path} HTTP/1.1", *(f"{k}: {v}" for k, v in target.base_headers().items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
