"""More than S3 lists at once: a thousand parts, a thousand uploads, a thousand objects."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from level3_s3_multipart import listings
from level3_s3_multipart.parts import part_sender
from level3_s3_multipart.s3_store import S3Store
from tests.contract.byte_store_contract import Sent, Upload
from tests.s3.endpoint import Bucket
from tests.s3.opened import opened
from tests.s3.plugin import EVERYTHING
from tests.s3.stores import FEW_UPLOADS, LARGE_PARTS

MORE = 1003
"""One page and a little."""


@pytest.fixture
def store(bucket: Bucket) -> S3Store:
    if LARGE_PARTS in bucket.endpoint.traits:
        pytest.skip(f"NOT RUN on {bucket.endpoint.name}: {MORE} parts of 5 MiB are no test for every day")
    there = opened(bucket)
    return S3Store(there, part_sender(there, "stream"))


def in_parallel(calls: Sequence[Callable[[], object]]) -> None:
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


@pytest.mark.s3_in_turn("rclone")
def test_a_file_of_more_than_a_thousand_parts(store: S3Store, bucket: Bucket) -> None:
    upload = Upload(store, bytes(i % 251 for i in range(MORE)), chunk_size=1)
    upload.send_all()
    ((_, upload_id),) = bucket.uploads()
    found = [part.number for part in listings.parts(opened(bucket), upload.session.session_id, upload_id)]
    assert found == list(range(1, MORE + 1))
    # The last part once more, as after a crash before its commit: what stands there is on the second page.
    upload.session = replace(upload.session, committed_offset=MORE - 1).claimed()
    assert store.append(upload.session, Sent(upload.data[-1:])) == upload.receipts[-1]
    upload.session = upload.session.appended(1, expires_at=1e12)
    assert upload.content() == upload.data


@pytest.mark.s3_in_turn("rclone")
def test_a_sweep_sees_more_than_a_thousand_objects(store: S3Store, bucket: Bucket) -> None:
    names = [f"stray-{n:016d}" for n in range(MORE)]
    at = {"Bucket": bucket.name, "Body": b"x"}
    put = bucket.client.put_object
    in_parallel([partial(put, **at, Key=opened(bucket).key(name)) for name in names])  # type: ignore[arg-type]
    strays = list(store.strays(before=time.time() + 60))
    assert {stray.location for stray in strays} == set(names)


@pytest.mark.skipif(not EVERYTHING, reason="NOT RUN: rclone cannot, elsewhere it is slow; `make faults-s3`")
@pytest.mark.s3_in_turn("moto")
def test_a_sweep_sees_more_than_a_thousand_uploads(store: S3Store, bucket: Bucket) -> None:
    if FEW_UPLOADS in bucket.endpoint.traits:
        pytest.skip(f"NOT RUN on {bucket.endpoint.name}: it {FEW_UPLOADS}")
    names = [f"stray-{n:016d}" for n in range(MORE)]
    create = bucket.client.create_multipart_upload
    in_parallel([partial(create, Bucket=bucket.name, Key=opened(bucket).key(name)) for name in names])
    strays = list(store.strays(before=time.time() + 60))
    assert {stray.session_id for stray in strays if stray.storage} == set(names)
