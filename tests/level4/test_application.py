"""What owners, operators and pages of other origins meet, at running halves."""

from __future__ import annotations

import hashlib
import io
import json
from http import HTTPStatus
from typing import Any, Final

import pytest
from click.testing import CliRunner
from PIL import Image

from shared.cli import main
from tests.faults.faulty import at_once
from tests.level4.conftest import World
from tests.level4.go_between import answer
from tests.level4.halves import free_port, init, within
from tests.raw_http import Answer, exchange

pytestmark = pytest.mark.xdist_group("level 4's application")

QUOTA: Final = 100_000


def picture() -> bytes:
    """A PNG of 800 × 600 pixels."""
    stored = io.BytesIO()
    Image.effect_noise((800, 600), 60).save(stored, "PNG")
    return stored.getvalue()


def preflight(port: int, data: bytes, ticket: str) -> Answer:
    asked = {"fingerprint": hashlib.sha256(data).hexdigest(), "fileSize": len(data)}
    headers = [("Content-Type", "application/json"), ("Authorization", f"Bearer {ticket}")]
    return exchange(port, "POST", "/upload/preflight", headers, json.dumps(asked).encode())


def test_owners_do_not_see_each_other(world: World) -> None:
    data = b"ann's own bytes " * 100
    ann, bob = (world.halves.application("--demo-owner", name, port=free_port()) for name in ("ann", "bob"))
    tickets = {server.port: world.halves.ticket(server.port) for server in (ann, bob)}
    upload = world.halves.sent(world.service, "hers.bin", data, ticket=tickets[ann.port])
    file = upload.complete().json["file"]
    for port, sees in ((ann.port, True), (bob.port, False)):
        assert preflight(port, data, tickets[port]).json["exists"] is sees
        listed = [each["fileId"] for each in exchange(port, "GET", "/files").json["files"]]
        assert (file["fileId"] in listed) is sees
        for path in ("", "/content"):
            status = exchange(port, "GET", f"/files/{file['fileId']}{path}").status
            assert status == (HTTPStatus.OK if sees else HTTPStatus.NOT_FOUND)
    # Bob brings the same bytes: a record of his own, and no word of hers.
    his = world.halves.sent(world.service, "his.bin", data, ticket=tickets[bob.port]).complete().json
    assert (his["duplicate"], his["file"]["fileName"]) == (False, "his.bin")
    assert his["file"]["fileId"] != file["fileId"]
    for server in (ann, bob):
        server.close()


def test_the_quota_is_reserved_when_an_upload_begins(world: World) -> None:
    carl = world.halves.application("--demo-owner", "carl", "--owner-quota", str(QUOTA), port=free_port())
    ticket = world.halves.ticket(carl.port)
    wish = {"fileName": "third.bin", "fileSize": QUOTA // 3}
    answers = at_once(*(lambda: init(world.service, wish, ticket) for _ in range(8)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [HTTPStatus.CREATED] * 3 + [HTTPStatus.INSUFFICIENT_STORAGE] * 5
    assert {answer.code for answer in answers if answer.status != HTTPStatus.CREATED} == {
        "insufficient-storage"
    }
    carl.close()


def test_what_is_finished_counts_as_well(world: World) -> None:
    dora = world.halves.application("--demo-owner", "dora", "--owner-quota", str(QUOTA), port=free_port())
    world.between.target = dora.port
    ticket = world.halves.ticket(dora.port)
    first, second = (
        world.halves.sent(world.service, f"{n}.bin", bytes([n]) * (QUOTA * 2 // 5), ticket=ticket)
        for n in (1, 2)
    )
    for upload in (first, second):
        assert upload.complete().status == HTTPStatus.OK
    # The old ticket still promises the whole quota; the application knows better.
    third = world.halves.sent(world.service, "3.bin", b"\3" * (QUOTA * 2 // 5), ticket=ticket)
    assert third.complete(patience=0.0).status == HTTPStatus.ACCEPTED
    assert HTTPStatus.INSUFFICIENT_STORAGE in world.between.answers
    dora.close()


def test_a_thumbnail_is_made_after_the_record_and_shown_to_its_owner(world: World) -> None:
    file = world.halves.sent(world.service, "noise.png", picture()).complete().json["file"]
    path = f"/files/{file['fileId']}/thumbnail"
    within(
        lambda: exchange(world.application.port, "GET", path).status == HTTPStatus.OK, lambda: "no thumbnail"
    )
    shown = exchange(world.application.port, "GET", path)
    assert shown.header("content-type") == "image/jpeg"
    assert shown.header("x-content-type-options") == "nosniff"
    with Image.open(io.BytesIO(shown.body)) as small:
        assert small.size == (320, 240)


def test_a_picture_that_cannot_be_read_hurts_nothing(world: World) -> None:
    upload = world.halves.sent(world.service, "broken.png", picture()[:2000])
    file = upload.complete().json["file"]
    assert file["mimeType"] == "image/png"
    log = world.application.log
    within(lambda: file["fileId"] in log.read_text(), lambda: "nobody tried to make a thumbnail")
    answer = exchange(world.application.port, "GET", f"/files/{file['fileId']}/thumbnail")
    assert (answer.status, answer.code) == (HTTPStatus.NOT_FOUND, "file-not-found")
    assert upload.status().json["state"] == "completed"


def test_an_operator_sees_what_waits_and_sends_it_again(world: World) -> None:
    world.between.always = answer(503, **{"Retry-After": "600"})
    upload = world.halves.sent(world.service, data=b"waiting " * 100)
    assert upload.complete(patience=0.0).status == HTTPStatus.ACCEPTED
    within(lambda: bool(world.between.heard), lambda: "never called")
    data = str(world.halves.folder / "data")

    def command(*words: str) -> str:
        ended = CliRunner().invoke(main, ["callbacks", "--data", data, *words])
        assert ended.exit_code == 0, ended.output
        return ended.output

    def waiting() -> Any:
        """This upload's line; other tests' uploads may wait in the same world."""
        lines = map(json.loads, command("list", "--json").splitlines())
        return next((line for line in lines if line["sessionId"] == upload.session_id), {"tries": 0})

    within(lambda: waiting()["tries"] == 1, lambda: command("list"))
    assert waiting()["lastFailure"] == "The application answered 503."
    assert upload.session_id in command("list")
    assert command("list", "--stalled") == "Nothing waits.\n"
    world.between.always = lambda forward: forward()
    assert command("retry", upload.session_id) == "1 of 1 will be tried again now.\n"
    world.halves.oracle(upload)
    assert waiting()["tries"] == 0
    assert CliRunner().invoke(main, ["callbacks", "--data", data, "retry", "nobody"]).exit_code == 1
    assert CliRunner().invoke(main, ["callbacks", "--data", data, "retry"]).exit_code == 2


def test_a_page_of_the_application_may_upload_and_no_other(world: World) -> None:
    ours = f"http://127.0.0.1:{world.halves.application_port}"
    asked = [
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "x-upload-offset,content-type,content-digest,authorization"),
    ]
    for path in ("/upload", "/upload/init", f"/upload/{'A' * 32}"):
        may = exchange(world.service.port, "OPTIONS", path, [("Origin", ours), *asked])
        assert may.header("access-control-allow-origin") == ours
        assert "PUT" in (may.header("access-control-allow-methods") or "")
        allowed = (may.header("access-control-allow-headers") or "").lower()
        assert {"x-upload-offset", "content-type", "authorization"} <= set(
            allowed.replace(" ", "").split(",")
        )
        assert may.header("access-control-max-age") == "7200", "or every chunk costs a second round trip"
        assert may.header("access-control-allow-credentials") is None
    seen = exchange(world.service.port, "GET", "/upload", [("Origin", ours)])
    exposed = (seen.header("access-control-expose-headers") or "").lower()
    assert {"x-upload-offset", "location", "retry-after"} <= set(exposed.replace(" ", "").split(","))
    for foreign in ("https://elsewhere.example", f"{ours}.elsewhere.example", "null", "http://127.0.0.1:1"):
        for method in ("OPTIONS", "GET", "POST"):
            got = exchange(world.service.port, method, "/upload/init", [("Origin", foreign), *asked])
            granted = [name for name, _ in got.headers if name.startswith("access-control-")]
            assert granted == [], (foreign, method)
            assert "Origin" in (got.header("vary") or "")
        refused = init_from(world, foreign)
        assert (refused.status, refused.code) == (HTTPStatus.FORBIDDEN, "foreign-origin")


def init_from(world: World, origin: str) -> Answer:
    headers = [("Content-Type", "application/json"), ("Origin", origin)]
    headers.append(("Authorization", f"Bearer {world.halves.ticket()}"))
    return exchange(world.service.port, "POST", "/upload/init", headers, b'{"fileName": "a", "fileSize": 1}')
