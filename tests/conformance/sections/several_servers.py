"""PROTOCOL.md, section `several-servers`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.conformance.case import MUST, Section
from tests.conformance.expect import expect, require, same
from tests.conformance.messages import Answer
from tests.conformance.results import expect_bytes
from tests.conformance.target import Target
from tests.conformance.ways import drop, variant

SECTION: Final = Section("several-servers", claim="several-servers")

LOOKS: Final = 6
"""Questions after each step, on a connection each: of two servers that take turns, both are met."""


@SECTION.case(
    "any-server",
    MUST,
    "What one answer said is true at once on every other connection, whichever server it reaches.",
)
def any_server(target: Target) -> None:
    upload = target.begin(chunks=4.5)
    committed = 0
    _expect_everywhere(target, upload.path, "uploading", committed, "after init")
    for number in range(upload.chunks):
        body = upload.chunk(number)
        answer = target.put(upload, committed, body)
        committed += len(body)
        expect(answer, status=200, uploadedBytes=committed)
        _expect_everywhere(target, upload.path, "uploading", committed, f"after chunk {number + 1}")
    file = target.finish(upload, first=upload.chunks)
    _expect_everywhere(target, upload.path, "completed", committed, "after complete")
    if "files" in target.claims:
        for _ in range(2):
            expect_bytes(target, file, upload.data)
    cancelled = target.begin(chunks=1)
    expect(target.cancel(cancelled), status=204)
    with variant("after a cancellation"):
        for _ in range(LOOKS):
            expect(target.request("GET", cancelled.path), status=404, code="session-not-found")


@SECTION.case(
    "one-writer",
    MUST,
    "Of PUTs with the same offset at the same moment at most one is accepted, whichever servers they reach.",
)
def one_writer(target: Target) -> None:
    upload = target.begin(chunks=3)
    committed, number = 0, 0
    while number < upload.chunks:
        offset, body = committed, upload.chunk(number)

        def send(_: int, offset: int = offset, body: bytes = body) -> Answer:
            return target.put(upload, offset, body)

        with variant(f"chunk {number + 1} sent four times at once"), ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(send, range(4)))
            accepted = sum(answer.status == 200 for answer in answers)
            require(accepted <= 1, "at most one 200", f"{accepted}")
            there = target.status(upload).json.get("uploadedBytes")
            same(there, committed + len(body) * accepted, "uploadedBytes afterwards")
            # None may have got through: each was overtaken by the next. Then it is sent once more, alone.
            if not accepted:
                expect(target.put(upload, offset, body), status=200)
        committed, number = committed + len(body), number + 1
    expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)
    drop(target, upload)


def _expect_everywhere(target: Target, path: str, state: str, committed: int, when: str) -> None:
    with variant(when):
        for _ in range(LOOKS):
            expect(target.request("GET", path), status=200, state=state, uploadedBytes=committed)
