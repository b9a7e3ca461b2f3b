"""PROTOCOL.md, section `tickets`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from tests.conformance.case import MUST, SHOULD, NotApplicable, Section, Violation
from tests.conformance.expect import expect, require, shown
from tests.conformance.forms import fingerprint
from tests.conformance.messages import Answer
from tests.conformance.target import Target
from tests.conformance.tickets import expiry_of, ticket_of
from tests.conformance.ways import drop, variant

SECTION: Final = Section("tickets", claim="tickets")

LONGEST_WAIT: Final = 15.0
NO_TICKET: Final = {"Authorization": ""}

Ask = Callable[[dict[str, str]], Answer]


def fresh_ticket(target: Target) -> str:
    """A ticket of this case's own.

    Raises:
        Violation
    """
    answer = target.ask_ticket()
    expect(answer, status=201)
    text = ticket_of(answer)
    require(text, "a ticket, as text", shown(answer.json.get("ticket")))
    return text


def admitted_requests(target: Target) -> dict[str, Ask]:
    """The requests that want a ticket: the headers → the answer."""
    data = target.blob(100)
    document = {"fileName": "ticket.bin", "fileSize": len(data)}
    asks: dict[str, Ask] = {
        "init": lambda fields: _post(target, f"{target.upload_path}/init", document, fields)
    }
    if "dedup" in target.claims:
        asked = {"fingerprint": fingerprint(data), "fileSize": len(data)}
        asks["preflight"] = lambda fields: _post(target, target.link("preflight"), asked, fields)
    return asks


def _post(target: Target, path: str, document: object, fields: dict[str, str]) -> Answer:
    bare = target.without_ticket()
    return bare.post_json(path, document, {name: value for name, value in fields.items() if value})


@SECTION.case(
    "issued",
    MUST,
    "`POST` to `links.ticket` answers 201 with `ticket` and `expiresAt`, and is not to be stored.",
)
def issued(target: Target) -> None:
    answer = target.ask_ticket()
    expect(answer, status=201)
    require(ticket_of(answer), "a ticket, as ASCII text", shown(answer.json.get("ticket")))
    require(expiry_of(answer) > time.time(), "expiresAt in the future", shown(answer.json.get("expiresAt")))
    kept = answer.header("Cache-Control") or ""
    require("no-store" in kept, "Cache-Control: no-store", shown(kept))
    for what, ask in admitted_requests(target).items():
        with variant(f"{what} with the new ticket"):
            answer = ask({"Authorization": f"Bearer {fresh_ticket(target)}"})
            expect(answer, status=201 if what == "init" else 200)


@SECTION.case("required", MUST, "init and preflight without a ticket are 401 `unauthorized`.")
def required(target: Target) -> None:
    ticket = fresh_ticket(target)
    for what, ask in admitted_requests(target).items():
        for how, value in (
            ("no Authorization", ""),
            ("an empty ticket", "Bearer "),
            ("another scheme", f"Basic {ticket}"),
            ("the ticket and no scheme", ticket),
        ):
            with variant(f"{what}, {how}"):
                expect(ask({"Authorization": value}), status=401, code="unauthorized")


@SECTION.case("forged", MUST, "A ticket that the application did not hand out is 401 `unauthorized`.")
def forged(target: Target) -> None:
    ticket = fresh_ticket(target)
    middle = len(ticket) // 3
    other = "A" if ticket[middle] != "A" else "B"
    for what, ask in admitted_requests(target).items():
        for how, text in (
            ("something else", "ticket"),
            ("its end cut off", ticket[:-4]),
            ("something behind it", ticket + "AAAA"),
            ("another character within", ticket[:middle] + other + ticket[middle + 1 :]),
            ("its first half", ticket[: len(ticket) // 2]),
            ("a very long one", "A" * 6000),
        ):
            with variant(f"{what}, {how}"):
                expect(ask({"Authorization": f"Bearer {text}"}), status=401, code="unauthorized")


@SECTION.case("expired", MUST, "A ticket whose `expiresAt` has passed is 401 `unauthorized`.", needs=["ttl"])
def expired(target: Target) -> None:
    answer = target.ask_ticket()
    expect(answer, status=201)
    left = expiry_of(answer) - time.time()
    if left > LONGEST_WAIT:
        raise NotApplicable(f"the ticket lives for another {left:.0f} s; let it be as short as the sessions")
    time.sleep(max(0.0, left) + 1.1)
    for what, ask in admitted_requests(target).items():
        with variant(what):
            expect(ask({"Authorization": f"Bearer {ticket_of(answer)}"}), status=401, code="unauthorized")


@SECTION.case("not-needed", MUST, "Every other request is allowed by the session id alone.")
def not_needed(target: Target) -> None:
    upload, bare = target.begin(), target.without_ticket()
    with variant("all chunks, the status and complete, without a ticket"):
        bare.put_chunks(upload)
        bare.expect_offset(upload, len(upload.data))
        expect(bare.complete(upload), status=200, state="completed")
    if "cancel" in target.claims:
        with variant("cancel, without a ticket"):
            upload = target.begin()
            expect(bare.cancel(upload), status=204)
    drop(target, upload)


@SECTION.case("challenge", SHOULD, "The 401 says what is wanted: `WWW-Authenticate: Bearer`.")
def challenge(target: Target) -> None:
    answer = next(iter(admitted_requests(target).values()))({})
    expect(answer, status=401)
    said = answer.header("WWW-Authenticate") or ""
    if not said.lower().startswith("bearer"):
        raise Violation("WWW-Authenticate: Bearer", shown(said))
