"""The application's side of the callback, asked by somebody who knows the secret, and by many who do not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Final

import pytest

from tests.faults.faulty import at_once
from tests.level4.conftest import World
from tests.level4.go_between import HANG_UP, Heard
from tests.level4.halves import free_port
from tests.raw_http import Answer, exchange

pytestmark = pytest.mark.xdist_group("level 4's intake")

UNAUTHORIZED, OK = HTTPStatus.UNAUTHORIZED, HTTPStatus.OK


def sign(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    """Standard Webhooks, in our own words."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def signed(
    world: World, body: bytes, message_id: str = "msg_1", age: float = 0.0, secret: str = ""
) -> dict[str, str]:
    """The headers of a delivery that is ``age`` seconds old."""
    stamp = str(int(time.time() - age))
    key = secret or world.halves.keys["UPLOAD_CALLBACK_SECRETS"]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": sign(key, message_id, stamp, body),
    }


def deliver(world: World, body: bytes, headers: Mapping[str, str], port: int = 0) -> Answer:
    """POST it to the application."""
    fields = {"Content-Type": "application/json", **headers}.items()
    return exchange(port or world.application.port, "POST", "/internal/finalize", fields, body)


def undelivered(world: World, data: bytes) -> Heard:
    """A real message of the service about an upload that is staged; the application never heard it."""
    world.between.plan = []
    world.between.always = lambda _: HANG_UP
    sent = world.halves.sent(world.service, f"{data[:20].decode()}.bin", data)
    sent.complete(patience=0.0)
    # Not simply the first: what an earlier test left undelivered is tried again as well.
    return next(each for each in world.between.heard if sent.session_id in each.body.decode())


def records(world: World, data: bytes) -> int:
    """How many files have these bytes."""
    digest = hashlib.sha256(data).hexdigest()
    return [file["fingerprint"] for file in world.halves.files()].count(digest)


def test_a_message_is_taken_once_however_often_it_comes(world: World) -> None:
    data = b"over and over " * 5000
    heard = undelivered(world, data)
    other = world.halves.application(port=free_port())
    ports = [world.application.port, other.port] * 4
    answers = at_once(*(lambda port=port: deliver(world, heard.body, heard.headers, port) for port in ports))
    assert {answer.status for answer in answers} == {OK}
    assert len({answer.body for answer in answers}) == 1
    assert deliver(world, heard.body, heard.headers).body == answers[0].body
    assert records(world, data) == 1
    assert answers[0].json["duplicate"] is False
    other.close()


def test_the_same_answer_after_the_staged_object_is_gone(world: World) -> None:
    data = b"replayed " * 500
    heard = undelivered(world, data)
    world.between.always = lambda forward: forward()
    first = deliver(world, heard.body, heard.headers)
    _until_nothing_is_staged(world)
    assert deliver(world, heard.body, heard.headers).body == first.body
    assert records(world, data) == 1


def test_messages_that_overtake_each_other(world: World) -> None:
    bodies = [f"message {n} ".encode() * 300 for n in range(4)]
    heard = []
    for data in bodies:
        world.between.heard = []
        heard.append(undelivered(world, data))
    for message in [*reversed(heard), *heard, heard[2], heard[0]]:
        assert deliver(world, message.body, message.headers).status == OK
    assert [records(world, data) for data in bodies] == [1] * 4


def test_a_signature_is_looked_at_before_anything_else(world: World) -> None:
    body = undelivered(world, b"forged " * 500).body
    good = signed(world, body, "msg_forged")
    other = "whsec_" + base64.b64encode(b"o" * 32).decode()
    resealed = json.dumps(json.loads(body), indent=1).encode()
    for what, sent, headers in (
        ("no headers at all", body, {}),
        ("no signature", body, good | {"webhook-signature": ""}),
        ("no timestamp", body, good | {"webhook-timestamp": ""}),
        ("no id", body, good | {"webhook-id": ""}),
        ("another secret", body, signed(world, body, secret=other)),
        ("another id", body, good | {"webhook-id": "msg_2"}),
        ("another time", body, good | {"webhook-timestamp": str(int(time.time()) - 1)}),
        ("another body", body.replace(b"demo", b"eve!"), good),
        ("the same document, written again", resealed, good),
        ("ten minutes old", body, signed(world, body, age=600)),
        ("ten minutes ahead", body, signed(world, body, age=-600)),
        ("a time in words", body, good | {"webhook-timestamp": "yesterday"}),
        ("a time without end", body, good | {"webhook-timestamp": "nan"}),
        ("a signature of another version", body, good | {"webhook-signature": "v2,AAAA"}),
        ("a signature that is no base64", body, good | {"webhook-signature": "v1,%%%"}),
        ("commas", body, good | {"webhook-signature": ",,,, ,"}),
        ("a signature without end", body, good | {"webhook-signature": "v1," + "A" * 4000}),
        ("an empty body", b"", good),
        ("no UTF-8", b"\xff\xfe", good),
    ):
        answer = deliver(world, sent, headers)
        assert (answer.status, answer.code) == (UNAUTHORIZED, "unauthorized"), what
    assert records(world, b"forged " * 500) == 0


def test_five_minutes_are_forgiven(world: World) -> None:
    data = b"a clock that is off " * 100
    heard = undelivered(world, data)
    for age in (280, -280):
        assert (
            deliver(world, heard.body, signed(world, heard.body, heard.headers["webhook-id"], age)).status
            == OK
        )
    assert records(world, data) == 1


def test_what_is_signed_must_still_make_sense(world: World) -> None:
    honest = json.loads(undelivered(world, b"sense " * 500).body)

    def altered(**data: Any) -> bytes:
        return json.dumps(honest | {"data": honest["data"] | data}).encode()

    session = honest["data"]["sessionId"]
    for what, body in (
        ("no JSON", b"{"),
        ("a list", b"[]"),
        ("another event", json.dumps(honest | {"type": "upload.begun"}).encode()),
        ("no data", json.dumps({"type": honest["type"]}).encode()),
        ("a size in words", altered(fileSize="many")),
        ("a size below nothing", altered(fileSize=-1)),
        ("no owner", altered(owner=None)),
        ("a key outside the staging prefix", altered(stagedKey=f"files/{session}")),
        ("a key that climbs out", altered(stagedKey=f"staged/../files/{session}")),
        ("a key of another bucket", altered(stagedKey=f"/uploads/staged/{session}")),
        ("the prefix itself", altered(stagedKey="staged/")),
        ("a key with a line feed", altered(stagedKey=f"staged/{session}\n")),
        ("another upload's key", altered(stagedKey="staged/" + "A" * 32)),
    ):
        answer = deliver(world, body, signed(world, body, f"msg_{secrets.token_hex(4)}"))
        assert (answer.status, answer.code) == (HTTPStatus.BAD_REQUEST, "invalid-request"), what
    assert records(world, b"sense " * 500) == 0


def test_an_object_that_is_not_there_is_no_refusal(world: World) -> None:
    """404 and 500 leave the service trying: only 422 is a no."""
    honest = json.loads(undelivered(world, b"absent " * 500).body)
    gone = "G" * 32
    body = json.dumps(
        honest | {"data": honest["data"] | {"sessionId": gone, "stagedKey": f"staged/{gone}"}}
    ).encode()
    assert deliver(world, body, signed(world, body, "msg_gone")).status == HTTPStatus.NOT_FOUND
    size = honest["data"]["fileSize"]
    for wrong in (size - 1, size + 1, 0):
        body = json.dumps(honest | {"data": honest["data"] | {"fileSize": wrong}}).encode()
        answer = deliver(world, body, signed(world, body, f"msg_size_{wrong}"))
        assert answer.status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert records(world, b"absent " * 500) == 0


def test_a_thousand_forged_calls_change_nothing(world: World) -> None:
    data = b"a thousand " * 500
    body = undelivered(world, data).body
    before = world.halves.files()

    def forge(n: int) -> int:
        headers = {
            "webhook-id": f"msg_{n}",
            "webhook-timestamp": str(int(time.time())),
            "webhook-signature": "v1," + base64.b64encode(secrets.token_bytes(32)).decode(),
        }
        return deliver(world, body, headers).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(forge, range(1000))) == {UNAUTHORIZED}
    assert world.halves.files() == before
    assert records(world, data) == 0
    log = world.application.log.read_text()
    assert "Traceback" not in log


def test_secrets_and_tickets_are_in_no_log(world: World) -> None:
    ticket = world.halves.ticket()
    heard = undelivered(world, b"logs " * 500)
    deliver(world, heard.body, {})
    exchange(world.service.port, "POST", "/upload/init", [("Authorization", f"Bearer {ticket}x")])
    for server in world.halves.servers:
        log = server.log.read_text()
        for secret in (*world.halves.keys.values(), ticket, json.loads(heard.body)["data"]["sessionId"]):
            assert secret not in log


LONGEST: Final = 30.0


def _until_nothing_is_staged(world: World) -> None:
    deadline = time.monotonic() + LONGEST
    while world.halves.staged():
        assert time.monotonic() < deadline, world.halves.staged()
        time.sleep(0.05)
