"""PROTOCOL.md, section `limits`."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from tests.conformance.case import MUST, SHOULD, NotApplicable, Section
from tests.conformance.expect import expect, require, same, same_bytes, shown
from tests.conformance.forms import fingerprint
from tests.conformance.hooks import HookFailed
from tests.conformance.http import Connection
from tests.conformance.messages import Answer, Exchange, Log, NoAnswer
from tests.conformance.target import OCTETS, Target, Upload
from tests.conformance.ways import committed, drop, expect_committed, variant

SECTION: Final = Section("limits", claim="chunked")

MANY: Final = 300
HEALTHY: Final = 10.0
"""Seconds for a small upload beside all that."""
ROOMY: Final = 1024 * 1024
"""A chunk of at least this many bytes does not slip into what a full disk has left."""
RECOVERY: Final = 10.0
"""Seconds that a server may take to notice that its store is back."""


def retry_after(answer: Answer) -> None:
    """Hold `Retry-After` to seconds (RFC 9110 allows a date too; the client counts seconds).

    Raises:
        Violation
    """
    told = answer.header("Retry-After")
    require(
        told and told.isascii() and told.isdecimal(), f"Retry-After with the {answer.status}", shown(told)
    )


@SECTION.case(
    "too-many-sessions",
    SHOULD,
    "Unfinished sessions are bounded; one more is 429 `too-many-sessions` with `Retry-After`.",
    alone=True,
)
def too_many_sessions(target: Target) -> None:
    opened: list[Upload] = []
    try:
        for _ in range(MANY):
            answer = target.post_init(fileName="many.bin", fileSize=7)
            if answer.status != 201:
                break
            session_id = str(answer.json.get("sessionId"))
            opened.append(Upload(f"{target.upload_path}/{session_id}", session_id, target.blob(7), 7))
        else:
            raise NotApplicable(f"the bound was not reached by {MANY} sessions")
        with variant(f"one more than {len(opened)} unfinished sessions"):
            expect(answer, status=429, code="too-many-sessions")
            retry_after(answer)
        if opened:
            with variant("a chunk to one of those that are open"):
                expect(target.put(opened[0], 0, opened[0].data), status=200)
            if "cancel" in target.claims:
                drop(target, opened.pop())
                with variant("one more after one was cancelled"):
                    opened.append(target.begin(target.blob(7)))
    finally:
        drop(target, *opened)


@SECTION.case(
    "storage-full",
    MUST,
    "A full disk or quota is 507 `insufficient-storage`; nothing is lost; it resumes when space is back.",
    needs=("fill", "free"),
    alone=True,
)
def storage_full(target: Target) -> None:
    size = max(target.sizes.minimum, min(ROOMY, target.sizes.maximum))
    upload = target.begin(target.blob(3 * size), chunkSize=size)
    target.put_chunks(upload, 0, 1)
    try:
        target.hooks.run("fill")
        here = upload.chunk_size
        answer = target.put(upload, here, upload.chunk(1))
        if answer.status == 200:
            raise HookFailed(f"the fill hook left room for a chunk of {size:,} bytes")
        expect(answer, status=507, code="insufficient-storage")
        expect_committed(target, upload, here)
        with variant("the same chunk again, while it is full"):
            expect(target.put(upload, here, upload.chunk(1)), status=507, code="insufficient-storage")
            expect_committed(target, upload, here)
        with variant("an init, while it is full"):
            begun = target.post_init(fileName="full.bin", fileSize=7)
            expect(begun, status=(201, 507), code=None if begun.status == 201 else "insufficient-storage")
    finally:
        target.hooks.run("free")
    with variant("after space is back"):
        _finish_whole(target, upload)


@SECTION.case(
    "storage-away",
    MUST,
    "A store or session database that is away is 503 `storage-unavailable` with `Retry-After`.",
    needs=("away", "back"),
    alone=True,
)
def storage_away(target: Target) -> None:
    upload = target.begin(chunks=2.5)
    target.put_chunks(upload, 0, 1)
    finished = target.begin(target.blob(9), fileName="away.bin")
    target.put_chunks(finished)
    here = upload.chunk_size
    try:
        target.hooks.run("away")
        with variant("a chunk"):
            answer = target.put(upload, here, upload.chunk(1))
            expect(answer, status=503, code="storage-unavailable")
            retry_after(answer)
        # What needs only the half that is still there may go on; what cannot says so in the same way.
        # All at once, because each may have to wait for the server to give its database up.
        with ThreadPoolExecutor(3) as pool:
            others = {
                "init": pool.submit(target.post_init, fileName="away.bin", fileSize=7),
                "status": pool.submit(target.status, upload),
                "complete": pool.submit(target.request, "POST", f"{finished.path}/complete"),
            }
        for what, asked in others.items():
            with variant(what):
                other = asked.result()
                expect(other, status=(200, 201, 202, 503))
                if other.status == 503:
                    expect(other, status=503, code="storage-unavailable")
                    retry_after(other)
    finally:
        target.hooks.run("back")
    deadline = time.monotonic() + RECOVERY
    while target.status(upload).status == 503 and time.monotonic() < deadline:
        time.sleep(0.2)
    with variant("after it is back"):
        expect_committed(target, upload, here)
        _finish_whole(target, upload)
        expect(target.complete(finished), status=200, state="completed")


def _finish_whole(target: Target, upload: Upload) -> None:
    """Send what is missing, and hold the file to the source."""
    file = target.finish(upload, first=committed(target, upload) // upload.chunk_size)
    same(file.get("fingerprint"), fingerprint(upload.data), "the fingerprint of the finished file")
    if "files" in target.claims:
        same_bytes(target.content(file).body, upload.data, "the finished file")


@SECTION.case(
    "stalled-connections",
    SHOULD,
    "Hundreds of silent connections do not keep a healthy upload from moving.",
    alone=True,
)
def stalled_connections(target: Target) -> None:
    victims = [target.begin(target.blob(target.small)) for _ in range(4)]
    with ExitStack() as stack:
        count = 0
        for number in range(_affordable()):
            try:
                stack.enter_context(_stalled(target, victims[number % len(victims)], number))
            except NoAnswer:
                break  # the server takes no more of them; now let it take an honest one
            count += 1
        target.log.exchanges.append(Exchange(f"[{count} connections fell silent]", "[nothing]"))
        with variant(f"a small upload beside {count} silent connections"):
            # A connection may have to wait for its turn, but not each of them for the silent ones to end.
            healthy = replace(target, patience=HEALTHY)
            started = time.monotonic()
            upload = healthy.begin(target.blob(target.small + 7))
            healthy.finish(upload)
            seconds = time.monotonic() - started
            require(seconds < HEALTHY, f"to be done within {HEALTHY:.0f} seconds", f"{seconds:.1f} seconds")
    drop(target, *victims)


def _affordable() -> int:
    """Connections this process may open, with room for everything else."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return MANY
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MANY if soft == resource.RLIM_INFINITY else max(1, min(MANY, soft - 100))


def _stalled(target: Target, upload: Upload, number: int) -> Connection:
    """A connection that falls silent: most inside a chunk, some in their headers, some at once."""
    # A log of its own: three hundred of these would bury what the report is for.
    connection = Connection(target.address, Log(), patience=2.0)
    if number % 10 == 0:
        return connection
    if number % 10 == 1:
        connection.send(f"PUT {upload.path} HTTP/1.1\r\nHost: {target.address.host_header}\r\nx-upl".encode())
        return connection
    fields = {"x-upload-offset": "0", "Content-Type": OCTETS, "Content-Length": str(len(upload.data))}
    connection.send_head("PUT", upload.path, target.base_headers() | fields)
    connection.send(upload.data[: len(upload.data) // 2])
    return connection
