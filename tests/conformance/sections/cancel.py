"""PROTOCOL.md, section `cancel`."""

from __future__ import annotations

import threading
import time
from typing import Final

from tests.conformance.case import MUST, SHOULD, Section
from tests.conformance.expect import expect, require
from tests.conformance.forms import fingerprint
from tests.conformance.messages import Answer
from tests.conformance.results import deliver, expect_bytes, expect_gone, expect_listed, unique_name
from tests.conformance.rude import Writer
from tests.conformance.storage import expect_freed, stored, upload_to_measure
from tests.conformance.target import Target, Upload
from tests.conformance.ways import file_of, variant

SECTION: Final = Section("cancel", claim="cancel")


@SECTION.case("gone", MUST, "Answer 204; afterwards every request about the session is 404.")
def gone(target: Target) -> None:
    for chunks in range(4):
        with variant(f"{chunks} of 3 chunks committed"):
            upload = target.begin(chunks=2.5)
            target.put_chunks(upload, 0, chunks)
            expect_cancelled(target, upload)
    with variant("a file of zero bytes"):
        expect_cancelled(target, target.begin(b""))
    if "finalize" in target.claims:
        with variant("rejected"):
            upload, answer = deliver(target, b"no picture: " + target.blob(9), fileName="case.png")
            expect(answer, status=422)
            expect_cancelled(target, upload)
    with variant("a chunk on its way"):
        upload = target.begin()
        size = upload.chunk_size
        target.put_chunks(upload, 0, 1)
        with Writer(target, upload, size, upload.chunk(1)) as late:
            late.send(size // 2)
            time.sleep(0.1)
            expect_cancelled(target, upload)
            told = late.send().outcome(5)
            require(
                told is None or told.status >= 400, "the late chunk refused", told.in_words if told else ""
            )
            expect_gone(target, upload, "a cancelled session whose last chunk came late")


def expect_cancelled(target: Target, upload: Upload) -> None:
    """Cancel, and hold the session to being gone."""
    answer = target.cancel(upload)
    expect(answer, status=204)
    require(not answer.body, "no body with 204", f"{len(answer.body):,} bytes")
    expect_gone(target, upload, "a cancelled session")


@SECTION.case("storage-freed", SHOULD, "What was stored is removed at once.", alone=True)
def storage_freed(target: Target) -> None:
    name = unique_name(target)
    upload = upload_to_measure(target, name)
    before = stored(target)
    target.put_chunks(upload)
    full = stored(target)
    expect(target.cancel(upload), status=204)
    expect_freed(target, before, full, len(upload.data), seconds=1)
    expect_listed(target, name, 0, "after cancelling")
    # What is left behind must not turn up in another way either: as a file that is "already there".
    if "dedup" in target.claims:
        document = {"fingerprint": fingerprint(upload.data), "fileSize": len(upload.data)}
        expect(target.post_json(target.link("preflight"), document), status=200, exists=False)
    again, answer = deliver(target, upload.data, fileName=name, chunkSize=upload.chunk_size)
    expect(answer, status=200, state="completed", duplicate=False)
    expect_bytes(target, file_of(answer), upload.data)
    expect(target.cancel(again), status=204)


@SECTION.case("finalizing", MUST, "While finalizing: 409 wrong-state.")
def finalizing(target: Target) -> None:
    # Nobody can make a server slow from outside. So cancel and complete race, a little apart: whoever wins,
    # a cancel is 204 or this 409, and a file that was promised is there.
    for attempt in range(8):
        upload = target.begin(target.blob(target.small, f"race {attempt}"))
        target.put_chunks(upload)
        answers: list[Answer] = []
        asking = threading.Thread(target=lambda to=upload, into=answers: into.append(target.complete(to)))
        asking.start()
        time.sleep(0.001 * attempt)
        cancelled = target.cancel(upload)
        asking.join()
        with variant(f"cancelled {attempt} ms after complete was asked for"):
            require(answers, "an answer to complete", "none")
            expect_one_of_two(target, upload, cancelled, answers[0])
    for attempt in range(4):
        name = unique_name(target, f"{attempt}.bin")
        upload = target.begin(target.blob(target.small, name), fileName=name)
        target.put_chunks(upload)
        asked = target.request("POST", f"{upload.path}/complete")
        expect(asked, status=(200, 202))
        cancelled = target.cancel(upload)
        with variant(f"cancelled after complete was answered {asked.status}"):
            if cancelled.status == 204:
                # So it was completed by then, or the cancel would have been 409: the file must be there.
                expect_listed(target, name, 1, "as soon as a cancel after complete is 204")
            else:
                expect(cancelled, status=409, code="wrong-state")
                expect_bytes(target, file_of(target.complete(upload)), upload.data)


def expect_one_of_two(target: Target, upload: Upload, cancelled: Answer, completed: Answer) -> None:
    """Hold a cancel and a complete that met to an outcome that does not contradict itself."""
    if cancelled.status != 204:
        expect(cancelled, status=409, code="wrong-state")
        expect(completed, status=200, state="completed")
    if completed.status == 200:
        expect_bytes(target, file_of(completed), upload.data)
    else:
        expect(completed, status=404, code="session-not-found")
    if cancelled.status == 204:
        expect_gone(target, upload, "a session that was cancelled")


@SECTION.case("completed", MUST, "After completion: 204 forgets the session; the file stays.")
def completed(target: Target) -> None:
    name = unique_name(target)
    upload = target.begin(fileName=name)
    file = target.finish(upload)
    expect_cancelled(target, upload)
    expect_bytes(target, file, upload.data)
    expect_listed(target, name, 1, "after the session was forgotten")
    if "dedup" in target.claims:
        # A duplicate's session has no bytes of its own: forgetting it must not touch the first file's.
        again, answer = deliver(target, upload.data, fileName=name)
        expect(answer, status=200, duplicate=True)
        expect_cancelled(target, again)
        expect_bytes(target, file, upload.data)
