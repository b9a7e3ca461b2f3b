"""PROTOCOL.md, section `chunk`: the whole; here the cases about several writers and late ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from tests.conformance.case import MUST, SHOULD, NotApplicable
from tests.conformance.expect import expect, require
from tests.conformance.messages import Answer, NoAnswer
from tests.conformance.results import deliver, expect_bytes, unique_name
from tests.conformance.rude import Writer, put_after_death
from tests.conformance.sections import chunk_body, chunk_refused
from tests.conformance.target import Target, Upload
from tests.conformance.ways import expect_committed, file_of, variant

SECTION: Final = chunk_body.SECTION
assert chunk_refused, "imported for its cases, which stand between those of chunk_body and these"

LATE: Final = 5.0
"""Seconds that a superseded writer may wait for its answer; it need not get one."""
SEEN: Final = 0.1
"""Seconds after which a server will usually have read what was sent: only then does a newcomer come later."""
CUT_OFF: Final = 20.0
"""Seconds in which a quick server cuts a silent client off."""


@SECTION.case("one-writer", MUST, "Of several PUTs with the same offset at most one is accepted.")
def one_writer(target: Target) -> None:
    upload = target.begin(chunks=3.5)
    kept = []
    for number, what, order in (
        (0, "two that overlap, the first one ends first", [0, 1]),
        (1, "two that overlap, the second one ends first", [1, 0]),
        (2, "four in the same moment, all different", [0, 1, 2, 3]),
        (3, "four in the same moment, all alike", [0, 1, 2, 3]),
    ):
        mine = upload.chunk(number)
        rivals = [mine if number == 3 else target.blob(len(mine), f"rival {i}") for i in order[1:]]
        with variant(what):
            held = len(mine) // 2 if number < 2 else len(mine) - 1
            kept.append(race(target, upload, number, [mine, *rivals], order, held))
    expect_bytes(target, target.finish(upload, first=upload.chunks), b"".join(kept))


def race(  # noqa: PLR0917 - every part of a race is told
    target: Target, upload: Upload, number: int, bodies: Sequence[bytes], order: Sequence[int], held: int
) -> bytes:
    """Let several bodies go for chunk ``number``; return the one that was accepted.

    Args:
        order: in which order their ends are sent.
        held: bytes of each that are sent before the first of them may end.

    Raises:
        Violation: two were accepted.
    """
    offset = number * upload.chunk_size
    with ExitStack() as stack:
        writers = [stack.enter_context(Writer(target, upload, offset, body).send(held)) for body in bodies]
        time.sleep(SEEN)
        for index in order:
            writers[index].send()
        answers = [writer.outcome(LATE) for writer in writers]
    winners = [index for index, answer in enumerate(answers) if answer and answer.status == 200]
    require(len(winners) <= 1, "at most one of them accepted", f"{len(winners)} times 200")
    for answer in answers:
        if answer is not None and answer.status != 200:
            expect(answer, status=(409, 429, 503))
    if not winners:
        # Allowed by the letter; then the next one must be.
        winners = [0]
        expect(target.put(upload, offset, bodies[0]), status=200)
    expect_committed(target, upload, offset + len(bodies[0]))
    return bodies[winners[0]]


@SECTION.case(
    "newcomer-proceeds",
    MUST,
    "A PUT that hangs does not block its successor, who is served within a second or two; "
    "the late writer changes nothing.",
)
def newcomer_proceeds(target: Target) -> None:
    upload = target.begin()
    size, total = upload.chunk_size, len(upload.data)
    with ExitStack() as stack:

        def stalled(number: int, sent: int, name: str) -> Writer:
            wrong = target.blob(len(upload.chunk(number)), name)
            writer = Writer(target, upload, number * size, wrong).send(sent)
            time.sleep(SEEN)
            return stack.enter_context(writer)

        half, head = stalled(0, size // 2, "half"), stalled(0, 0, "head")
        with variant("two dead connections in the first chunk"):
            expect_prompt(target, upload, 0)
        with variant("a late writer whose chunk was just taken"):
            expect_too_late(half.send().outcome(LATE))
            expect_committed(target, upload, size)
        almost = stalled(1, size - 1, "almost")
        with variant("a dead connection a byte before the end"):
            expect_prompt(target, upload, 1)
        last = stalled(2, 1, "last")
        with variant("a dead connection in the last chunk"):
            expect_prompt(target, upload, 2)
        with variant("late writers when every byte is there"):
            expect_too_late(almost.send().outcome(LATE))
            expect_committed(target, upload, total)
        with variant("a dead connection while the upload is completed"):
            file = target.finish(upload, first=upload.chunks)
            expect_bytes(target, file, upload.data)
        with variant("late writers after completion"):
            expect_too_late(head.send().outcome(LATE))
            expect_too_late(last.send().outcome(LATE))
            expect_bytes(target, file, upload.data)


def expect_prompt(target: Target, upload: Upload, number: int) -> None:
    """Hold a newcomer's chunk to being taken within a second or two, and the time its bytes need."""
    offset, body = number * upload.chunk_size, upload.chunk(number)
    limit = 2.5 + len(body) / (2 * 1024 * 1024)
    started = time.monotonic()
    try:
        answer = put_after_death(target, upload, number)
    except NoAnswer as nothing:
        require(False, f"the newcomer to be served within {limit:.1f} s", str(nothing))
        return
    expect(answer, status=200, uploadedBytes=offset + len(body))
    seconds = time.monotonic() - started
    require(seconds <= limit, f"the newcomer to be served within {limit:.1f} s", f"{seconds:.1f} s")


def expect_too_late(answer: Answer | None) -> None:
    """Hold a superseded writer's answer, if there is one, to not being a success."""
    if answer is not None:
        require(answer.status >= 400, "the late writer refused", answer.in_words)


@SECTION.case("wrong-state", MUST, "A chunk to an upload that is finalizing, completed or rejected is 409.")
def wrong_state(target: Target) -> None:
    data = b"no picture: " + target.blob(88)
    done, answer = deliver(target, data, fileName=unique_name(target))
    expect(answer, status=200, state="completed")
    uploads = {"completed": done}
    if "finalize" in target.claims:
        uploads["rejected"], answer = deliver(target, data[::-1], fileName="case.png")
        expect(answer, status=422)
    for state, upload in uploads.items():
        for what, offset, body in (
            ("a chunk it has", 0, data),
            ("other bytes at its beginning", 0, target.blob(len(data))),
            ("a byte after its end", len(data), b"!"),
        ):
            with variant(f"{state}, {what}"):
                expect(target.put(upload, offset, body), status=409, code="wrong-state")
    expect_bytes(target, file_of(target.complete(done)), data)
    while_finalizing(target)


def while_finalizing(target: Target) -> None:
    """A chunk between the question for completion and its answer, if the server lets anybody see that."""
    upload = target.begin()
    target.put_chunks(upload)
    with target.connect() as connection:
        connection.send_head(
            "POST", f"{upload.path}/complete", target.base_headers() | {"Content-Length": "0"}
        )
        if target.status(upload).json.get("state") == "finalizing":
            with variant("finalizing"):
                answer = target.put(upload, 0, upload.chunk(0))
                expect(answer, status=409, code="wrong-state")
        expect(connection.answer(), status=(200, 202))
    expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)


@SECTION.case("slow-client", SHOULD, "A client that falls silent inside a chunk is cut off after a while.")
def slow_client(target: Target) -> None:
    upload = target.begin(chunks=1.5)
    started = time.monotonic()
    with Writer(target, upload, 0, target.blob(upload.chunk_size, "silent")) as writer:
        writer.send(upload.chunk_size // 2)
        try:
            answer = writer.answer(CUT_OFF)
        except NoAnswer:
            if time.monotonic() - started >= CUT_OFF:
                raise NotApplicable(
                    f"still waiting after {CUT_OFF:.0f} s; a longer while is allowed"
                ) from None
        else:
            # 408 is what HTTP itself has for it.
            expect(answer, status=(400, 408))
            require(writer.connection.ended(5), "the connection closed", "it was kept open")
    ttl = target.capabilities.get("sessionTtl")
    if isinstance(ttl, int | float) and time.monotonic() - started < ttl - 1:
        expect_committed(target, upload, 0)
        expect_bytes(target, target.finish(upload), upload.data)
