"""Races around the end of an upload: complete against itself, against DELETE, against another server."""

from __future__ import annotations

import io
import math
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from itertools import product
from pathlib import Path

import pytest

from shared.body import TimedBody
from shared.errors import Refused
from shared.outbox import Outbox
from shared.uploads import NewUpload, Uploads
from tests.conftest import Serve
from tests.faults.faulty import COMMIT, Held, at_once, two_servers, until
from tests.oracle import Upload, begin_upload, files, no_orphans, opened, oracle
from tests.raw_http import Answer, exchange

OK, GONE, CONFLICT = HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
NO_CONTENT, REFUSED = HTTPStatus.NO_CONTENT, HTTPStatus.UNPROCESSABLE_ENTITY

CLAIM, RESULT = f"before {COMMIT} 2", f"before {COMMIT} 3"
"""In a server that is only asked to complete: 1 is the intent, then the claim, at last the result."""


@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize(("name", "status"), [("film.bin", OK), ("no-image.png", REFUSED)])
def test_eight_completes_at_once_get_one_answer(serve: Serve, servers: int, name: str, status: int) -> None:
    there = two_servers(serve) if servers == 2 else (serve(),)
    upload = begin_upload(there[0], name)
    upload.send_rest()
    answers = at_once(*(replace(upload, server=there[n % servers]).complete for n in range(8)))
    assert {answer.status for answer in answers} == {status}
    assert len({answer.body for answer in answers}) == 1, answers
    assert len(files(there[0])) == (1 if status == OK else 0)
    no_orphans(there[0])


def test_the_same_bytes_finished_by_many_at_once_are_one_file(serve: Serve) -> None:
    there = two_servers(serve)
    uploads = [begin_upload(there[n % 2], f"copy-{n}.bin") for n in range(6)]
    for upload in uploads:
        upload.send_rest()
    answers = at_once(*(upload.complete for upload in uploads))
    assert {answer.status for answer in answers} == {OK}
    assert len({answer.json["file"]["fileId"] for answer in answers}) == 1
    assert sorted(answer.json["duplicate"] for answer in answers) == [False] + [True] * 5
    no_orphans(there[0])


def test_complete_against_delete_has_one_winner(serve: Serve) -> None:
    server = serve()
    for seed in range(12):
        upload = begin_upload(server, f"{seed}.bin", seed=seed)
        upload.send_rest()
        completed, deleted = at_once(upload.complete, partial(delete, upload))
        there = f"{seed}.bin" in [file["fileName"] for file in files(server)]
        assert (completed.status, deleted.status, there) in {
            (OK, NO_CONTENT, True),  # deleted afterwards: the session is forgotten, the file stays
            (GONE, NO_CONTENT, True),  # the same, between two polls
            (OK, CONFLICT, True),  # deleted in the middle
            (GONE, NO_CONTENT, False),  # deleted before
        }
    no_orphans(server)


@pytest.mark.parametrize(
    "point", ["after pathlib:Path.rename 1", "before shared.catalogue:Catalogue.record 1", RESULT]
)
def test_delete_in_the_middle_of_finalization_comes_too_late(
    serve: Serve, tmp_path: Path, point: str
) -> None:
    held = Held(tmp_path, point)
    first, second = two_servers(serve, **held.fault)
    upload = begin_upload(first)
    upload.send_rest()
    at_second = replace(upload, server=second)

    def in_the_middle() -> Answer:
        held.wait()
        answer = delete(upload)
        held.release()
        return answer

    completed, deleted = at_once(at_second.complete, in_the_middle)
    assert (completed.status, deleted.status, deleted.code) == (OK, CONFLICT, "wrong-state")
    oracle(upload)


SLEEPS = [
    CLAIM,
    "before level2_disk_chunks.disk_store:DiskStore.complete 1",
    "before level2_disk_chunks.prefix_hash:PrefixHashes.finish 1",
    "before shared.finalizer:CatalogueFinalizer.finalize 1",
    "before shared.catalogue:Catalogue.record 1",
    RESULT,
]
SLEEPS_OF_THE_REFUSED = [point for point in SLEEPS if "record" not in point]


@pytest.mark.parametrize(
    ("name", "point"),
    [*product(["film.bin", "copy.bin"], SLEEPS), *product(["no-image.png"], SLEEPS_OF_THE_REFUSED)],
)
def test_a_server_that_sleeps_while_another_finalizes(
    serve: Serve, tmp_path: Path, name: str, point: str
) -> None:
    """It wakes to find the object renamed, recorded or thrown away, and tells the same story."""
    held = Held(tmp_path, point)
    sleeper = serve(**held.fault)
    upload = begin_upload(sleeper, name)
    with opened(sleeper) as other:
        if name == "copy.bin":  # the bytes are there already: its object is discarded
            finish_elsewhere(other, begin_elsewhere(other, upload.source))
        put_elsewhere(other, upload.session_id, upload.source)

        def awake() -> Answer:
            held.wait()
            finish_elsewhere(other, upload.session_id)
            assert upload.status().json["state"] != "finalizing", "nobody took over"
            held.release()
            return upload.status()

        answer, _ = at_once(upload.complete, awake)
    assert answer.status == (REFUSED if name == "no-image.png" else OK)
    assert upload.complete().body == answer.body
    assert len(files(sleeper)) == (0 if name == "no-image.png" else 1)
    no_orphans(sleeper)


def begin_elsewhere(other: Uploads, source: bytes) -> str:
    """An upload at the server that this process is."""
    session_id = other.init(NewUpload("original.bin", len(source))).session_id
    put_elsewhere(other, session_id, source)
    return session_id


def put_elsewhere(other: Uploads, session_id: str, source: bytes) -> None:
    """All chunks."""
    while (session := other.status(session_id)).next_length:
        start = session.committed_offset
        data = io.BytesIO(source[start : start + session.next_length])
        other.append(session_id, start, TimedBody(session.next_length, data.readinto, math.inf))


def finish_elsewhere(other: Uploads, session_id: str) -> None:
    """Complete and finalize, whatever comes of it."""
    with suppress(Refused):
        other.complete(session_id)
        Outbox(replace(other, clock=after_the_lease)).finalize(session_id)


def after_the_lease() -> float:
    """When a lease that was not renewed has run out."""
    return time.time() + 60.0


def test_complete_answers_202_while_it_runs_and_polling_ends_it(serve: Serve, tmp_path: Path) -> None:
    held = Held(tmp_path, "before shared.catalogue:Catalogue.record 1")
    server = serve("--complete-wait", "0", **held.fault)
    upload = begin_upload(server)
    upload.send_rest()
    answer = exchange(server.port, "POST", f"{upload.path}/complete")
    assert (answer.status, answer.json) == (HTTPStatus.ACCEPTED, {"state": "finalizing"})
    assert answer.header("retry-after")
    held.wait()
    status = upload.status().json
    assert (status["state"], status["uploadedBytes"]) == ("finalizing", len(upload.source))
    assert files(server) == []
    held.release()
    until(lambda: upload.status().json["state"] == "completed", "the result")
    oracle(upload)


def delete(upload: Upload) -> Answer:
    return exchange(upload.server.port, "DELETE", upload.path)
