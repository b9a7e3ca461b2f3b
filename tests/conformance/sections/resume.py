"""PROTOCOL.md, section `resume`."""

from __future__ import annotations

import time
from typing import Final

from tests.conformance.case import MUST, Section, Violation
from tests.conformance.expect import expect, require, same
from tests.conformance.forms import altered, moment
from tests.conformance.messages import Answer
from tests.conformance.outage import expect_alive_since, wait_until_up
from tests.conformance.results import ask_everything, deliver, expect_bytes, expect_gone, unique_name
from tests.conformance.rude import Writer, put_after_death
from tests.conformance.target import Target, Upload
from tests.conformance.ways import drop, file_of, variant

SECTION: Final = Section("resume", claim="resume")


@SECTION.case(
    "status", MUST, "GET answers 200 with the session, `file` once completed, `problem` once rejected."
)
def status(target: Target) -> None:
    upload = target.begin(chunks=1.5, fileName="status.bin", mimeType="application/x-case")
    for number, committed in enumerate((0, upload.chunk_size, len(upload.data))):
        target.put_chunks(upload, max(0, number - 1), number)
        with variant(f"{committed:,} bytes committed"):
            answer = target.status(upload)
            expect_session(answer, upload, "uploading", committed)
            same(answer.json.get("fileName"), "status.bin", "fileName")
            for member in ("file", "problem"):
                require(answer.json.get(member) is None, f"no {member} yet", repr(answer.json.get(member)))
    with variant("completed"):
        file = target.finish(upload, first=upload.chunks)
        answer = target.status(upload)
        expect_session(answer, upload, "completed", len(upload.data))
        same(answer.json.get("file"), file, "file, which is FILE as complete told it,")
    if "finalize" in target.claims:
        with variant("rejected"):
            refused, answer = deliver(target, b"no picture: " + target.blob(9), fileName="case.png")
            expect(answer, status=422)
            answer = target.status(refused)
            expect_session(answer, refused, "rejected", len(refused.data))
            problem = answer.json.get("problem")
            require(isinstance(problem, dict), "problem to be an object", repr(problem))
            same(dict(problem or {}).get("code"), "content-rejected", "problem's code")
            require(answer.json.get("file") is None, "no file", repr(answer.json.get("file")))


def expect_session(answer: Answer, upload: Upload, state: str, committed: int) -> None:
    """Hold the answer to GET to the members that it always has."""
    expect(
        answer,
        status=200,
        sessionId=upload.session_id,
        state=state,
        uploadedBytes=committed,
        fileSize=len(upload.data),
        chunkSize=upload.chunk_size,
    )
    for member in ("fileName", "mimeType"):
        value = answer.json.get(member)
        require(isinstance(value, str), f"{member} to be a text", repr(value))
    moment(answer.json.get("expiresAt"), "expiresAt")


@SECTION.case("head", MUST, "HEAD answers the same without a body; both carry `x-upload-offset`.")
def head(target: Target) -> None:
    upload = target.begin(chunks=1.5)
    for number, committed in enumerate((0, upload.chunk_size, len(upload.data), len(upload.data))):
        if number == 3:
            target.finish(upload, first=upload.chunks)
        else:
            target.put_chunks(upload, max(0, number - 1), number)
        with variant(f"{committed:,} bytes committed" + ", completed" * (number == 3)):
            got = target.status(upload)
            with target.connect() as connection:
                connection.send_head("HEAD", upload.path, target.base_headers() | {"Connection": "close"})
                headed = connection.answer()
                body = connection.rest(2)
            require(not body, "no body after HEAD", f"{len(body):,} bytes")
            same(headed.status, got.status, "the status of HEAD")
            for name in ("Content-Type", "Content-Length"):
                if headed.header(name) is not None:
                    same(headed.header(name), got.header(name), f"{name} of HEAD, as of GET,")
            for answer in (got, headed):
                same(answer.header("x-upload-offset"), str(committed), f"x-upload-offset of {answer.asked}")


@SECTION.case("no-store", MUST, "GET and HEAD carry `Cache-Control: no-store`.")
def no_store(target: Target) -> None:
    upload = target.begin(chunks=1)
    for state in ("uploading", "completed"):
        if state == "completed":
            target.finish(upload)
        for method in ("GET", "HEAD"):
            with variant(f"{method}, {state}"):
                answer = target.request(method, upload.path)
                expect(answer, status=200)
                told = answer.header("Cache-Control") or ""
                rules = [rule.strip().lower() for rule in told.split(",")]
                require("no-store" in rules, "Cache-Control: no-store", told or "no Cache-Control")


@SECTION.case(
    "unknown", MUST, "An unknown, expired, cancelled or foreign session is 404: all the same answer."
)
def unknown(target: Target) -> None:
    cancelled, alive = target.begin(chunks=1.5), target.begin(chunks=1.5)
    target.put_chunks(cancelled, 0, 1)
    expect(target.cancel(cancelled), status=204)
    real = alive.session_id
    ids = {
        "a cancelled session": cancelled.session_id,
        "an id that was never given out": altered(real),
        "a real id with its last character missing": real[:-1],
        "a real id with one character more": f"{real}a",
        "an id of eight characters": "x" * 8,
        "an id of 200 characters": "x" * 200,
    }
    if real.swapcase() != real:
        ids["a real id in other case"] = real.swapcase()
    told: dict[str, object] = {}
    for what, session_id in ids.items():
        nobody = Upload(f"{target.upload_path}/{session_id}", session_id, alive.data, alive.chunk_size)
        expect_gone(target, nobody, what)
        for method, answer in ask_everything(target, nobody).items():
            # An answer may repeat the id it was asked for; nothing else may tell one case from another.
            document = {k: str(v).replace(session_id, "…") for k, v in answer.json.items() if k != "instance"}
            first = told.setdefault(method, document)
            if document != first:
                raise Violation(f"the same answer to {method} for {what} as for others", str(document))
    target.expect_offset(alive, 0)
    drop(target, alive)


@SECTION.case(
    "after-disconnect",
    MUST,
    "After a connection died inside a chunk, it can be sent again; the file is right.",
)
def after_disconnect(target: Target) -> None:
    upload = target.begin(chunks=3.5)
    cuts = ("reset", 0.5), ("close", 0.99), ("reset", 0.01), ("close", 0.5)
    for number, (how, share) in enumerate(cuts):
        offset, body = number * upload.chunk_size, upload.chunk(number)
        with variant(f"{how} after {share:.0%} of chunk {number + 1}"):
            with Writer(target, upload, offset, target.blob(len(body), "dies")) as writer:
                writer.send(int(len(body) * share)).leave("reset" if how == "reset" else "close")
            # At once, as a client does: the server may not have noticed the death yet.
            target.expect_offset(upload, offset)
            expect(put_after_death(target, upload, number), status=200, uploadedBytes=offset + len(body))
    expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)


@SECTION.case("identical-retry", MUST, "A chunk whose answer was lost and which is sent again is 409.")
def identical_retry(target: Target) -> None:
    upload = target.begin()
    for number in range(upload.chunks):
        offset, body = number * upload.chunk_size, upload.chunk(number)
        after = offset + len(body)
        with variant(f"chunk {number + 1} of {upload.chunks}"):
            with Writer(target, upload, offset, body) as writer:
                writer.send()
                wait_for_offset(target, upload, after)
            # The same bytes again, and then others: neither may be stored.
            for again in (body, target.blob(len(body), "other")):
                answer = target.put(upload, offset, again)
                expect(answer, status=409, code="offset-mismatch", uploadedBytes=after)
                same(answer.header("x-upload-offset"), str(after), "x-upload-offset of the 409")
            target.expect_offset(upload, after)
    expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)


def wait_for_offset(target: Target, upload: Upload, offset: int) -> None:
    """Wait until a chunk has been committed whose answer is not read."""
    deadline = time.monotonic() + 5
    while target.status(upload).json.get("uploadedBytes") != offset and time.monotonic() < deadline:
        time.sleep(0.02)
    target.expect_offset(upload, offset)


@SECTION.case(
    "after-restart",
    MUST,
    "After a kill and a start, the offset is no lower than the last one acknowledged "
    "(`durable-sessions`), or 404.",
    needs=("restart",),
    alone=True,
)
def after_restart(target: Target) -> None:
    upload, name = target.begin(), unique_name(target)
    done, answer = deliver(target, target.blob(100, "done"), fileName=name)
    file, completed = file_of(answer), answer.json
    target.put_chunks(upload, 0, 1)
    acknowledged = time.monotonic()
    with Writer(target, upload, upload.chunk_size, target.blob(upload.chunk_size, "killed")) as writer:
        writer.send(upload.chunk_size // 2)
        target.hooks.run("restart")
    wait_until_up(target)
    with variant("a file finished before"):
        expect_bytes(target, file, done.data)
    if "durable-sessions" not in target.claims:
        expect_gone(target, upload, "a session from before the restart")
        upload = target.begin()
        expect_bytes(target, target.finish(upload), upload.data)
        return
    expect_alive_since(target, acknowledged)
    with variant("an upload under way"):
        target.expect_offset(upload, upload.chunk_size)
        expect_bytes(target, target.finish(upload, first=1), upload.data)
    with variant("a completed upload, completed again"):
        same(target.complete(done).json, completed, "the answer to complete, as before,")
