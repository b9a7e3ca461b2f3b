"""PROTOCOL.md, section `chunk`, first part: a body that arrives, and one that does not."""

from __future__ import annotations

import time
from typing import Final

from tests.conformance.case import MUST, Section
from tests.conformance.expect import expect, require
from tests.conformance.results import expect_bytes
from tests.conformance.rude import Writer, put_after_death
from tests.conformance.target import Target, Upload
from tests.conformance.ways import expect_committed, variant

SECTION: Final = Section("chunk", claim="chunked")

EARLY: Final = 0.3
"""Seconds in which a server that answers too early would have answered."""


@SECTION.case(
    "accepted",
    MUST,
    "Answer 200 with the new offset, only once every byte is stored and the offset committed.",
)
def accepted(target: Target) -> None:
    upload = target.begin(chunks=3.5)
    size, total = upload.chunk_size, len(upload.data)
    with (
        variant("a byte before the end"),
        Writer(target, upload, 0, upload.chunk(0)) as writer,
    ):
        early = writer.send(size - 1).outcome(EARLY)
        require(early is None, "no answer before the last byte", early.in_words if early else "")
        expect_committed(target, upload, 0)
        expect(writer.send().answer(), status=200, uploadedBytes=size)
    expect_committed(target, upload, size)
    with variant("a body that arrives in drips"), Writer(target, upload, size, upload.chunk(1)) as writer:
        for stop in (1, 2, size // 2, size - 1, size):
            writer.send(stop)
            time.sleep(0.03)
        expect(writer.answer(), status=200, uploadedBytes=2 * size)
    # Whether an interim 100 comes is the server's affair; the client may send without it after a moment.
    with (
        variant("with Expect: 100-continue"),
        Writer(target, upload, 2 * size, upload.chunk(2), {"Expect": "100-continue"}) as writer,
    ):
        time.sleep(0.05)
        expect(writer.send().answer(), status=200, uploadedBytes=3 * size)
    expect_committed(target, upload, 3 * size)
    with variant("the last chunk"):
        expect(target.put(upload, 3 * size, upload.chunk(3)), status=200, uploadedBytes=total)
        expect_committed(target, upload, total)
    expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)


@SECTION.case(
    "all-or-nothing", MUST, "A connection that dies inside a chunk leaves `uploadedBytes` as it was."
)
def all_or_nothing(target: Target) -> None:
    upload = target.begin()
    size = upload.chunk_size
    for number in (0, 2):
        target.put_chunks(upload, min(number, 1), number)
        offset, length = number * size, len(upload.chunk(number))
        wrong = target.blob(length, "never finished")
        for how, stop in (("close", length // 2), ("close", length - 1), ("reset", length - 1), ("close", 0)):
            with (
                variant(f"{how} after {stop:,} of {length:,} bytes, {offset:,} committed"),
                Writer(target, upload, offset, wrong) as writer,
            ):
                writer.send(stop).leave("reset" if how == "reset" else "close")
                expect_unmoved(target, upload, offset)
        expect(put_after_death(target, upload, number), status=200, uploadedBytes=offset + length)
    expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)


@SECTION.case(
    "incomplete-body", MUST, "Fewer bytes than promised are 400 incomplete-body, and nothing is committed."
)
def incomplete_body(target: Target) -> None:
    upload = target.begin(chunks=1.5)
    for number in (0, 1):
        offset, length = number * upload.chunk_size, len(upload.chunk(number))
        wrong = target.blob(length, "short")
        for sent in (0, length // 2, length - 1):
            with (
                variant(f"{sent:,} of {length:,} bytes at {offset:,}, then the sender's end"),
                Writer(target, upload, offset, wrong) as writer,
            ):
                writer.send(sent).connection.half_close()
                expect(writer.answer(), status=400, code="incomplete-body")
                expect_committed(target, upload, offset)
        target.put_chunks(upload, number, number + 1)
    expect_bytes(target, target.finish(upload, first=2), upload.data)


def expect_unmoved(target: Target, upload: Upload, offset: int) -> None:
    """Hold the offset for a moment: the server may learn of a death a little later."""
    for _ in range(3):
        expect_committed(target, upload, offset)
        time.sleep(0.05)
