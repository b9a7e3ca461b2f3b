"""PROTOCOL.md, section `callback`.

What an application takes is asked of the application itself; what a service sends is heard by the suite,
which plays the application (the hook `application`). The two meet where a message that was really sent is
delivered by the suite, more often than once.
"""

from __future__ import annotations

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urljoin

from tests.conformance.case import MUST, Section, Violation
from tests.conformance.expect import expect, require, same, shown
from tests.conformance.forms import fingerprint
from tests.conformance.messages import Answer
from tests.conformance.stand_in import PATH, Delivery, Reply, StandIn, a_file, signature
from tests.conformance.target import Target, Upload
from tests.conformance.ways import variant

SECTION: Final = Section("callback", claim="callback")
PLAYED: Final = ("application",)
PATIENCE: Final = 12.0
"""Seconds within which a service comes again after a failure or two."""

MEMBERS: Final = ("sessionId", "stagedKey", "fileName", "mimeType", "fileSize", "fingerprint")


def deliver(target: Target, body: bytes, headers: dict[str, str]) -> Answer:
    """POST a message to the application."""
    fields = {"Content-Type": "application/json"} | headers
    return target.request("POST", urljoin(target.link("ticket"), PATH), body=body, headers=fields)


def sealed(stand_in: StandIn, body: bytes, message_id: str, age: float = 0.0) -> dict[str, str]:
    """The headers of a message, signed ``age`` seconds ago."""
    stamp = str(int(time.time() - age))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": signature(stand_in.secret, message_id, stamp, body),
    }


def a_message(target: Target, **data: Any) -> bytes:
    """A message about an upload that does not exist."""
    session = secrets.token_urlsafe(24)
    told: dict[str, Any] = {
        "sessionId": session,
        "stagedKey": f"staged/{session}",
        "fileName": "callback.bin",
        "owner": "",
    }
    told |= {
        "fileName": "callback.bin",
        "mimeType": "",
        "fileSize": 10,
        "fingerprint": fingerprint(target.blob(10)),
    }
    event = {"type": "upload.completed", "timestamp": "2020-02-02T20:20:20Z", "data": told | data}
    return json.dumps(event).encode()


def sent_up(target: Target, *replies: Reply) -> tuple[Upload, StandIn]:
    """An upload with all its bytes at the service, and the plan for its callbacks."""
    upload, stand_in = target.begin(), played(target)
    stand_in.plan(upload.session_id, *replies)
    target.put_chunks(upload)
    return upload, stand_in


def played(target: Target) -> StandIn:
    """The application that the suite plays."""
    assert target.hooks.application is not None, "the case needs it"
    return target.hooks.application


def heard(stand_in: StandIn, upload: Upload, count: int) -> list[Delivery]:
    """At least ``count`` deliveries.

    Raises:
        Violation
    """
    found = stand_in.wait_for(upload.session_id, count, PATIENCE)
    require(len(found) >= count, f"{count} callbacks within {PATIENCE:.0f} s", f"{len(found)}")
    return found


@SECTION.case(
    "verified",
    MUST,
    "The application answers what is not validly signed with 401 `unauthorized`, and does nothing.",
)
def verified(target: Target) -> None:
    body, now = a_message(target), str(int(time.time()))
    good = {"webhook-id": "msg_1", "webhook-timestamp": now, "webhook-signature": "v1," + "A" * 43 + "="}
    for what, sent, headers in (
        ("no signature", body, {}),
        ("a signature of zeros", body, good),
        ("an unknown version", body, good | {"webhook-signature": "v0,AAAA"}),
        ("no base64", body, good | {"webhook-signature": "v1,%%%"}),
        ("a list of nothing", body, good | {"webhook-signature": ",, ,"}),
        ("no time", body, good | {"webhook-timestamp": "now"}),
        ("no JSON, unsigned", b"{", {}),
        ("no text, unsigned", b"\xff\xfe", good),
    ):
        with variant(what):
            expect(deliver(target, sent, headers), status=401, code="unauthorized")


@SECTION.case(
    "timely",
    MUST,
    "A signature more than five minutes old, or ahead, is 401 `unauthorized`.",
    needs=PLAYED,
)
def timely(target: Target) -> None:
    body, stand_in = a_message(target), played(target)
    for age in (600.0, -600.0):
        with variant(f"{age:.0f} seconds old"):
            answer = deliver(target, body, sealed(stand_in, body, f"msg_{secrets.token_hex(8)}", age))
            expect(answer, status=401, code="unauthorized")


@SECTION.case(
    "staging-only",
    MUST,
    "The application reads staged objects only: any other `stagedKey` is 400 `invalid-request`.",
    needs=PLAYED,
)
def staging_only(target: Target) -> None:
    stand_in, session = played(target), secrets.token_urlsafe(24)
    for key in (f"files/{session}", f"staged/../{session}", f"/staged/{session}", "../../etc/passwd", ""):
        with variant(f"stagedKey {key!r}"):
            body = a_message(target, sessionId=session, stagedKey=key)
            answer = deliver(target, body, sealed(stand_in, body, f"msg_{secrets.token_hex(8)}"))
            expect(answer, status=400, code="invalid-request")


@SECTION.case(
    "once",
    MUST,
    "A message makes one record and has one answer, however often and concurrently it is delivered.",
    needs=PLAYED,
)
def once(target: Target) -> None:
    upload, stand_in = sent_up(target, Reply(503))
    target.request("POST", f"{upload.path}/complete")
    message = heard(stand_in, upload, 1)[0]
    # The id that the service chose; the time is ours, because the case may have waited.
    headers = sealed(stand_in, message.body, message.headers["webhook-id"])
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: deliver(target, message.body, headers), range(4)))
    answers.append(deliver(target, message.body, headers))
    for answer in answers:
        expect(answer, status=200, fingerprint=fingerprint(upload.data))
        same(answer.json, answers[0].json, "the answer to a repeated delivery")
    if "files" in target.claims:
        digest = fingerprint(upload.data)
        count = [file.get("fingerprint") for file in target.all_files()].count(digest)
        same(count, 1, "the number of records")
    stand_in.plan(upload.session_id, Reply(200, answers[0].json))


@SECTION.case(
    "signed",
    MUST,
    "The service signs after Standard Webhooks and says what was uploaded.",
    needs=PLAYED,
)
def signed(target: Target) -> None:
    upload, stand_in = sent_up(target)
    expect(target.complete(upload), status=200)
    message = heard(stand_in, upload, 1)[0]
    require(
        stand_in.is_signed(message), "a valid webhook-signature of about now", shown(dict(message.headers))
    )
    require(message.headers.get("webhook-id"), "a webhook-id", "none")
    same(message.message.get("type"), "upload.completed", "type")
    for name in MEMBERS:
        require(name in message.data, f"data.{name}", shown(message.data))
    same(message.data.get("fileSize"), len(upload.data), "data.fileSize")
    same(message.data.get("fileName"), "case.bin", "data.fileName")


@SECTION.case(
    "yes",
    MUST,
    "200 FILE completes the upload with that FILE; until then it is `finalizing`.",
    needs=PLAYED,
)
def yes(target: Target) -> None:
    upload, stand_in = sent_up(target, Reply(503))
    expect(target.request("POST", f"{upload.path}/complete"), status=202, state="finalizing")
    expect(target.status(upload), status=200, state="finalizing")
    file = a_file(heard(stand_in, upload, 1)[0])
    stand_in.plan(upload.session_id, Reply(200, file))
    expect(target.complete(upload), status=200, state="completed")
    told = target.complete(upload).json.get("file")
    require(isinstance(told, dict), "FILE in the answer to complete", shown(told))
    for name in ("fileId", "fileName", "fileSize", "mimeType", "fingerprint"):
        same(told and told.get(name), file[name], f"{name} of the application's FILE")


@SECTION.case(
    "no", MUST, "422 rejects the upload with the application's code and detail, and is final.", needs=PLAYED
)
def no(target: Target) -> None:
    problem = {"code": "content-rejected", "detail": "Not this one.", "status": 422}
    upload, stand_in = sent_up(target, Reply(422, problem))
    for _ in range(2):
        answer = target.complete(upload)
        expect(answer, status=422, code="content-rejected", detail="Not this one.")
    expect(target.status(upload), status=200, state="rejected")
    time.sleep(2)
    same(len(stand_in.heard(upload.session_id)), 1, "the number of callbacks")


@SECTION.case(
    "repeated",
    MUST,
    "Any other answer, or none, is no answer: the same message comes again under the same `webhook-id`.",
    needs=PLAYED,
)
def repeated(target: Target) -> None:
    for what, failure in (("500", Reply(500)), ("no answer", Reply(0)), ("200 and no FILE", Reply(200, []))):
        with variant(what):
            upload, stand_in = sent_up(target, failure, Reply(404))
            target.request("POST", f"{upload.path}/complete")
            messages = heard(stand_in, upload, 2)
            stand_in.plan(upload.session_id, Reply(200, a_file(messages[0])))
            expect(target.complete(upload), status=200, state="completed")
            messages = stand_in.heard(upload.session_id)
            same(len({m.headers.get("webhook-id") for m in messages}), 1, "the number of webhook-ids")
            same(len({m.body for m in messages}), 1, "the number of different messages")


@SECTION.case("no-redirect", MUST, "The service follows no redirect.", needs=PLAYED)
def no_redirect(target: Target) -> None:
    for status in (302, 307, 308):
        with variant(f"{status}"):
            location = {"Location": f"http://127.0.0.1:{played(target).server_address[1]}/elsewhere"}
            upload, stand_in = sent_up(target, Reply(status, None, location))
            target.request("POST", f"{upload.path}/complete")
            heard(stand_in, upload, 1)
            time.sleep(0.5)
            if any(d.headers.get("x-path") == "/elsewhere" for d in stand_in.heard(upload.session_id)):
                raise Violation("nobody at the address of the redirect", "the service")
            state = target.status(upload).json.get("state")
            same(state, "finalizing", "the state after a redirect, which is no answer")
            stand_in.plan(upload.session_id, Reply(200, a_file(stand_in.heard(upload.session_id)[0])))
