"""The callback on a bad day: what the application answers, or does not, and what the service makes of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
import time
from http import HTTPStatus
from typing import Any, Final

import pytest

from tests.level4.conftest import World
from tests.level4.go_between import HANG_UP, Heard, Mishap, Reply, answer, between, late, lose_answer, refuse
from tests.level4.halves import within
from tests.oracle import Upload
from tests.raw_http import exchange

pytestmark = pytest.mark.xdist_group("level 4's callbacks")

BAD_DAYS: Final[dict[str, list[Mishap]]] = {
    "500": [answer(500)],
    "400, three times": [answer(400)] * 3,
    "401, as with a secret that is not known yet": [answer(401)],
    "404": [answer(404)],
    "204, which is neither yes nor no": [answer(204)],
    "200 without a file": [answer(200)],
    "no answer": [refuse],
    "an answer that comes too late": [late(2.5)],
    "done, and the answer lost": [lose_answer],
    "done, and the answer lost, twice, with a 503 between": [lose_answer, answer(503), lose_answer],
}


@pytest.mark.parametrize("mishaps", BAD_DAYS.values(), ids=BAD_DAYS)
def test_it_is_called_again_until_it_answers(world: World, mishaps: list[Mishap], request: Any) -> None:
    world.between.plan = list(mishaps)
    upload = world.halves.sent(world.service, "bad day.bin", request.node.callspec.id.encode() * 5000)
    world.halves.oracle(upload)
    heard = world.between.heard
    assert len(heard) == len(mishaps) + 1
    assert len({delivery.headers["webhook-id"] for delivery in heard}) == 1
    assert len({delivery.body for delivery in heard}) == 1, "another message under the same id"


def test_the_service_says_that_it_waits(world: World) -> None:
    world.between.always = answer(503, **{"Retry-After": "1"})
    upload = world.halves.sent(world.service, data=b"patience" * 100)
    assert upload.complete(patience=0.0).status == HTTPStatus.ACCEPTED
    status = upload.status().json
    assert (status["state"], status.get("problem")) == ("finalizing", None)
    assert world.halves.staged() == [upload.session_id]
    world.between.always = lambda forward: forward()
    world.halves.oracle(upload)


def test_the_numbers_tell_of_attempts_and_of_the_oldest_that_waits(world: World) -> None:
    def number(name: str) -> float:
        text = exchange(world.metrics, "GET", "/metrics").body.decode()
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    failed, accepted = (f'upload_finalizations_total{{outcome="{it}"}}' for it in ("failed", "accepted"))
    before = number(failed), number(accepted)
    world.between.always = answer(503)
    upload = world.halves.sent(world.service, data=b"numbers" * 100)
    assert upload.complete(patience=0.0).status == HTTPStatus.ACCEPTED
    within(lambda: number(failed) > before[0], lambda: "no attempt was counted")
    assert number("upload_finalizing_oldest_seconds") > 0
    world.between.always = lambda forward: forward()
    world.halves.oracle(upload)
    within(lambda: number(accepted) == before[1] + 1, lambda: "its delivery was not counted")
    within(lambda: number("upload_finalizing_oldest_seconds") == 0, lambda: "it grows old")


def test_redirects_are_not_followed(world: World) -> None:
    with between(0) as elsewhere:
        world.between.plan = [answer(status, Location=elsewhere.url) for status in (301, 307, 308)]
        world.halves.oracle(world.halves.sent(world.service, data=b"elsewhere" * 100))
        assert elsewhere.heard == []


def test_a_refusal_is_final(world: World) -> None:
    upload = world.halves.sent(world.service, "no-image.png")
    refused = upload.complete()
    assert (refused.status, refused.code) == (HTTPStatus.UNPROCESSABLE_ENTITY, "content-rejected")
    assert upload.complete().body == refused.body
    assert upload.status().json["state"] == "rejected"
    within(lambda: world.halves.staged() == [], lambda: "the refused object is still staged")
    assert "no-image.png" not in [file["fileName"] for file in world.halves.files()]
    assert len(world.between.heard) == 1


def test_an_application_may_refuse_in_words_of_its_own(world: World) -> None:
    document = json.dumps({"code": "no-fridays", "detail": "Not on a Friday."}).encode()
    world.between.plan = [lambda _: Reply(422, document)]
    refused = world.halves.sent(world.service, data=b"friday" * 100).complete()
    assert (refused.status, refused.json["detail"]) == (422, "Not on a Friday.")


def test_the_staged_object_is_there_until_the_answer_is(world: World) -> None:
    seen: list[list[str]] = []

    def look_and_fail(_: object) -> Reply:
        seen.append(world.halves.staged())
        return HANG_UP

    def look_and_forward(forward: Any) -> Reply:
        reply: Reply = forward()
        seen.append(world.halves.staged())
        return reply

    world.between.plan = [look_and_fail, look_and_forward]
    upload = world.halves.sent(world.service, data=b"still there" * 100)
    world.halves.oracle(upload)
    assert seen == [[upload.session_id]] * 2


def test_the_message_is_what_the_specification_says(world: World) -> None:
    upload = world.halves.sent(world.service, "spec.bin", b"specification" * 100)
    world.halves.oracle(upload)
    (heard,) = world.between.heard
    _verify(heard, world.halves.keys["UPLOAD_CALLBACK_SECRETS"])
    message = json.loads(heard.body)
    assert message["type"] == "upload.completed"
    assert message["data"] == {
        "sessionId": upload.session_id,
        "owner": "demo",
        "stagedKey": f"staged/{upload.session_id}",
        "fileName": "spec.bin",
        "mimeType": "",
        "fileSize": len(upload.source),
        "fingerprint": "",
    }
    assert upload.session_id not in str(heard.headers), "ids of messages are logged; session ids are secrets"


def test_while_a_secret_changes_both_sign(world: World) -> None:
    old = world.halves.keys["UPLOAD_CALLBACK_SECRETS"]
    new = "whsec_" + base64.b64encode(b"n" * 32).decode()
    rotating = world.halves.service(environment={"UPLOAD_CALLBACK_SECRETS": f"{new} {old}"})
    upload = world.halves.sent(rotating, data=b"rotation" * 100)
    world.halves.oracle(upload)  # the application still knows the old one alone
    (heard,) = world.between.heard
    for secret in (old, new):
        _verify(heard, secret)
    rotating.close()


def test_a_secret_that_is_changed_in_flight_costs_a_retry_and_nothing_else(world: World) -> None:
    new = "whsec_" + base64.b64encode(b"m" * 32).decode()
    hasty = world.halves.service(environment={"UPLOAD_CALLBACK_SECRETS": new})
    world.service.signal_all(signal.SIGSTOP)  # or it would take over, with the secret that is known
    try:
        upload = world.halves.sent(hasty, data=b"hasty" * 100)
        assert upload.complete(patience=0.0).status == HTTPStatus.ACCEPTED
        assert world.between.answers[:1] == [HTTPStatus.UNAUTHORIZED]
    finally:
        hasty.close()
        world.service.signal_all(signal.SIGCONT)
    world.halves.oracle(
        Upload(world.service, upload.session_id, upload.source, upload.name, upload.chunk_size)
    )


def _verify(heard: Heard, secret: str) -> None:
    """Standard Webhooks, in our own words: the library that signed must not be the judge."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    stamp = heard.headers["webhook-timestamp"]
    assert abs(int(stamp) - time.time()) < 60
    signed = f"{heard.headers['webhook-id']}.{stamp}.".encode() + heard.body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert expected in heard.headers["webhook-signature"].split(" ")
