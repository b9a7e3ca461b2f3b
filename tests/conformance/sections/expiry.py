"""PROTOCOL.md, section `expiry`: what takes a lifetime to see, with the hook ``ttl``."""

from __future__ import annotations

import time
from typing import Final

from tests.conformance.case import MUST, SHOULD, Section
from tests.conformance.expect import expect, require
from tests.conformance.forms import moment
from tests.conformance.hooks import HookFailed
from tests.conformance.results import deliver, expect_bytes, expect_gone, expect_listed, unique_name
from tests.conformance.storage import expect_freed, stored, upload_to_measure
from tests.conformance.target import Target, Upload
from tests.conformance.ways import file_of, variant

SECTION: Final = Section("expiry", claim="expiry")

LONGEST: Final = 10.0
"""Seconds of lifetime that a case has the time to wait for."""
MARGIN: Final = 1.0
"""Seconds after its lifetime in which a session may still be there."""
SWEPT: Final = 12.0
"""Seconds after its lifetime in which a session's bytes may still be there."""


def lifetime(target: Target) -> float:
    """The server's session lifetime in seconds.

    Raises:
        HookFailed: longer than a case can wait.
    """
    ttl = target.hooks.ttl or 0.0
    if not 1 <= ttl <= LONGEST:
        raise HookFailed(f"a lifetime of {ttl} s; to be waited for it must be between 1 and {LONGEST:.0f} s")
    return ttl


def wait_until(moment_: float) -> None:
    """Sleep until a monotonic time."""
    time.sleep(max(0.0, moment_ - time.monotonic()))


@SECTION.case(
    "expires", MUST, "A session without a committed chunk for `sessionTtl` seconds is 404.", needs=("ttl",)
)
def expires(target: Target) -> None:
    ttl = lifetime(target)
    started = time.monotonic()
    untouched, asked, one, full = (target.begin(chunks=1.5) for _ in range(4))
    target.put_chunks(one, 0, 1)
    target.put_chunks(full)
    done = time.monotonic()
    # Asking and failing is not moving: only a committed chunk begins the lifetime anew.
    for share in (0.4, 0.8):
        wait_until(started + ttl * share)
        with variant(f"asked after {share:.0%} of its lifetime"):
            expect(target.status(asked), status=200, uploadedBytes=0)
            expect(target.request("HEAD", asked.path), status=200)
            expect(target.put(asked, asked.chunk_size, asked.chunk(1)), status=409)
            expect(target.put(asked, 0, b""), status=400)
            expect(target.request("POST", f"{asked.path}/complete"), status=409)
    expect(target.status(one), status=200, uploadedBytes=one.chunk_size)
    wait_until(done + ttl + MARGIN)
    expect_gone(target, untouched, "a session that never moved, after its lifetime")
    expect_gone(target, asked, "a session that was only asked about, after its lifetime")
    expect_gone(target, one, "a session with one chunk, after its lifetime")
    expect_gone(target, full, "a session with every byte, not completed, after its lifetime")


@SECTION.case("extended", MUST, "Every committed chunk begins the lifetime anew.", needs=("ttl",))
def extended(target: Target) -> None:
    ttl = lifetime(target)
    upload = target.begin(chunks=2.5)
    last = moment(target.status(upload).json.get("expiresAt"), "expiresAt")
    for number in range(upload.chunks):
        time.sleep(ttl * 0.6)
        with variant(f"chunk {number + 1}, {(number + 1) * 0.6:.1f} lifetimes after init"):
            target.put_chunks(upload, number, number + 1)
            now = moment(target.status(upload).json.get("expiresAt"), "expiresAt")
            require(now > last, "a later expiresAt than before the chunk", f"{now} after {last}")
            last = now
    time.sleep(ttl * 0.6)
    expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)


@SECTION.case(
    "storage-freed",
    SHOULD,
    "A timer removes expired sessions with their bytes; only the server's own.",
    needs=("ttl",),
    alone=True,
)
def storage_freed(target: Target) -> None:
    ttl = lifetime(target)
    finished, answer = deliver(target, target.blob(1000, "finished"))
    expect(answer, status=200)
    name = unique_name(target)
    before = stored(target)
    upload = upload_to_measure(target, name)
    target.put_chunks(upload)
    full = stored(target)
    time.sleep(ttl + MARGIN)
    expect_gone(target, upload, "a session after its lifetime")
    expect_freed(target, before, full, len(upload.data), seconds=SWEPT)
    expect_listed(target, name, 0, "of an upload that expired")
    expect_bytes(target, file_of(answer), finished.data)
    with variant("the same bytes again"):
        _, again = deliver(target, upload.data, fileName=name, chunkSize=upload.chunk_size)
        expect(again, status=200, state="completed", duplicate=False)


@SECTION.case("file-stays", MUST, "A finished file outlives its session.", needs=("ttl",))
def file_stays(target: Target) -> None:
    ttl = lifetime(target)
    name = unique_name(target)
    upload = target.begin(fileName=name)
    file = target.finish(upload)
    again: Upload | None = None
    if "dedup" in target.claims:
        # Its session has no bytes of its own, and must not take the first one's with it.
        again, answer = deliver(target, upload.data, fileName=f"2-{name}")
        expect(answer, status=200, duplicate=True)
    time.sleep(ttl + MARGIN)
    for session in filter(None, (upload, again)):
        expect_gone(target, session, "a completed session after its lifetime")
    time.sleep(MARGIN)
    expect_bytes(target, file, upload.data)
    expect_listed(target, name, 1, "after the session's lifetime")
