"""Level 3 killed at every step: what S3 and the session then say of each other can always be gone on from.

By default a choice of steps, on the S3 servers in turn; `make faults-s3` runs every step on each of them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest

from shared.expiry import sweep
from tests.faults.faulty import COMMIT, GONE, Held, at_once, until, with_fault
from tests.faults.hostile import assert_refused
from tests.faults.test_races_chunk import SOON, send_the_rest_of_something_else
from tests.oracle import CHUNK, begin_upload, files
from tests.raw_http import Answer, exchange
from tests.s3.endpoint import Bucket
from tests.s3.oracle import PREFIX, Level3
from tests.s3.plugin import in_turn
from tests.s3.serving import serving
from tests.s3.stores import NO_SECOND_PART
from tests.servers import COMMAND

STORE = "level3_s3_multipart.s3_store:S3Store"
SESSIONS = "shared.sessions.sql:SqlSessionStore"

# Each is a pair: what every run tries, and what only `make faults-s3` tries.
INIT = (
    (f"after {SESSIONS}.insert 1",),
    (
        f"before {STORE}.create 1",
        f"after {STORE}.create 1",  # S3 knows an upload that no session knows
    ),
)

# Chunk 2 of 4. Each chunk replaces the session three times: 1 to 3 are chunk 1's claim, its announcement
# and its commit.
APPEND = (
    (
        "before level3_s3_multipart.streamed_put:_Connection.exchange 2",  # S3 has said go on
        f"before {COMMIT} 6",  # S3 has the part, and the session does not know
        f"after {COMMIT} 6",  # committed, and the answer is lost
        f"after {COMMIT} 5",  # announced, and the last block does not leave
    ),
    (
        f"after {COMMIT} 4",  # claimed, nothing sent
        "before level3_s3_multipart.turns:Turn.last_block 2",
        "after level3_s3_multipart.turns:Turn.last_block 2",
    ),
)

# Four chunks made twelve replacements; the intent, the claim and the result follow.
COMPLETE = (
    (
        f"after {COMMIT} 13",  # the intent is stored, nobody works on it
        f"before {STORE}._complete 1",
        f"after {STORE}._complete 1",  # S3 has the object, and nobody knows
        "after shared.catalogue:Catalogue.record 1",  # the file is there, the session does not know
    ),
    (f"before {COMMIT} 13", "before shared.catalogue:Catalogue.record 1", f"after {COMMIT} 15"),
)

CANCEL = (
    (f"after {SESSIONS}.delete 1",),  # parts without a record
    (f"after {STORE}.abort 1",),
)
DISCARD = ((f"after {STORE}.discard 1",), (f"before {STORE}.discard 1",))
SWEEP = ((f"after {STORE}.abort 1",), (f"after {SESSIONS}.delete 1",))
SHORT = ("--session-ttl", "3", "--sweep-interval", "0.2")

pytestmark = pytest.mark.s3_in_turn

Serve3 = Callable[..., Level3]


@pytest.fixture
def serve3(bucket: Bucket, tmp_path: Path) -> Iterator[Serve3]:
    """Start level-3 servers on the test's bucket, straight to its S3."""
    with ExitStack() as stack:

        def start(*options: str, **attributes: object) -> Level3:
            return stack.enter_context(serving(tmp_path, bucket, None, *options, **attributes))

        yield start


def come_back(level3: Level3) -> None:
    """The server was killed by its fault, and not by us; start it again without one."""
    level3.server.wait_gone()
    level3.server.restart(command=COMMAND)


@pytest.mark.parametrize(("s3_name", "point"), in_turn(*INIT))
def test_killed_inside_init(serve3: Serve3, point: str) -> None:
    level3 = serve3(**with_fault(f"{point} kill"))
    with pytest.raises(GONE):
        begin_upload(level3.server)
    come_back(level3)
    level3.oracle(begin_upload(level3.server))


def test_an_upload_of_s3_that_no_session_knows(serve3: Serve3, bucket: Bucket) -> None:
    """It stays while it may be somebody's who is about to insert the session, and goes after the lifetime.
    What others have in the bucket stays for good."""
    client, theirs = bucket.client, "theirs/" + "a" * 32
    neighbour = (theirs, client.create_multipart_upload(Bucket=bucket.name, Key=theirs)["UploadId"])
    client.put_object(Bucket=bucket.name, Key="theirs/object", Body=b"x")
    level3 = serve3(**with_fault(f"after {STORE}.create 1 kill"))
    with pytest.raises(GONE):
        begin_upload(level3.server)
    come_back(level3)
    with level3.opened() as uploads:
        sweep(uploads)
    ours = [key for key, _ in bucket.uploads() if key.startswith(PREFIX)]
    assert len(ours) == 1
    level3.no_orphans()
    assert bucket.uploads() == [neighbour]
    assert bucket.objects() == ["theirs/object"]


@pytest.mark.parametrize(("s3_name", "point"), in_turn(*APPEND))
def test_killed_inside_a_chunk(serve3: Serve3, point: str) -> None:
    level3 = serve3(**with_fault(f"{point} kill"))
    upload = begin_upload(level3.server)
    assert upload.put().status == HTTPStatus.OK
    with pytest.raises(GONE):
        upload.put()
    come_back(level3)
    level3.oracle(upload)


def test_killed_in_the_middle_of_a_part(serve3: Serve3, bucket: Bucket) -> None:
    """Blocks of it have reached S3; a request that ends early makes no part."""
    level3 = serve3(**with_fault("before level3_s3_multipart.turns:Turn.last_block 2 kill"))
    upload = begin_upload(level3.server, size=40 * CHUNK, chunk_size=16 * CHUNK)
    assert upload.put().status == HTTPStatus.OK
    with pytest.raises(GONE):
        upload.put()
    ((key, upload_id),) = bucket.uploads()
    assert bucket.parts(key, upload_id) == [(1, 16 * CHUNK)]
    come_back(level3)
    level3.oracle(upload)


@pytest.mark.parametrize(("s3_name", "point"), in_turn(*COMPLETE))
def test_killed_inside_complete(serve3: Serve3, point: str) -> None:
    level3 = serve3(**with_fault(f"{point} kill"))
    upload = begin_upload(level3.server)
    upload.send_rest()
    with pytest.raises(GONE):
        upload.complete()
    come_back(level3)
    level3.oracle(upload)


@pytest.mark.parametrize(("s3_name", "point"), in_turn(*CANCEL))
def test_killed_inside_cancel(serve3: Serve3, point: str) -> None:
    level3 = serve3(**with_fault(f"{point} kill"))
    upload = begin_upload(level3.server)
    upload.put()
    with pytest.raises(GONE):
        exchange(level3.server.port, "DELETE", upload.path)
    come_back(level3)
    assert upload.status().status == HTTPStatus.NOT_FOUND
    level3.no_orphans()


@pytest.mark.parametrize(("s3_name", "point"), in_turn(*DISCARD))
def test_killed_at_the_discarding_of_a_duplicate(serve3: Serve3, point: str) -> None:
    level3 = serve3(**with_fault(f"{point} kill"))
    first, second = begin_upload(level3.server), begin_upload(level3.server, name="again.bin")
    first.send_rest()
    second.send_rest()
    level3.finished(first)
    with pytest.raises(GONE):
        second.complete()
    come_back(level3)
    answer = second.complete()
    assert (answer.status, answer.json["duplicate"]) == (HTTPStatus.OK, True)
    level3.no_orphans()


@pytest.mark.parametrize(("s3_name", "point"), in_turn(*SWEEP))
def test_a_sweeper_killed_half_way_is_finished_by_the_next(
    serve3: Serve3, bucket: Bucket, point: str
) -> None:
    level3 = serve3(*SHORT, **with_fault(f"{point} kill"))
    for name in ("one.bin", "two.bin", "three.bin"):
        begin_upload(level3.server, name).put()
    level3.server.wait_gone()
    assert len(bucket.uploads()) > 1, "it was not killed half-way"
    level3.server.restart(command=COMMAND)
    until(lambda: not bucket.uploads(), "the next sweep")
    level3.oracle(begin_upload(level3.server))


def two(serve3: Serve3, **second: object) -> tuple[Level3, Level3]:
    """Two servers on one session database and one bucket."""
    one = serve3()
    return one, serve3(data=one.server.data_folder, name="second", **second)


def test_one_server_is_killed_and_the_other_goes_on(serve3: Serve3) -> None:
    """Nothing of the upload was on the first one's disk."""
    one, other = two(serve3)
    upload = begin_upload(one.server)
    assert upload.put().status == HTTPStatus.OK
    with upload.begin(0.5):
        one.server.kill()
    resumed = replace(upload, server=other.server)
    assert resumed.resume() == CHUNK
    other.oracle(resumed)


def test_two_servers_complete_at_once(serve3: Serve3) -> None:
    one, other = two(serve3)
    upload = begin_upload(one.server)
    upload.send_rest()
    there = replace(upload, server=other.server)
    first, second = at_once(upload.complete, there.complete)
    assert (first.status, first.json) == (second.status, second.json)
    assert first.status == HTTPStatus.OK
    assert len(files(other.server)) == 1
    other.oracle(there)


def test_a_server_stopped_past_its_turn_changes_nothing(serve3: Serve3, bucket: Bucket) -> None:
    """SIGSTOP inside its chunk, and it wakes when the upload is two chunks further."""
    stopped, other = two(serve3)
    upload = begin_upload(stopped.server)
    late = upload.begin(0.5)
    until(lambda: epoch(other, upload.session_id) == 1, "the first server's turn")
    os.kill(stopped.server.worker.pid, signal.SIGSTOP)
    newcomer = replace(upload, server=other.server)
    begin = time.monotonic()
    first = newcomer.put()
    if NO_SECOND_PART in bucket.endpoint.traits and first.status != HTTPStatus.OK:
        # This S3 lets nobody at a part while the other request stands: the client is told to come again.
        assert_refused(first, HTTPStatus.SERVICE_UNAVAILABLE, "storage-unavailable")
    else:
        assert time.monotonic() - begin < SOON
        assert first.status == HTTPStatus.OK
        assert newcomer.put().status == HTTPStatus.OK
    os.kill(stopped.server.worker.pid, signal.SIGCONT)
    answer = send_the_rest_of_something_else(late, 0.5)
    assert_refused(answer, HTTPStatus.CONFLICT, "offset-mismatch")
    other.oracle(newcomer)


def test_a_server_held_before_its_last_block_changes_nothing(
    serve3: Serve3, bucket: Bucket, tmp_path: Path
) -> None:
    """The whole chunk is in its hands, and its turn has passed."""
    held = Held(tmp_path, "before level3_s3_multipart.turns:Turn.last_block 1")
    other, stopped = two(serve3, **held.fault)
    upload = begin_upload(stopped.server)
    newcomer = replace(upload, server=other.server, source=upload.source[::-1])

    def overtake() -> Answer:
        held.wait()
        answer = newcomer.put()
        held.release()
        return answer

    late, first = at_once(upload.put, overtake)
    assert_refused(late, HTTPStatus.CONFLICT, "offset-mismatch")
    if NO_SECOND_PART in bucket.endpoint.traits and first.status != HTTPStatus.OK:
        assert_refused(first, HTTPStatus.SERVICE_UNAVAILABLE, "storage-unavailable")
    else:
        assert first.status == HTTPStatus.OK
    other.oracle(newcomer)


def epoch(level3: Level3, session_id: str) -> int:
    """How many writers the session has had."""
    with level3.opened() as uploads:
        return uploads.status(session_id).writer_epoch
