"""PROTOCOL.md, section `finalize`."""

from __future__ import annotations

from typing import Any, Final

from tests.conformance.case import MUST, Section
from tests.conformance.expect import expect, require, same
from tests.conformance.forms import fingerprint
from tests.conformance.messages import Answer
from tests.conformance.results import deliver, expect_bytes, expect_listed, has_files, unique_name
from tests.conformance.rude import Writer, complete_at_once, put_after_death
from tests.conformance.storage import expect_freed, stored, upload_to_measure
from tests.conformance.target import Target, Upload
from tests.conformance.ways import file_of, variant

SECTION: Final = Section("finalize", claim="finalize")

SIGNED: Final = {
    "jpg": ("image/jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
    "png": (
        "image/png",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00",
    ),
    "gif": ("image/gif", b"GIF89a\x01\x00\x01\x00\x80\x00\x00"),
    "pdf": ("application/pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
    "zip": ("application/zip", b"PK\x03\x04\x14\x00\x00\x00\x08\x00"),
    "mp4": ("video/mp4", b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42"),
}
"""Name endings, the types they claim, and how an honest file of each begins."""

PLAIN: Final = b"Nothing but words, and no signature. "


@SECTION.case(
    "fingerprint",
    MUST,
    "The fingerprint is computed from the bytes; a claim that differs is 422 fingerprint-mismatch.",
)
def fingerprint_computed(target: Target) -> None:
    upload = target.begin()
    with variant("no claim, and a chunk that died half-way"):
        target.put_chunks(upload, 0, 1)
        with Writer(target, upload, upload.chunk_size, target.blob(upload.chunk_size, "dies")) as writer:
            writer.send(upload.chunk_size - 1).leave("reset")
        expect(put_after_death(target, upload, 1), status=200)
        expect_bytes(target, target.finish(upload, first=2), upload.data)
    data = target.blob(1000, "claimed")
    with variant("a right claim at init"):
        _, answer = deliver(target, data, fingerprint=fingerprint(data))
        expect(answer, status=200, state="completed")
        expect_bytes(target, file_of(answer), data)
    other = target.blob(1000, "other")
    wrong = fingerprint(data)  # of a file that the server has: a believer would hand that one out
    with variant("another file's fingerprint at init"):
        _, answer = deliver(target, other, fingerprint=wrong)
        expect(answer, status=422, code="fingerprint-mismatch")
    with variant("another file's fingerprint at complete"):
        upload = target.begin(other)
        target.put_chunks(upload)
        expect(target.complete(upload, {"fingerprint": wrong}), status=422, code="fingerprint-mismatch")
    with variant("a fingerprint that nobody has, one digit off"):
        right = fingerprint(other)
        off = right[:-1] + ("0" if right[-1] != "0" else "1")
        _, answer = deliver(target, other, fingerprint=off)
        expect(answer, status=422, code="fingerprint-mismatch")


@SECTION.case(
    "content-rejected",
    MUST,
    "A name or `mimeType` whose signature the bytes do not carry is 422 content-rejected.",
)
def content_rejected(target: Target) -> None:
    for ending, (mime_type, beginning) in SIGNED.items():
        plain = PLAIN + target.blob(50, ending)
        for name in (f"case.{ending}", f"CASE.{ending.upper()}"):
            with variant(f"{name} that holds words"):
                _, answer = deliver(target, plain, fileName=name)
                expect(answer, status=422, code="content-rejected")
        with variant(f"{mime_type} that holds words"):
            _, answer = deliver(target, plain, fileName="case", mimeType=mime_type)
            expect(answer, status=422, code="content-rejected")
        with variant(f"an honest .{ending}"):
            honest = beginning + target.blob(500, ending)
            _, answer = deliver(target, honest, fileName=f"case.{ending}", mimeType=mime_type)
            expect(answer, status=200, state="completed")
    with variant("a .png that holds a JPEG"):
        _, answer = deliver(target, SIGNED["jpg"][1] + target.blob(500, "disguise"), fileName="case.png")
        expect(answer, status=422, code="content-rejected")
    with variant("a .pdf of no bytes"):
        expect(target.complete(target.begin(b"", fileName="case.pdf")), status=422, code="content-rejected")
    with variant("a name that claims nothing"):
        _, answer = deliver(target, PLAIN + target.blob(50), fileName="png")
        expect(answer, status=200, state="completed")


@SECTION.case(
    "mime-type", MUST, "FILE's `mimeType` is what the bytes say; `application/octet-stream` where nothing."
)
def mime_type(target: Target) -> None:
    rows = [
        (says, beginning, claim)
        for says, beginning in SIGNED.values()
        for claim in ("", "application/octet-stream", "text/plain")
    ]
    rows += [("application/octet-stream", PLAIN, claim) for claim in ("", "text/html", "application/x-case")]
    for says, beginning, claim in rows:
        with variant(f"bytes of {says} sent as {claim or 'nothing'}"):
            data = beginning + target.blob(500, f"{says}{claim}")
            _, answer = deliver(target, data, fileName="case", **({"mimeType": claim} if claim else {}))
            expect(answer, status=200, state="completed")
            same(file_of(answer).get("mimeType"), says, "FILE's mimeType")


@SECTION.case(
    "rejected-state",
    MUST,
    "After a refusal the bytes are gone, the session says `rejected` with its `problem`, a repeated "
    "complete is the same 422, and no record exists.",
    alone=True,  # for what is stored to be this case's own
)
def rejected_state(target: Target) -> None:
    for code, ending in (("content-rejected", "png"), ("fingerprint-mismatch", "bin")):
        data, name = PLAIN + target.blob(200, code), unique_name(target, f"case.{ending}")
        claim: dict[str, Any] = {"fingerprint": fingerprint(PLAIN)} if code == "fingerprint-mismatch" else {}
        upload = target.begin(data, fileName=name, **claim)
        target.put_chunks(upload)
        with variant(code):
            for answer in complete_at_once(target, upload, 4):
                require(answer.status in (202, 422), "422, or 202 for now", answer.in_words)
            first = target.complete(upload)
            expect_refused(target, upload, first, code)
            expect_listed(target, name, 0, "after a refusal")
            if has_files(target):
                path = f"{target.link('files')}/{upload.session_id}/content"
                expect(target.request("GET", path), status=404)
        # Had the bytes or a record stayed, the same bytes would now be a duplicate.
        with variant(f"{code}, then the same bytes under an honest name"):
            honest = unique_name(target, f"{code}-honest.bin")
            _, answer = deliver(target, data, fileName=honest)
            expect(answer, status=200, state="completed", duplicate=False)
            expect_listed(target, honest, 1, "after the honest upload")
            expect_refused(target, upload, first, code)
    with variant("what is stored"):
        before = stored(target)
        large = upload_to_measure(target, "case.png")
        target.put_chunks(large)
        full = stored(target)
        expect(target.complete(large), status=422, code="content-rejected")
        expect_freed(target, before, full, len(large.data), seconds=1)


def expect_refused(target: Target, upload: Upload, first: Answer, code: str) -> None:
    """Hold a session to having been refused, in every way it can tell."""
    expect(first, status=422, code=code)
    status = target.status(upload)
    expect(status, status=200, state="rejected")
    problem = status.json.get("problem")
    require(isinstance(problem, dict), "problem to be an object", repr(problem))
    same(dict(problem or {}).get("code"), code, "problem's code")
    again = target.complete(upload)
    expect(again, status=422, code=code)
    same(again.json, first.json, "the answer to a repeated complete")
    expect(target.put(upload, 0, upload.data), status=409, code="wrong-state")


@SECTION.case(
    "contradiction", MUST, "A fingerprint at complete that differs from init's is 400; the session goes on."
)
def contradiction(target: Target) -> None:
    data = target.blob(500)
    right, wrong = fingerprint(data), fingerprint(PLAIN)
    for what, at_init, at_complete in (
        ("right at init, another at complete", right, wrong),
        ("wrong at init, right at complete", wrong, right),
    ):
        with variant(what):
            upload = target.begin(data, fingerprint=at_init)
            target.put_chunks(upload)
            expect(target.complete(upload, {"fingerprint": at_complete}), status=400, code="invalid-request")
            expect(target.status(upload), status=200, state="uploading", uploadedBytes=len(data))
            answer = target.complete(upload, {"fingerprint": at_init})
            if at_init == right:
                expect(answer, status=200, state="completed")
                expect_bytes(target, file_of(answer), data)
            else:
                expect(answer, status=422, code="fingerprint-mismatch")
