"""PROTOCOL.md, section `shutdown`: with the hooks ``stop`` and ``start``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from tests.conformance.case import MUST, SHOULD, Section, Violation
from tests.conformance.expect import expect, require
from tests.conformance.hooks import HookFailed
from tests.conformance.http import Connection
from tests.conformance.outage import expect_alive_since, serves, wait_until_deaf, wait_until_up
from tests.conformance.results import deliver, expect_bytes, expect_gone
from tests.conformance.rude import Writer
from tests.conformance.storage import expect_freed, stored, upload_to_measure
from tests.conformance.target import Target
from tests.conformance.ways import file_of, variant

SECTION: Final = Section("shutdown", claim="shutdown")

HOOKS: Final = ("stop", "start")
DEAF: Final = 4.0
"""Seconds after SIGTERM in which new requests may still be taken."""
GONE: Final = 12.0
"""Seconds after SIGTERM in which the process must have left: "ten seconds or so"."""


@contextmanager
def stopping(target: Target) -> Iterator[float]:
    """Within: SIGTERM is on its way (its moment, monotonic). Afterwards the server has been started again.

    Beside the case, because a hook may wait until the server has left.

    Raises:
        HookFailed
        Violation: it does not come back.
    """
    trouble: list[HookFailed] = []

    def stop() -> None:
        try:
            target.hooks.run("stop")
        except HookFailed as error:
            trouble.append(error)

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    started = time.monotonic()
    try:
        yield started
    finally:
        wait_until_deaf(target, max(0.0, started + GONE - time.monotonic()))
        thread.join(GONE)
        target.hooks.run("start")
        wait_until_up(target)
    if trouble:
        raise trouble[0]


@SECTION.case(
    "graceful",
    MUST,
    "On SIGTERM no new request is taken, chunks in flight get a grace period, "
    "every acknowledged byte is kept.",
    needs=HOOKS,
    alone=True,
)
def graceful(target: Target) -> None:
    done, answer = deliver(target, target.blob(1000, "done"))
    expect(answer, status=200, state="completed")
    upload = target.begin()
    size = upload.chunk_size
    target.put_chunks(upload, 0, 1)
    with Writer(target, upload, size, upload.chunk(1)) as writer:
        writer.send(size // 2)
        time.sleep(0.5)  # until the server has surely begun with it
        with stopping(target):
            deaf = wait_until_deaf(target, DEAF)
            require(deaf, f"no new request taken {DEAF:.0f} s after SIGTERM", "GET is answered 200")
            with variant("a chunk that was in flight at SIGTERM"):
                expect(writer.send().answer(), status=200, uploadedBytes=2 * size)
            acknowledged = time.monotonic()
    expect_bytes(target, file_of(answer), done.data)
    if "durable-sessions" not in target.claims:
        expect_gone(target, upload, "a session from before the stop")
        return
    expect_alive_since(target, acknowledged)
    with variant("started again"):
        target.expect_offset(upload, 2 * size)
        expect_bytes(target, target.finish(upload, first=2), upload.data)


@SECTION.case(
    "bounded",
    MUST,
    "The process is gone within ten seconds or so, also when clients hang.",
    needs=HOOKS,
    alone=True,
)
def bounded(target: Target) -> None:
    upload, other = target.begin(), target.begin()
    with ExitStack() as stack:
        half = stack.enter_context(Writer(target, upload, 0, upload.chunk(0)))
        half.send(upload.chunk_size // 2)
        drip = stack.enter_context(Writer(target, other, 0, other.chunk(0)))
        head = stack.enter_context(target.connect())
        head.send(b"PUT ")
        silent = stack.enter_context(target.connect())
        time.sleep(0.2)
        with stopping(target) as started:
            deadline = started + GONE
            # One client is not silent but drips; it must not be able to stretch the grace period either.
            while time.monotonic() < deadline and not drip.connection.ended(0.3):
                drip.send(min(drip.sent + 1, len(drip.body) - 1))
            for what, connection in (
                ("drips", drip.connection),
                ("is silent inside a chunk", half.connection),
                ("is silent inside a request line", head),
                ("says nothing", silent),
            ):
                expect_ended(connection, what, deadline)
            require(not serves(target), "the server gone", "it still answers")


def expect_ended(connection: Connection, what: str, deadline: float) -> None:
    """Hold the server to having let go of a connection: a process that is gone holds none."""
    if not connection.ended(max(0.1, deadline - time.monotonic())):
        raise Violation(
            f"the process gone {GONE:.0f} s after SIGTERM", f"the connection of a client that {what} is open"
        )


@SECTION.case(
    "nothing-orphaned",
    SHOULD,
    "Sessions that nobody could resume are aborted with their bytes; those in a durable store stay.",
    needs=HOOKS,
    alone=True,
)
def nothing_orphaned(target: Target) -> None:
    before = stored(target)
    upload = upload_to_measure(target, "orphan.bin")
    target.put_chunks(upload)
    acknowledged = time.monotonic()
    full = stored(target)
    with stopping(target):
        pass
    if "durable-sessions" in target.claims:
        expect_alive_since(target, acknowledged)
        target.expect_offset(upload, len(upload.data))
        expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)
    else:
        expect_gone(target, upload, "a session from before the stop")
        expect_freed(target, before, full, len(upload.data), seconds=1)
