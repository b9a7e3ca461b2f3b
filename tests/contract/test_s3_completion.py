"""Whose object it is, and how large, decides whether an upload is complete: not what Complete answers."""

from __future__ import annotations

from typing import Any

import pytest

from level3_s3_multipart.parts import part_sender
from level3_s3_multipart.s3_store import MARK, S3Store
from shared.errors import UploadLost
from tests.contract.byte_store_contract import CHUNK, Upload
from tests.s3.endpoint import Bucket
from tests.s3.opened import opened

DATA = b"whole" * 100


@pytest.fixture
def upload(bucket: Bucket) -> Upload:
    """All sent; its multipart upload then gone, so that Complete fails and the object is asked."""
    there = opened(bucket)
    upload = Upload(S3Store(there, part_sender(there, "stream")), DATA, CHUNK)
    upload.send_all()
    upload.store.abort(upload.session.session_id, upload.session.storage)
    return upload


def put(bucket: Bucket, upload: Upload, data: bytes, mark: str) -> None:
    at: dict[str, Any] = {"Bucket": bucket.name, "Key": f"files/{upload.session.session_id}"}
    bucket.client.put_object(**at, Body=data, Metadata={MARK: mark})


@pytest.mark.s3_in_turn("moto")
def test_an_object_of_this_upload_is_the_proof(upload: Upload, bucket: Bucket) -> None:
    put(bucket, upload, DATA, upload.session.session_id)
    assert upload.complete().size == len(DATA)


@pytest.mark.s3_in_turn("moto")
@pytest.mark.parametrize("data", [DATA[1:], DATA + b"!", b""], ids=["short", "long", "empty"])
def test_an_object_of_another_size_is_none(upload: Upload, bucket: Bucket, data: bytes) -> None:
    put(bucket, upload, data, upload.session.session_id)
    with pytest.raises(UploadLost):
        upload.complete()


@pytest.mark.s3_in_turn("moto")
def test_an_object_of_somebody_else_is_none(upload: Upload, bucket: Bucket) -> None:
    put(bucket, upload, DATA, "somebody-elses")
    with pytest.raises(UploadLost):
        upload.complete()
