"""PROTOCOL.md, section `dedup`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from tests.conformance.case import MUST, Section, Violation
from tests.conformance.expect import expect, require, same, same_bytes, shown
from tests.conformance.forms import fingerprint, members
from tests.conformance.messages import Answer
from tests.conformance.target import Target
from tests.conformance.ways import drop, upload_file, variant

SECTION: Final = Section("dedup", claim="dedup")

SIZE: Final = 100


def ask(target: Target, **asked: Any) -> Answer:
    """Is it there already?"""
    return target.post_json(target.link("preflight"), asked)


def expect_unknown(target: Target, digest: str, size: int) -> None:
    """Hold the server to `{"exists": false}`.

    Raises:
        Violation
    """
    answer = ask(target, fingerprint=digest, fileSize=size)
    expect(answer, status=200, exists=False)
    require("file" not in answer.json, "no file in the answer about an unknown one", shown(answer.json))


@SECTION.case("unknown", MUST, 'A fingerprint nobody has is 200 `{"exists": false}`.')
def unknown(target: Target) -> None:
    data = target.blob(SIZE)
    digest = fingerprint(data)
    expect_unknown(target, digest, SIZE)
    with variant("a file of no bytes at all, which another may have"):
        expect(ask(target, fingerprint=fingerprint(b"nothing"), fileSize=0), status=200, exists=False)
    upload = target.begin(data, fingerprint=digest)
    with variant("after an init that announced it"):
        expect_unknown(target, digest, SIZE)
    target.put_chunks(upload)
    with variant("when all bytes have arrived, and completion was not asked for"):
        expect_unknown(target, digest, SIZE)
    drop(target, upload)
    with variant("a fingerprint of zeros"):
        expect_unknown(target, "0" * 64, SIZE)


@SECTION.case(
    "known",
    MUST,
    "The fingerprint of a finished file of the same owner and size is 200 with `exists` and FILE.",
)
def known(target: Target) -> None:
    data = target.blob(SIZE)
    file = upload_file(target, data, "known.bin")
    expect(ask(target, fingerprint=fingerprint(data), fileSize=SIZE), status=200, exists=True, file=file)
    for size in (0, SIZE - 1, SIZE + 1):
        with variant(f"the same fingerprint with fileSize {size} instead of {SIZE}"):
            expect_unknown(target, fingerprint(data), size)


@SECTION.case(
    "malformed", MUST, "A fingerprint that is not 64 lower-case hex digits is 400 `invalid-request`."
)
def malformed(target: Target) -> None:
    data = target.blob(SIZE)
    upload_file(target, data, "malformed.bin")
    digest = fingerprint(data)
    # Near misses of a fingerprint that is known: whoever tidies them up finds the file and answers 200.
    for what, wrong in (
        ("in upper case", digest.upper()),
        ("without its first digit", digest[1:]),
        ("with a digit too many", digest + "0"),
        ("with a line feed behind it", digest + "\n"),
        ("with blanks around it", f" {digest} "),
        ("with its algorithm's name", f"sha256:{digest}"),
        ("with a letter that is no digit", "g" + digest[1:]),
        ("with a full-width digit", "１" + digest[1:]),
        ("in base64", "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="),
        ("empty", ""),
        ("a path", "../../" + digest),
        ("a wildcard", "%" * 64),
        ("a number", int(digest, 16)),
        ("null", None),
        ("a list", [digest]),
        ("an object", {"sha256": digest}),
        ("true", True),
    ):
        with variant(f"a fingerprint {what}"):
            expect(ask(target, fingerprint=wrong, fileSize=SIZE), status=400, code="invalid-request")
    with variant("no fingerprint"):
        expect(ask(target, fileSize=SIZE), status=400, code="invalid-request")


@SECTION.case(
    "duplicate-upload",
    MUST,
    "Bytes uploaded although they are there make no second record: `duplicate: true` with the first FILE.",
)
def duplicate_upload(target: Target) -> None:
    data = target.blob(SIZE, "one after the other")
    first = target.begin(data, fileName="first.bin")
    target.put_chunks(first)
    answer = target.complete(first)
    expect(answer, status=200, state="completed", duplicate=False)
    file = members(answer.json.get("file"), "FILE in the answer to complete")
    for name in ("second.bin", "first.bin"):
        with variant(f"the same bytes again, as {name}"):
            second = target.begin(data, fileName=name)
            target.put_chunks(second)
            for _ in range(2):
                expect(target.complete(second), status=200, state="completed", duplicate=True, file=file)
            _one_record(target, data)
            drop(target, second)
    with variant("the first file after its duplicates are forgotten"):
        _one_record(target, data)
        if "files" in target.claims:
            same_bytes(target.content(file).body, data, "the content")

    data = target.blob(SIZE, "at once")
    pair = [target.begin(data, fileName=f"at-once-{n}.bin") for n in range(2)]
    for upload in pair:
        target.put_chunks(upload)
    with variant("two uploads of the same bytes, completed at the same time"):
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(target.complete, pair))
        for answer in answers:
            expect(answer, status=200, state="completed")
        same(answers[0].json.get("file"), answers[1].json.get("file"), "FILE in both answers")
        told = sorted(bool(answer.json.get("duplicate")) for answer in answers)
        same(told, [False, True], "duplicate in the two answers")
        _one_record(target, data)


def _one_record(target: Target, data: bytes) -> None:
    if "files" in target.claims:
        digest = fingerprint(data)
        records = [file for file in target.all_files() if file.get("fingerprint") == digest]
        same(len(records), 1, "the number of records of these bytes")


@SECTION.case(
    "claim-gives-nothing",
    MUST,
    "Knowing a hash gives nobody a file: without the bytes, an upload that claims it does not complete.",
)
def claim_gives_nothing(target: Target) -> None:
    data = target.blob(SIZE)
    digest = fingerprint(data)
    upload_file(target, data, "somebody-elses.bin")

    with variant("an init with its fingerprint, and no bytes"):
        claim = target.begin(data, fingerprint=digest)
        expect(target.complete(claim), status=409, code="upload-incomplete", uploadedBytes=0)
        expect(target.complete(claim, {"fingerprint": digest}), status=409, code="upload-incomplete")
        drop(target, claim)
    said: dict[str, Any] = {"fingerprint": digest}
    nothing: dict[str, Any] = {}
    for what, at_init, at_complete in ("init", said, None), ("complete", nothing, said), ("both", said, said):
        for bytes_sent, other in (("other bytes", target.blob(SIZE, what)), ("no bytes, of size 0", b"")):
            with variant(f"its fingerprint at {what}, and {bytes_sent}"):
                upload = target.begin(other, **at_init)
                target.put_chunks(upload)
                answer = target.complete(upload, at_complete)
                if answer.status == 200:
                    raise Violation("a refusal: these are not the bytes of that fingerprint", answer.in_words)
                expect(answer, status=422, code="fingerprint-mismatch")
                drop(target, upload)
