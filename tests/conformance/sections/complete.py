"""PROTOCOL.md, section `complete`."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any, Final

from tests.conformance.case import MUST, Section
from tests.conformance.expect import expect, require, same
from tests.conformance.forms import expect_file, fingerprint
from tests.conformance.messages import Answer, NoAnswer
from tests.conformance.results import expect_bytes, expect_listed, has_files, listed, unique_name
from tests.conformance.rude import Writer, complete_at_once
from tests.conformance.target import FINALIZATION, Target, Upload
from tests.conformance.ways import file_of, variant

SECTION: Final = Section("complete", claim="chunked")

CROWD: Final = 8
"""Requests that ask for the same completion in the same moment."""


@SECTION.case(
    "done", MUST, "Answer 200 `{state: completed, file: FILE, duplicate}` once finalization succeeded."
)
def done(target: Target) -> None:
    for what in ("no body", "an empty object", "the fingerprint"):
        with variant(f"complete with {what}"):
            name = unique_name(target, f"{what.replace(' ', '-')}.bin")
            upload = target.begin(target.blob(100, what), fileName=name)
            target.put_chunks(upload)
            claim = {"fingerprint": fingerprint(upload.data)} if what == "the fingerprint" else {}
            document = None if what == "no body" else claim
            answer = target.complete(upload, document)
            expect(answer, status=200, state="completed", duplicate=False)
            file = file_of(answer)
            expect_file(file, upload.data, "FILE")
            same(file.get("fileName"), name, "FILE's fileName")
            expect_bytes(target, file, upload.data)
            expect_listed(target, name, 1, "after completion")


@SECTION.case(
    "running", MUST, "While finalization runs: 202 `{state: finalizing}` with `Retry-After`; GET tells when."
)
def running(target: Target) -> None:
    upload = target.begin(chunks=4)
    target.put_chunks(upload)
    answers = complete_at_once(target, upload, 3)
    for answer in answers:
        # 200 to all of them is fine: finalization was done before the answer.
        expect_completion(answer)
    deadline = time.monotonic() + FINALIZATION
    while (status := target.status(upload)).json.get("state") != "completed":
        expect(status, status=200, state="finalizing")
        require(time.monotonic() < deadline, f"finalization within {FINALIZATION:.0f} s", "still finalizing")
        time.sleep(0.1)
    answer = target.request("POST", f"{upload.path}/complete")
    expect(answer, status=200, state="completed")
    same(answer.json.get("file"), status.json.get("file"), "file, as GET told it,")
    expect_bytes(target, file_of(answer), upload.data)


def expect_completion(answer: Answer) -> None:
    """Hold an answer to complete to being one of the two good ones."""
    expect(answer, status=(200, 202), state="completed" if answer.status == 200 else "finalizing")
    if answer.status == 202:
        told = answer.header("Retry-After") or ""
        require(told.isdecimal() or "GMT" in told, "Retry-After with 202", told or "no Retry-After")
        require(answer.json.get("file") is None, "no file with 202", repr(answer.json.get("file")))


@SECTION.case(
    "incomplete", MUST, "`uploadedBytes` other than `fileSize` is 409 upload-incomplete with `uploadedBytes`."
)
def incomplete(target: Target) -> None:
    name = unique_name(target)
    upload = target.begin(fileName=name)
    size = upload.chunk_size
    for number in range(upload.chunks):
        here = number * size
        with variant(f"{here:,} of {len(upload.data):,} bytes committed"):
            expect_incomplete(target, upload, here)
        if number == upload.chunks - 1:
            # Bytes that are on their way are not there.
            with (
                variant("all but one byte of the last chunk on their way"),
                Writer(target, upload, here, target.blob(len(upload.chunk(number)), "late")) as writer,
            ):
                writer.send(len(writer.body) - 1)
                expect_incomplete(target, upload, here)
        target.put_chunks(upload, number, number + 1)
    expect_listed(target, name, 0, "before completion")
    expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)
    almost = target.begin(target.blob(1))
    with variant("the only byte missing"):
        expect_incomplete(target, almost, 0)
    expect_bytes(target, target.finish(almost), almost.data)


def expect_incomplete(target: Target, upload: Upload, here: int) -> None:
    """Hold complete to being refused, and the upload to going on."""
    answer = target.request("POST", f"{upload.path}/complete")
    expect(answer, status=409, code="upload-incomplete", uploadedBytes=here)
    expect(target.status(upload), status=200, state="uploading", uploadedBytes=here)


@SECTION.case("idempotent", MUST, "A repeated complete gets the same answer, also after a lost answer.")
def idempotent(target: Target) -> None:
    data = target.blob(100)
    for what, duplicate in (("a new file", False), ("a duplicate", True)):
        if duplicate and "dedup" not in target.claims:
            continue
        upload = target.begin(data, fileName=unique_name(target))
        target.put_chunks(upload)
        with target.connect() as lost:
            fields = target.base_headers() | {"Content-Length": "0"}
            lost.send_head("POST", f"{upload.path}/complete", fields)
        with variant(f"{what}, after a lost answer"):
            first = target.complete(upload)
            expect(first, status=200, state="completed", duplicate=duplicate)
        for document in (None, {}, {"fingerprint": fingerprint(data)}, None):
            with variant(f"{what}, repeated with the body {document}"):
                again = target.complete(upload, document)
                expect(again, status=200)
                same(again.json, first.json, "the answer")
    expect_listed(target, unique_name(target), 1, "after all that")


@SECTION.case(
    "one-record", MUST, "One upload makes one record, however often and concurrently it is completed."
)
def one_record(target: Target) -> None:
    for attempt in range(3):
        name = unique_name(target, f"{attempt}.bin")
        upload = target.begin(target.blob(1000, name), fileName=name)
        target.put_chunks(upload)
        with variant(f"{CROWD} times at once"):
            answers = complete_at_once(target, upload, CROWD)
            for answer in answers:
                expect_completion(answer)
            last = target.complete(upload)
            expect(last, status=200, state="completed", duplicate=False)
            for answer in answers:
                if answer.status == 200:
                    same(answer.json, last.json, "the answer, the same to each of them,")
            expect_listed(target, name, 1, f"after {CROWD + 1} times complete")
            expect_bytes(target, file_of(last), upload.data)


@SECTION.case(
    "visible-at-once", MUST, "Nobody sees half a file: not listed before completion, all bytes after it."
)
def visible_at_once(target: Target) -> None:
    name = unique_name(target)
    wish = min(max(target.sizes.minimum, 256 * 1024), target.sizes.maximum)
    upload = target.begin(target.blob(wish * 5 // 2), fileName=name, chunkSize=wish)
    for number in range(upload.chunks + 1):
        with variant(f"{number} of {upload.chunks} chunks, not completed"):
            expect_listed(target, name, 0, "before completion")
            if has_files(target):
                path = f"{target.link('files')}/{upload.session_id}/content"
                expect(target.request("GET", path), status=404)
        target.put_chunks(upload, number, min(number + 1, upload.chunks))
    asking = threading.Thread(target=lambda: ask(target, upload))
    asking.start()
    with variant("as soon as it is listed"):
        seen = look_for(target, name)
        asking.join()
        for file in seen:
            expect_bytes(target, file, upload.data)
    answer = target.complete(upload)
    expect(answer, status=200, state="completed")
    expect_listed(target, name, 1, "after completion")
    expect_bytes(target, file_of(answer), upload.data)


def ask(target: Target, upload: Upload) -> None:
    """Ask for completion from beside; what comes of it is looked at from the other side."""
    with suppress(NoAnswer):
        target.request("POST", f"{upload.path}/complete")


def look_for(target: Target, name: str) -> list[dict[str, Any]]:
    """Look at the list until the file is there, and return what was found, after one download at once."""
    deadline = time.monotonic() + FINALIZATION
    while has_files(target) and time.monotonic() < deadline:
        if found := listed(target, name):
            expect(target.content(found[0]), status=200)
            return found
    return []
