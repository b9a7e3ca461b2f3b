"""The proxy does what the fault tests believe it does: it passes on, refuses, breaks, before and after."""

from __future__ import annotations

import hashlib
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError

from tests.s3.endpoint import Bucket
from tests.s3.faults import Fault, Kind, When
from tests.s3.operations import Operation
from tests.s3.proxy import S3Proxy
from tests.s3.rules import S3_MINIMUM, Rules

pytestmark = pytest.mark.s3_in_turn

KEY = "some/film.bin"
PART = b"part " * 1000


class Client:
    """One multipart upload through the proxy, by a client that tries nothing twice."""

    def __init__(self, proxy: S3Proxy, bucket: Bucket) -> None:
        self.bucket = bucket
        self.s3 = bucket.endpoint.client(proxy.url, read_timeout=1.0)
        self.upload_id = ""
        self.parts: list[tuple[int, str]] = []

    def create(self) -> None:
        answer = self.s3.create_multipart_upload(Bucket=self.bucket.name, Key=KEY)
        self.upload_id = answer["UploadId"]

    def send(self, number: int = 1, data: bytes = PART, md5: str | None = None) -> None:
        digest = b64encode(hashlib.md5(data).digest()).decode() if md5 is None else md5
        answer = self.s3.upload_part(
            Bucket=self.bucket.name,
            Key=KEY,
            UploadId=self.upload_id,
            PartNumber=number,
            Body=data,
            ContentMD5=digest,
        )
        self.parts.append((number, answer["ETag"]))

    def complete(self) -> None:
        self.s3.complete_multipart_upload(
            Bucket=self.bucket.name,
            Key=KEY,
            UploadId=self.upload_id,
            MultipartUpload={"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in self.parts]},
        )

    def abort(self) -> None:
        self.s3.abort_multipart_upload(Bucket=self.bucket.name, Key=KEY, UploadId=self.upload_id)

    def head(self) -> None:
        self.s3.head_object(Bucket=self.bucket.name, Key=KEY)

    @property
    def stored(self) -> list[tuple[int, int]]:
        """What the server behind has, asked past the proxy."""
        return self.bucket.parts(KEY, self.upload_id)


@pytest.fixture
def proxy(bucket: Bucket) -> Iterator[S3Proxy]:
    with S3Proxy(bucket.endpoint.url) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: S3Proxy, bucket: Bucket) -> Client:
    client = Client(proxy, bucket)
    client.create()
    return client


def refused(call: Callable[[], object]) -> str:
    """The error code that ``call`` is answered with."""
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"]


def test_it_passes_an_upload_on(client: Client, proxy: S3Proxy) -> None:
    client.send(1)
    client.send(2, b"tail")
    client.complete()
    client.head()
    assert client.bucket.content(KEY) == PART + b"tail"
    parts = [Operation.UPLOAD_PART] * 2
    assert proxy.seen == [Operation.CREATE, *parts, Operation.COMPLETE, Operation.HEAD]
    assert proxy.rules.violations == []


def test_an_upload_that_has_ended_does_not_come_back(client: Client) -> None:
    client.send()
    client.complete()
    for call in (client.complete, client.send, client.abort):
        assert refused(call) == "NoSuchUpload"
    client.create()
    client.abort()
    assert refused(client.send) == "NoSuchUpload"


def test_bytes_that_are_not_the_checksums_are_refused(client: Client, proxy: S3Proxy) -> None:
    assert refused(lambda: client.send(md5=b64encode(bytes(16)).decode())) == "BadDigest"
    proxy.plan(Fault(Operation.UPLOAD_PART, Kind.CORRUPT))
    assert refused(client.send) == "BadDigest"
    assert client.stored == []


def test_the_parts_named_must_be_those_that_were_sent(client: Client) -> None:
    client.send(1)
    client.send(2)
    (_, first), (_, second) = sent = client.parts
    for parts, code in (
        ([(1, first), (2, '"another"')], "InvalidPart"),
        ([(1, first), (3, second)], "InvalidPart"),
        ([(2, second), (1, first)], "InvalidPartOrder"),
        ([], "MalformedXML"),
    ):
        client.parts = parts
        assert refused(client.complete) == code
    client.parts = sent
    client.complete()


def test_a_part_before_the_last_must_be_large_enough(bucket: Bucket) -> None:
    with S3Proxy(bucket.endpoint.url, Rules(S3_MINIMUM)) as proxy:
        client = Client(proxy, bucket)
        client.create()
        client.send(1)
        client.send(2)
        assert refused(client.complete) == "EntityTooSmall"


def test_parts_that_grow_are_remembered(client: Client, proxy: S3Proxy) -> None:
    client.send(1, b"short")
    client.send(2, b"longer")
    assert proxy.rules.violations == ["part 2 is larger than part 1 before it"]


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.ERROR, ClientError),
        (Kind.SLOW_DOWN, ClientError),
        (Kind.HANG, ReadTimeoutError),
        (Kind.RESET, ConnectionClosedError),
    ],
)
def test_a_fault_comes_before_the_effect_or_after(
    client: Client, proxy: S3Proxy, kind: Kind, expected: type[Exception], when: When
) -> None:
    fault = Fault(Operation.UPLOAD_PART, kind, when, skip=1)
    proxy.plan(fault)
    client.send(1)
    assert fault.happened == 0
    with pytest.raises(expected):
        client.send(2)
    assert fault.happened == 1
    assert len(client.stored) == (1 if when is When.BEFORE else 2)
    client.send(3)


@pytest.mark.parametrize("when", When)
def test_an_error_inside_a_200(client: Client, proxy: S3Proxy, when: When) -> None:
    client.send()
    proxy.plan(Fault(Operation.COMPLETE, Kind.ERROR_IN_200, when))
    assert refused(client.complete) == "InternalError"
    assert client.bucket.objects() == ([] if when is When.BEFORE else [KEY])


def test_an_answer_cut_off_half_way(client: Client, proxy: S3Proxy) -> None:
    client.send()
    client.complete()
    proxy.plan(Fault(Operation.GET, Kind.CUT, When.AFTER))
    body = client.s3.get_object(Bucket=client.bucket.name, Key=KEY)["Body"]
    with pytest.raises(BotoCoreError):
        body.read()


def test_a_gate(client: Client, proxy: S3Proxy) -> None:
    gate = proxy.hold(Operation.UPLOAD_PART)
    sender = threading.Thread(target=client.send)
    sender.start()
    gate.wait()
    assert client.stored == []
    gate.open()
    sender.join()
    assert client.stored == [(1, len(PART))]
