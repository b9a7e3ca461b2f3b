"""What S3 says and does not mean, and what happens to an upload behind its server's back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from shared.expiry import sweep
from tests.faults.faulty import at_once
from tests.faults.hostile import assert_refused
from tests.faults.s3_arena import Arena, Arenas, arenas, come_again
from tests.oracle import Upload, begin_upload, recorded
from tests.raw_http import Answer, exchange
from tests.s3.endpoint import Bucket, Endpoint
from tests.s3.faults import Fault, Kind, When
from tests.s3.operations import Operation
from tests.s3.oracle import PREFIX
from tests.s3.proxy import S3Proxy
from tests.s3.rules import S3_MINIMUM, Rules
from tests.s3.serving import serving
from tests.s3.stores import NO_SECOND_PART

pytestmark = pytest.mark.s3_in_turn

FOR_GOOD = 1000


@pytest.fixture(scope="module")
def every_arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arenas]:
    with arenas(tmp_path_factory.mktemp("arenas")) as made:
        yield made


@pytest.fixture
def arena(s3_endpoint: Endpoint, every_arena: Arenas) -> Arena:
    return every_arena(s3_endpoint)


def sent(arena: Arena) -> Upload:
    """An upload of which every byte is there."""
    upload = arena.begin()
    upload.send_rest()
    return upload


def abort_behind_our_back(arena: Arena, upload: Upload) -> None:
    bucket = arena.level3.bucket
    for key, upload_id in bucket.uploads():
        if key == PREFIX + upload.session_id:
            bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=key, UploadId=upload_id)


@pytest.mark.parametrize("times", [1, FOR_GOOD])
@pytest.mark.parametrize("when", When)
def test_complete_answers_200_with_an_error_inside(arena: Arena, when: When, times: int) -> None:
    upload = sent(arena)
    with arena.broken_by(Fault(Operation.COMPLETE, Kind.ERROR_IN_200, when, times=times)):
        answer = arena.request("POST", f"{upload.path}/complete")
        done = answer.status == HTTPStatus.OK
        assert done or answer.status == HTTPStatus.ACCEPTED, answer
        # Never "completed" for an object that is not there.
        key = PREFIX + upload.session_id
        assert not done or key in arena.level3.bucket.objects()
        assert done or times == FOR_GOOD, "once is nothing: the SDK tries again"
    arena.level3.oracle(upload)


def test_an_answer_of_complete_that_was_lost(arena: Arena) -> None:
    """The SDK asks again and is told NoSuchUpload; the object itself says what happened."""
    upload = sent(arena)
    seen = len(arena.proxy.seen)
    with arena.broken_by(Fault(Operation.COMPLETE, Kind.RESET, When.AFTER)):
        assert upload.complete().status == HTTPStatus.OK
    asked = arena.proxy.seen[seen:]
    assert asked[:3] == [Operation.COMPLETE, Operation.COMPLETE, Operation.HEAD]
    arena.level3.oracle(upload)


def test_aborted_behind_our_back_before_complete(arena: Arena) -> None:
    upload = sent(arena)
    abort_behind_our_back(arena, upload)
    assert_refused(upload.complete(), HTTPStatus.GONE, "upload-lost")
    assert upload.status().code == "session-not-found"
    assert_refused(upload.complete(), HTTPStatus.NOT_FOUND, "session-not-found")
    arena.level3.no_orphans()


def test_aborted_behind_our_back_before_a_chunk(arena: Arena) -> None:
    upload = arena.begin()
    upload.put()
    abort_behind_our_back(arena, upload)
    assert_refused(upload.put(), HTTPStatus.GONE, "upload-lost")
    assert upload.status().code == "session-not-found"
    arena.level3.no_orphans()


def test_an_object_that_vanished_before_it_was_recorded(arena: Arena) -> None:
    """Its answer lost, its object deleted: two doubts do not make a file."""
    upload = sent(arena)
    bucket = arena.level3.bucket
    gate = arena.proxy.hold(Operation.HEAD)

    def vanish() -> Answer:
        gate.wait()
        bucket.client.delete_object(Bucket=bucket.name, Key=PREFIX + upload.session_id)
        gate.open()
        return upload.status()

    answer, _ = at_once(
        upload.complete,
        vanish,
    )
    assert_refused(answer, HTTPStatus.GONE, "upload-lost")
    arena.level3.no_orphans()


@pytest.mark.parametrize("times", [1, 2])
def test_abort_is_repeated_until_the_listing_is_empty(arena: Arena, times: int) -> None:
    """A part that was under way during Abort lands after it; S3 wants to be asked again."""
    upload = arena.begin()
    upload.put()
    with arena.broken_by(Fault(Operation.ABORT, Kind.PRETEND, times=times)):
        assert arena.request("DELETE", upload.path).status == HTTPStatus.NO_CONTENT
    assert PREFIX + upload.session_id not in dict(arena.level3.bucket.uploads())
    arena.level3.no_orphans()


def test_an_abort_that_never_works_is_said_and_swept(arena: Arena) -> None:
    upload = arena.begin()
    upload.put()
    with arena.broken_by(Fault(Operation.ABORT, Kind.PRETEND, times=FOR_GOOD)):
        answer = arena.request("DELETE", upload.path)
        assert come_again(answer), "an upload that is still there was said to be gone"
    assert upload.status().code == "session-not-found"
    arena.level3.no_orphans()


def test_a_part_in_flight_during_abort(arena: Arena) -> None:
    upload = arena.begin()
    upload.put()
    gate = arena.proxy.hold(Operation.UPLOAD_PART)

    def cancel() -> Answer:
        gate.wait()
        answer = arena.request("DELETE", upload.path)
        gate.open()
        return answer

    late, cancelled = at_once(upload.put, cancel)
    assert cancelled.status == HTTPStatus.NO_CONTENT
    assert late.code == "session-not-found"
    arena.level3.no_orphans()


def test_a_part_that_arrives_damaged_is_not_confirmed(arena: Arena) -> None:
    upload = arena.begin()
    upload.put()
    with arena.broken_by(Fault(Operation.UPLOAD_PART, Kind.CORRUPT)):
        answer = upload.put()
    assert answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    assert upload.resume() == upload.chunk_size
    if NO_SECOND_PART in arena.level3.bucket.endpoint.traits:
        # The damaged part is in the way for good: then in plain words, and never as a file.
        assert_refused(upload.put(), HTTPStatus.GONE, "upload-lost")
        arena.level3.no_orphans()
    else:
        arena.level3.oracle(upload)


def test_an_answer_that_breaks_off_while_the_file_is_hashed(arena: Arena) -> None:
    upload = sent(arena)
    with arena.broken_by(Fault(Operation.GET, Kind.CUT, When.AFTER)):
        upload.complete()
    arena.level3.oracle(upload)


@pytest.mark.parametrize("times", [1, FOR_GOOD])
def test_an_answer_that_breaks_off_inside_a_download(arena: Arena, times: int) -> None:
    """Gone on with where it broke, or said to be away; never a short file that looks like a whole one."""
    upload = sent(arena)
    path = f"/files/{recorded(upload)['fileId']}/content"
    with arena.broken_by(Fault(Operation.GET, Kind.CUT, When.AFTER, times=times)):
        answer = arena.request("GET", path)
        assert answer.body == upload.source or (times == FOR_GOOD and come_again(answer))
    arena.level3.oracle(upload)


def test_the_bytes_are_what_is_hashed_and_not_what_the_client_says(arena: Arena) -> None:
    upload = sent(arena)
    file = recorded(upload)
    assert file["fingerprint"] == hashlib.sha256(upload.source).hexdigest()
    body = arena.level3.bucket.content(PREFIX + upload.session_id)
    assert body == upload.source
    arena.level3.no_orphans()


@pytest.fixture
def strict(bucket: Bucket) -> Iterator[S3Proxy]:
    """S3 with its own smallest part."""
    with S3Proxy(bucket.endpoint.url, Rules(S3_MINIMUM)) as proxy:
        yield proxy


def test_chunks_are_never_smaller_than_s3_takes(tmp_path: Path, bucket: Bucket, strict: S3Proxy) -> None:
    with serving(tmp_path, bucket, strict.url, "--s3-min-part", "5MiB") as level3:
        level3.oracle(begin_upload(level3.server, size=2 * S3_MINIMUM + 1, chunk_size=S3_MINIMUM))
    assert strict.seen.count(Operation.UPLOAD_PART) == 3
    assert strict.rules.violations == []


def test_parts_that_s3_finds_too_small_are_said_to_be_lost(
    tmp_path: Path, bucket: Bucket, strict: S3Proxy
) -> None:
    """A wrong setting shows as a refusal, and not as a finalization that is tried for ever."""
    with serving(tmp_path, bucket, strict.url) as level3:
        upload = begin_upload(level3.server)
        upload.send_rest()
        assert_refused(upload.complete(), HTTPStatus.GONE, "upload-lost")
        assert "EntityTooSmall" in level3.server.log.read_text()
        level3.no_orphans()


def test_s3_that_is_away_when_the_server_starts(tmp_path: Path, bucket: Bucket) -> None:
    with S3Proxy(bucket.endpoint.url) as proxy:
        proxy.plan(*(Fault(operation, Kind.RESET, times=FOR_GOOD) for operation in Operation))
        with serving(tmp_path, bucket, proxy.url) as level3:
            init = exchange(
                level3.server.port,
                "POST",
                "/upload/init",
                [("Content-Type", "application/json")],
                b'{"fileName": "a.bin", "fileSize": 1}',
            )
            assert come_again(init)
            proxy.heal()
            level3.oracle(begin_upload(level3.server))


def test_neighbours_in_the_bucket_are_left_alone(tmp_path: Path, bucket: Bucket, strict: S3Proxy) -> None:
    """Other prefixes, one that begins like ours, and under ours what has no name of ours."""
    client, name = bucket.client, bucket.name
    keys = ["other/" + "a" * 32, "files-of-others/" + "b" * 32, "c" * 32, PREFIX + "read.me"]
    for key in keys:
        client.put_object(Bucket=name, Key=key, Body=key.encode())
    pending = {
        client.create_multipart_upload(Bucket=name, Key=f"{key}.part")["UploadId"]: key for key in keys
    }
    with serving(tmp_path, bucket, strict.url) as level3:
        upload = begin_upload(level3.server)
        upload.put()
        with level3.tomorrow() as uploads:
            sweep(uploads)
    assert set(bucket.objects()) == set(keys)
    assert {upload_id for _, upload_id in bucket.uploads()} == set(pending)
    assert strict.rules.violations == [], "others' names are none of our business"
