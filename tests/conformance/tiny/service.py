"""Level 4 on top of the tiny server: tickets, and an application that is called back.

One process plays both halves, so that it starts with one command; they share nothing but the staged file.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.tiny.server import (
    LINKS,
    ROUTES,
    Document,
    Handler,
    Problem,
    Reply,
    TinyServer,
    ensure,
    run,
    stamp,
)

ROUTES |= {"/tickets": {"POST": "give_ticket"}, "/internal/finalize": {"POST": "take_delivery"}}
PAUSES = (0.2, 0.5, 1, 2, 4)  # seconds between tries; a real service goes on for a day
TOLERANCE = 300


def sign(secret: str, message_id: str, sent_at: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{sent_at}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


class ServiceHandler(Handler):
    """The tiny server's requests, where level 4 differs."""

    server: TinyService

    def capabilities(self) -> Reply:
        status, document, headers = super().capabilities()
        assert isinstance(document, dict)
        document["claims"] = [*document["claims"], "tickets", "callback"]
        return status, document | {"level": 4, "links": LINKS | {"ticket": "/tickets"}}, headers

    def give_ticket(self) -> Reply:
        expires_at = stamp(self.server.ticket_life)
        text = base64.urlsafe_b64encode(json.dumps(["demo", expires_at]).encode()).decode()
        return 201, {"ticket": f"{text}.{self.server.seal(text)}", "expiresAt": expires_at}, {}

    def with_ticket(self, answer: Callable[[], Reply]) -> Reply:
        challenge = {"WWW-Authenticate": "Bearer"}
        sent = re.fullmatch(r"Bearer ([\w=-]+)\.([0-9a-f]{64})", self.headers.get("Authorization", ""))
        good = sent and hmac.compare_digest(self.server.seal(sent[1]), sent[2])
        ensure(good, 401, "unauthorized", "A ticket is needed.", headers=challenge)
        assert sent is not None
        fresh = json.loads(base64.urlsafe_b64decode(sent[1]))[1] > stamp()
        ensure(fresh, 401, "unauthorized", "The ticket has expired.", headers=challenge)
        return answer()

    def init(self) -> Reply:
        return self.with_ticket(super().init)

    def preflight(self) -> Reply:
        return self.with_ticket(super().preflight)

    def take_delivery(self) -> Reply:
        """The application's side: verified as bytes, answered once."""
        body = self.read_body() if 0 < self.length <= 64 << 10 else b""
        sent = {name: self.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")}
        wanted = sign(self.server.secret, sent["id"], sent["timestamp"], body)
        signed = any(hmac.compare_digest(wanted, s) for s in sent["signature"].split(" ") if s.isascii())
        ensure(signed, 401, "unauthorized", "This is not signed by the service.")
        timely = abs(float(sent["timestamp"]) - time.time()) <= TOLERANCE
        ensure(timely, 401, "unauthorized", "This is too old, or from the future.")
        told = json.loads(body)["data"]
        staged = re.fullmatch(r"staged/([\w-]{16,64})", told["stagedKey"], re.ASCII)
        ensure(staged and staged[1] == told["sessionId"], 400, "invalid-request", "That is not staged.")
        with self.server.deliveries:
            if sent["id"] not in self.server.answers:
                self.server.answers[sent["id"]] = self.server.accept(told)
            status, document = self.server.answers[sent["id"]]
        return status, document, {}

    def complete(self, session: Document) -> Reply:
        """The intent is stored and the file staged; the application's word is waited for, for a moment."""
        claim = self.json_body([], ["fingerprint"]).get("fingerprint") if self.length > 0 else None
        with self.server.lock:
            session = self.server.find_session(session["sessionId"])
            if session["state"] == "uploading":
                agree = claim is None or session["claim"] in (None, claim)
                ensure(agree, 400, "invalid-request", "Another fingerprint was claimed at init.")
                whole = session["uploadedBytes"] == session["fileSize"]
                ensure(whole, 409, "upload-incomplete", "Bytes are missing.")
                session = self.server.save(session, state="finalizing", claim=claim or session["claim"])
                self.server.stage(session)
                self.server.deliver(session)
        until = time.monotonic() + 0.5
        while session["state"] == "finalizing" and time.monotonic() < until:
            time.sleep(0.01)
            session = self.server.find_session(session["sessionId"])
        if session["state"] == "finalizing":
            return 202, {"state": "finalizing"}, {"Retry-After": "1"}
        if session["state"] == "rejected":
            raise Problem(422, **session["problem"])
        return 200, {name: session[name] for name in ("state", "file", "duplicate")}, {}

    def cancel(self, session: Document) -> Reply:
        with self.server.lock:
            session = self.server.find_session(session["sessionId"])
            ensure(session["state"] != "finalizing", 409, "wrong-state", "It is too late to cancel.")
            self.server.save(session, expiresAt="")
            self.server.collect()
        return 204, (), {}


class TinyService(TinyServer):
    """What is kept beside: staged files, and what the application has answered."""

    def __init__(self, port: int, data: Path, ttl: float, given: argparse.Namespace) -> None:
        self.deliveries, self.answers = threading.Lock(), dict[str, tuple[int, Document]]()
        self.secret, self.ticket_life = given.callback_secret, given.ticket_life
        self.key = secrets.token_bytes(32)
        (data / "staged").mkdir(parents=True, exist_ok=True)
        super().__init__(port, data, ttl)
        self.RequestHandlerClass = ServiceHandler
        self.application = given.callback_url or f"http://127.0.0.1:{self.server_port}/internal/finalize"
        for session in self.sessions.values():
            if session["state"] == "finalizing":  # what a crash has cut off
                self.stage(session)
                self.deliver(session)

    def seal(self, text: str) -> str:
        return hmac.digest(self.key, text.encode(), "sha256").hex()

    def stage(self, session: Document) -> None:
        """Out of the way of what tidies up after uploads; a crash may come before, so it can be repeated."""
        if self.path(session).exists():
            self.path(session).rename(self.data / "staged" / session["sessionId"])

    def deliver(self, session: Document) -> None:
        threading.Thread(target=self.call_until_answered, args=(session,), daemon=True).start()

    def call_until_answered(self, session: Document) -> None:
        staged = self.data / "staged" / session["sessionId"]
        told = {name: session[name] for name in ("sessionId", "fileName", "mimeType", "fileSize")}
        told |= {"stagedKey": f"staged/{session['sessionId']}", "fingerprint": session["claim"] or ""}
        event = {"type": "upload.completed", "timestamp": session["expiresAt"], "data": told}
        body, message_id = json.dumps(event).encode(), "msg_" + session["fileId"]
        for pause in (*PAUSES, *[60] * 1440):
            status, answer = self.call(message_id, body)
            if status == 200 and isinstance(answer, dict):
                duplicate = answer.pop("duplicate", False)
                self.end(session, staged, state="completed", file=answer, duplicate=duplicate)
                return
            if status == 422 and isinstance(answer, dict):
                problem = {"code": answer.get("code"), "detail": answer.get("detail")}
                self.end(session, staged, state="rejected", problem=problem)
                return
            time.sleep(pause)

    def call(self, message_id: str, body: bytes) -> tuple[int, Any]:
        """One delivery: the status and the JSON of the answer; 0 where there was none. Follows nothing."""
        sent_at, address = str(int(time.time())), urlsplit(self.application)
        headers = {"webhook-id": message_id, "webhook-timestamp": sent_at, "Content-Type": "application/json"}
        headers["webhook-signature"] = sign(self.secret, message_id, sent_at, body)
        with suppress(OSError, http.client.HTTPException, ValueError):
            connection = http.client.HTTPConnection(address.netloc, timeout=10)
            connection.request("POST", address.path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        return 0, None

    def end(self, session: Document, staged: Path, **result: Any) -> None:
        """The result first, then the staged file: a crash in between leaves only what nobody needs."""
        with self.lock:
            self.save(session, **result)
        staged.unlink(missing_ok=True)

    def accept(self, told: Document) -> tuple[int, Document]:
        """The application: its own copy, the tiny server's checks, its own record."""
        name = secrets.token_hex(16)
        session = {"sessionId": secrets.token_urlsafe(24), "fileId": name, "claim": None}
        session |= {member: told[member] for member in ("fileName", "fileSize", "mimeType")}
        with self.lock:
            shutil.copy(self.data / told["stagedKey"], self.data / "bytes" / name)
            done = self.finalize(session, told["fingerprint"] or None)
            self.save(done, expiresAt="")
        if done["state"] == "rejected":
            return 422, done["problem"]
        return 200, {**done["file"], "duplicate": done["duplicate"]}


def main() -> None:
    parser = argparse.ArgumentParser(description="A tiny upload service, and the application that it calls.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path, default=Path("tiny-data"))
    parser.add_argument("--ttl", type=float, default=86400, help="seconds a session lives without a chunk")
    parser.add_argument("--ticket-life", type=float, default=900, help="seconds a ticket is good for")
    parser.add_argument("--callback-url", help="call this address and not our own application")
    parser.add_argument("--callback-secret", default=base64.b64encode(secrets.token_bytes(32)).decode())
    given = parser.parse_args()
    run(TinyService(given.port, given.data, given.ttl, given))


if __name__ == "__main__":
    main()
