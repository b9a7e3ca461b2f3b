"""A whole upload server in one file of Python's standard library: PROTOCOL.md, level 2. Copy it and go on.

It reads in the order of the protocol: the grammar, the requests, what is kept, and the HTTP that carries it.
"""

from __future__ import annotations

import argparse
import base64
import errno
import hashlib
import json
import os
import re
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

Document = dict[str, Any]
Reply = tuple[int, Document | Iterable[bytes], dict[str, str]]

CLAIMS = ["chunked", "resume", "integrity", "finalize", "dedup", "cancel", "expiry", "shutdown", "files"]
CLAIMS += ["durable-sessions"]
LINKS = {"upload": "/upload", "files": "/files", "preflight": "/upload/preflight", "ticket": None}
CHUNK_SIZE = {"minimum": 1 << 10, "default": 256 << 10, "maximum": 1 << 20}
MAX_FILE_SIZE, MOST_CHUNKS, MOST_SESSIONS = 1 << 30, 10_000, 200
SILENCE, GRACE = 8.0, 4.0  # seconds: for a client that says nothing, and for requests in flight at SIGTERM
ROUTES = {
    "/upload": {"GET": "capabilities"},
    "/upload/init": {"POST": "init"},
    "/upload/preflight": {"POST": "preflight"},
    "/upload/(?P<session>[^/]+)": {"PUT": "chunk", "GET": "status", "DELETE": "cancel"},
    "/upload/(?P<session>[^/]+)/complete": {"POST": "complete"},
    "/files": {"GET": "list_files"},
    "/files/(?P<file>[^/]+)": {"GET": "one_file"},
    "/files/(?P<file>[^/]+)/content": {"GET": "content"},
}
PRIVATE = ("claim", "fileId", "duplicate")  # members of a session that nobody is shown
OCTETS = "application/octet-stream"
SIGNATURES = {  # of each type: what the names that claim it end in, and how the bytes of such a file begin
    "image/jpeg": ((".jpg", ".jpeg"), rb"\xff\xd8\xff"),
    "image/png": ((".png",), rb"\x89PNG\r\n\x1a\n"),
    "image/gif": ((".gif",), rb"GIF8[79]a"),
    "application/pdf": ((".pdf",), rb"%PDF-"),
    "application/zip": ((".zip",), rb"PK(\x03\x04|\x05\x06)"),
    "video/mp4": ((".mp4",), rb"(?s:.{4})ftyp"),
}


def base_name(text: str) -> str | None:
    """What follows the last slash (a name is no path), if that is 1 to 255 bytes and nothing invisible."""
    name = re.split(r"[/\\]", text)[-1]
    if re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", name):  # JSON can also say half a character
        return None
    return name if 1 <= len(name.encode()) <= 255 and name not in (".", "..") else None


def stamp(later: float = 0.0) -> str:
    """The time in RFC 3339; always of one length, so that two of these compare as their times do."""
    return datetime.fromtimestamp(time.time() + later, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


MEMBERS: dict[str, tuple[type, Callable[[Any], object], str]] = {  # of JSON bodies; true is no int here
    "fileName": (str, base_name, "must have 1 to 255 bytes and no control characters"),
    "fileSize": (int, lambda size: 0 <= size < 1 << 63, "must be a number of bytes"),
    "mimeType": (str, re.compile("[ -~]{0,255}").fullmatch, "must have at most 255 ASCII characters"),
    "fingerprint": (str, re.compile("[0-9a-f]{64}").fullmatch, "must be a SHA-256 in lower-case hex"),
    "chunkSize": (int, lambda size: 1 <= size < 1 << 63, "must be a number of bytes"),
}


class Problem(Exception):
    """An answer that is an error: status, problem document (RFC 9457), headers."""

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        title, headers = BaseHTTPRequestHandler.responses[status][0], more.pop("headers", {})
        document = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
        super().__init__(status, document | more, headers)


def ensure(holds: object, status: int, code: str, detail: str, **more: Any) -> None:
    """Go on if it holds, else answer with this problem."""
    if not holds:
        raise Problem(status, code, detail, **more)


class Handler(BaseHTTPRequestHandler):
    """One connection. Each request of the protocol is a method that ensures, and then answers."""

    server: TinyServer

    def capabilities(self) -> Reply:
        sizes = {"maxFileSize": MAX_FILE_SIZE, "chunkSize": CHUNK_SIZE, "sessionTtl": self.server.ttl}
        return 200, {"protocol": 1, "level": 2, "claims": CLAIMS, "links": LINKS, **sizes}, {}

    def init(self) -> Reply:
        asked = self.json_body(["fileName", "fileSize"], ["mimeType", "fingerprint", "chunkSize"])
        size, wish = asked["fileSize"], asked.get("chunkSize", CHUNK_SIZE["default"])
        ensure(size <= MAX_FILE_SIZE, 413, "file-too-large", f"A file has at most {MAX_FILE_SIZE:,} bytes.")
        clamped = min(max(wish, CHUNK_SIZE["minimum"]), CHUNK_SIZE["maximum"])
        told = {"sessionId": secrets.token_urlsafe(24), "uploadedBytes": 0, "fileSize": size}
        told["chunkSize"] = max(clamped, -(-size // MOST_CHUNKS))
        session = told | {"fileName": base_name(asked["fileName"]), "mimeType": asked.get("mimeType", "")}
        session |= {"state": "uploading", "claim": asked.get("fingerprint"), "fileId": secrets.token_hex(16)}
        told["expiresAt"] = self.server.begin(session)["expiresAt"]
        return 201, told, {"Location": f"/upload/{told['sessionId']}"}

    def chunk(self, session: Document) -> Reply:
        """Everything is checked before a byte is read, and every byte is read before one is stored."""
        left = session["fileSize"] - self.agreed_offset(session)
        self.ensure_media_type(OCTETS)
        ensure(self.length >= 0, 411, "length-required", "A chunk needs its Content-Length.")
        ensure(self.length > 0, 400, "empty-chunk", "A chunk has at least one byte.")
        ensure(self.length <= left, 413, "exceeds-declared-size", f"Only {left:,} bytes are missing.")
        ensure(self.length == min(left, session["chunkSize"]), 400, "wrong-chunk-size", "See chunkSize.")
        digest = re.search(r"(?:^|,)\s*sha-256=([^,]*)", ",".join(self.headers.get_all("Content-Digest", [])))
        formed = digest is None or re.fullmatch(":[A-Za-z0-9+/]{43}=:[ \t]*", digest[1])
        ensure(formed, 400, "invalid-request", "Content-Digest: sha-256 is no SHA-256 between colons.")
        body = self.read_body()  # no lock is held: who stalls here stalls alone
        found = base64.b64encode(hashlib.sha256(body).digest()).decode()
        ensure(digest is None or found in digest[1], 400, "checksum-mismatch", "Other bytes arrived.")
        with self.server.lock:  # while the body was on its way, another may have taken the turn
            session = self.server.find_session(session["sessionId"])
            session = self.server.append(session, self.agreed_offset(session), body)
        return 200, {"uploadedBytes": session["uploadedBytes"]}, {}

    def agreed_offset(self, session: Document) -> int:
        """The handshake: both sides name the same next byte, or nothing happens."""
        ensure(session["state"] == "uploading", 409, "wrong-state", f"The upload is {session['state']}.")
        sent = ",".join(self.headers.get_all("x-upload-offset", [])).strip(" \t")
        number = re.fullmatch("0|[1-9][0-9]{0,18}", sent)  # int() alone would take "+5" and "5_0"
        ensure(number, 400, "invalid-offset", "x-upload-offset is one plain number, sent once.")
        ensure(int(sent) == session["uploadedBytes"], 409, "offset-mismatch", "Go on from uploadedBytes.")
        return int(sent)

    def status(self, session: Document) -> Reply:
        return 200, {name: session[name] for name in session if name not in PRIVATE}, {}

    def complete(self, session: Document) -> Reply:
        claim = self.json_body([], ["fingerprint"]).get("fingerprint") if self.length > 0 else None
        with self.server.lock:  # of two that ask at once, the second finds what the first has done
            session = self.server.find_session(session["sessionId"])
            if session["state"] == "uploading":
                agree = claim is None or session["claim"] in (None, claim)
                ensure(agree, 400, "invalid-request", "Another fingerprint was claimed at init.")
                whole = session["uploadedBytes"] == session["fileSize"]
                ensure(whole, 409, "upload-incomplete", "Bytes are missing.")
                session = self.server.finalize(session, claim or session["claim"])
        if session["state"] == "rejected":
            raise Problem(422, **session["problem"])
        return 200, {name: session[name] for name in ("state", "file", "duplicate")}, {}

    def preflight(self) -> Reply:
        asked = self.json_body(["fingerprint", "fileSize"])
        file = self.server.find_bytes(asked["fingerprint"], asked["fileSize"])
        return 200, {"exists": True, "file": file} if file else {"exists": False}, {}

    def cancel(self, session: Document) -> Reply:
        with self.server.lock:
            self.server.save(session, expiresAt="")
            self.server.collect()
        return 204, (), {}

    def list_files(self) -> Reply:
        query, newest = parse_qs(self.path.partition("?")[2]), self.server.files[::-1]
        limit, after = query.get("limit", ["50"])[-1], query.get("after", [""])[-1]
        ensure(re.fullmatch("[1-9][0-9]{0,8}", limit), 400, "invalid-request", "limit is a number from 1 on.")
        places = {"": 0} | {file["fileId"]: place for place, file in enumerate(newest, 1)}
        ensure(after in places, 400, "invalid-request", "after is the next of another page.")
        rest = newest[places[after] :]
        page = rest[: min(int(limit), 500)]
        return 200, {"files": page, "next": page[-1]["fileId"] if len(page) < len(rest) else None}, {}

    def one_file(self, file: Document) -> Reply:
        return 200, file, {}

    def content(self, file: Document) -> Reply:
        size, etag = file["fileSize"], f'"{file["fingerprint"]}"'
        plain, real = re.sub(r'[^ -~]|["\\%]', "_", file["fileName"]), quote(file["fileName"], "")
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": file["mimeType"]}
        headers["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{real}"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        if etag in self.headers.get("If-None-Match", ""):
            return 304, (), headers
        status, start, stop = 200, 0, size
        wanted = re.fullmatch("bytes=([0-9]{1,99})?-([0-9]{1,99})?", self.headers.get("Range", ""))
        if wanted and wanted[0] != "bytes=-" and self.headers.get("If-Range", etag) == etag:
            start = int(wanted[1]) if wanted[1] else max(0, size - int(wanted[2]))
            stop = min(size, int(wanted[2]) + 1) if wanted[1] and wanted[2] else size
            nowhere = {"Content-Range": f"bytes */{size}"}
            ensure(start < stop, 416, "range-not-satisfiable", f"It has {size:,} bytes.", headers=nowhere)
            status, headers["Content-Range"] = 206, f"bytes {start}-{stop - 1}/{size}"
        headers["Content-Length"] = str(stop - start)
        return status, self.server.read(file, start, stop), headers

    # HTTP, from here to the end of the class: what a framework would bring, as strict as the protocol.

    protocol_version = default_request_version = "HTTP/1.1"
    server_version, sys_version = "tiny", ""  # nobody need know which Python this is
    timeout, disable_nagle_algorithm = SILENCE, True
    session_id, length, unread = "", -1, 0

    def respond(self) -> None:
        """One request, whatever comes of it."""
        self.session_id, self.unread = "", 1
        self.server.busy.add(self)
        try:
            try:
                method, named = self.route()
                reply = getattr(self, method)(*named)
            except Problem as problem:
                reply = problem.args
            except OSError as error:  # of the disk; those of the connection are met where it is read
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                status, code = (507, "insufficient-storage") if full else (503, "storage-unavailable")
                reply = Problem(status, code, "Nothing is lost; try again.").args
            self.send(*reply)
        finally:
            self.server.busy.discard(self)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = respond  # noqa: N815

    def route(self) -> tuple[str, list[Document]]:
        """The method that answers, with the session or file that the path names. Checks the head."""
        ensure(not self.server.stopping, 503, "storage-unavailable", "The server is about to leave.")
        path, named, methods, known = self.path.partition("?")[0], {}, {}, []
        for pattern, allowed in ROUTES.items():
            if match := re.fullmatch(pattern, path):
                named, methods = match.groupdict(), allowed
                break
        ensure(methods, 404, "not-found", "There is nothing at this address.")
        if "session" in named:
            known = [self.server.find_session(named["session"])]
            self.session_id = named["session"]
        if "file" in named:
            known = [file for file in self.server.files if file["fileId"] == named["file"]]
            ensure(known, 404, "file-not-found", "There is no such file.")
        lengths, coded = self.headers.get_all("Content-Length", []), "Transfer-Encoding" in self.headers
        ensure(not self.headers.get_payload(), 400, "invalid-request", "One of the headers is none.")
        ensure(not (coded and lengths), 400, "invalid-request", "Two lengths are no length.")
        ensure(not coded, 411, "length-required", "Send Content-Length.")
        ensure(re.fullmatch("([0-9]{1,18})?", ",".join(lengths)), 400, "invalid-request", "What length?")
        self.length = int(lengths[0]) if lengths else -1
        self.unread = max(0, self.length)
        allow, command = ", ".join(methods), "GET" if self.command == "HEAD" else self.command
        ensure(command in methods, 405, "method-not-allowed", f"Only {allow}.", headers={"Allow": allow})
        origin, host = self.headers.get("Origin"), self.headers.get("Host")
        ours = command == "GET" or origin is None or origin.partition("//")[2] == host
        ensure(ours, 403, "foreign-origin", "Pages of other sites may change nothing here.")
        return methods[command], known

    def ensure_media_type(self, wanted: str) -> None:
        sent = self.headers.get("Content-Type", wanted if wanted == OCTETS else "")
        plain = sent.partition(";")[0].strip().lower() == wanted and "Content-Encoding" not in self.headers
        ensure(plain, 415, "unsupported-media-type", f"Send {wanted}, as it is.")

    def read_body(self) -> bytes:
        """All that was promised, or nothing; a client that falls silent has not kept its promise."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        body = b""
        with suppress(OSError):
            body = self.rfile.read(self.length)
        ensure(len(body) == self.length, 400, "incomplete-body", f"It ended after {len(body):,} bytes.")
        self.unread = 0
        return body

    def handle_expect_100(self) -> bool:
        return True  # "go on" is said in read_body, once the request has proved worth its body

    def json_body(self, needed: list[str], optional: list[str] | None = None) -> Document:
        self.ensure_media_type("application/json")
        ensure(0 <= self.length <= 64 << 10, 400, "invalid-request", "A JSON body has at most 64 KiB.")
        document: Any = None
        body = self.read_body()
        with suppress(ValueError, RecursionError):
            document = json.loads(body.decode(), parse_constant=int)  # NaN is no JSON, and no int
        ensure(isinstance(document, dict), 400, "invalid-request", "The body must be a JSON object.")
        errors = []
        for name in needed + [name for name in optional or [] if name in document]:
            kind, valid, message = MEMBERS[name]
            if type(document.get(name)) is not kind or not valid(document[name]):
                errors.append({"member": name, "message": message})
        ensure(not errors, 400, "invalid-request", "Some members are missing or wrong.", errors=errors)
        return dict(document)

    def send(self, status: int, body: Document | Iterable[bytes], headers: dict[str, str]) -> None:
        """The answer; whatever is about a session says where it stands."""
        if session := self.server.sessions.get(self.session_id):
            headers["x-upload-offset"] = str(session["uploadedBytes"])
            if isinstance(body, dict) and status >= 400:
                body["uploadedBytes"] = session["uploadedBytes"]
        if isinstance(body, dict):
            raw = json.dumps(body).encode()
            headers["Content-Type"] = "application/problem+json" if status >= 400 else "application/json"
            headers |= {"Content-Length": str(len(raw)), "Cache-Control": "no-store"}
            body = [raw]
        if status in (429, 503):
            headers["Retry-After"] = "1"
        if self.unread or self.server.stopping:
            headers["Connection"] = "close"  # what is left of a refused body must not be taken for a request
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.writelines(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server refuses on its own, it refuses in HTML; so it is asked to do so here."""
        self.unread = 1
        status, name = (405, "method-not-allowed") if code == 501 else (400, "invalid-request")
        self.send(*Problem(status, name, "This is no request of the protocol.").args)

    def handle(self) -> None:
        """Serve until the client leaves. One that was refused may still be sending: to close on bytes that
        nobody read resets the connection, and the answer is lost. So they are read, for a moment."""
        with suppress(OSError):
            super().handle()
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.5)
            until = time.monotonic() + 2
            while self.unread and time.monotonic() < until and self.connection.recv(1 << 16):
                pass

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: paths carry session ids, and who knows one may touch the upload."""


class TinyServer(ThreadingHTTPServer):
    """What is kept: sessions and files as JSON documents, on disk and in memory, and the bytes beside them.

    Every change is made under the lock, and none while a body is on its way.
    """

    request_queue_size = 512

    def __init__(self, port: int, data: Path, ttl: float) -> None:
        self.data, self.ttl, self.lock = data, ttl, threading.Lock()
        for name in ("sessions", "files", "bytes"):
            (data / name).mkdir(parents=True, exist_ok=True)
        self.sessions = {path.name: json.loads(path.read_text()) for path in (data / "sessions").iterdir()}
        files = [json.loads(path.read_text()) for path in (data / "files").iterdir()]
        self.files = sorted(files, key=lambda file: str(file["createdAt"]))
        self.busy: set[Handler] = set()
        self.stopping = False
        super().__init__(("127.0.0.1", port), Handler)

    def find_session(self, session_id: str) -> Document:
        session: Document = self.sessions.get(session_id, {"expiresAt": ""})
        ensure(session["expiresAt"] > stamp(), 404, "session-not-found", "Unknown, expired or cancelled.")
        return session

    def find_bytes(self, fingerprint: str, size: int) -> Document | None:
        same = (f for f in self.files if f["fingerprint"] == fingerprint and f["fileSize"] == size)
        return next(same, None)

    def begin(self, session: Document) -> Document:
        with self.lock:
            unfinished = sum(each["state"] == "uploading" for each in self.sessions.values())
            ensure(unfinished < MOST_SESSIONS, 429, "too-many-sessions", "Finish or cancel some uploads.")
            self.path(session).touch()
            return self.save(session)

    def append(self, session: Document, offset: int, body: bytes) -> Document:
        """Bytes first, then the offset that counts them: a crash in between leaves what never counted."""
        with self.path(session).open("r+b") as stored:
            stored.seek(offset)
            stored.write(body)
            stored.flush()
            os.fsync(stored.fileno())
        return self.save(session, uploadedBytes=offset + len(body))

    def finalize(self, session: Document, claim: str | None) -> Document:
        """Believe the bytes and nothing else. The record is what makes them a file, all at once."""
        with self.path(session).open("rb") as stored:
            fingerprint = hashlib.file_digest(stored, "sha256").hexdigest()
            stored.seek(0)
            head = stored.read(16)
        name, problem = session["fileName"].lower(), None
        for kind, (endings, beginning) in SIGNATURES.items():
            if (session["mimeType"] == kind or name.endswith(endings)) and not re.match(beginning, head):
                problem = {"code": "content-rejected", "detail": f"This does not begin as {kind} does."}
        if claim not in (None, fingerprint):
            problem = {"code": "fingerprint-mismatch", "detail": f"The bytes have {fingerprint}."}
        if problem:
            session = self.save(session, state="rejected", problem=problem)
        else:
            file = self.find_bytes(fingerprint, session["fileSize"])
            duplicate = file is not None and file["fileId"] != session["fileId"]
            if file is None:
                kinds = (kind for kind, (_, beginning) in SIGNATURES.items() if re.match(beginning, head))
                file = {name: session[name] for name in ("fileId", "fileName", "fileSize")}
                file |= {"mimeType": next(kinds, OCTETS), "fingerprint": fingerprint, "createdAt": stamp()}
                self.write(self.data / "files" / file["fileId"], file)
                self.files.append(file)
            session = self.save(session, state="completed", file=file, duplicate=duplicate)
        self.collect()
        return session

    def collect(self) -> None:
        """Forget expired sessions, and remove all bytes that neither an upload nor a file needs: what was
        cancelled, refused or a duplicate, and what a crash left."""
        for session in [each for each in self.sessions.values() if each["expiresAt"] < stamp()]:
            (self.data / "sessions" / session["sessionId"]).unlink(missing_ok=True)
            del self.sessions[session["sessionId"]]
        uploading = {each["fileId"] for each in self.sessions.values() if each["state"] == "uploading"}
        needed = uploading | {file["fileId"] for file in self.files}
        for path in (self.data / "bytes").iterdir():
            if path.name not in needed:
                path.unlink()

    def service_actions(self) -> None:
        """Called by ThreadingHTTPServer twice a second: the timer."""
        with suppress(OSError), self.lock:
            self.collect()

    def path(self, session: Document) -> Path:
        return self.data / "bytes" / str(session["fileId"])

    def save(self, session: Document, **changes: Any) -> Document:
        """Change a session; the lifetime begins anew, unless that is what changes."""
        session = session | {"expiresAt": stamp(self.ttl)} | changes
        self.write(self.data / "sessions" / session["sessionId"], session)
        self.sessions[session["sessionId"]] = session
        return session

    def write(self, path: Path, document: Document) -> None:
        """All of it or nothing, also when the power fails: written beside, forced to disk, renamed."""
        beside = self.data / "bytes" / "beside"
        with beside.open("w") as stored:
            json.dump(document, stored)
            stored.flush()
            os.fsync(stored.fileno())
        beside.replace(path)
        for folder in (beside.parent, path.parent):  # a name is in its folder, not in its file
            opened = os.open(folder, os.O_RDONLY)
            os.fsync(opened)
            os.close(opened)

    def read(self, file: Document, start: int, stop: int) -> Iterator[bytes]:
        with self.path(file).open("rb") as stored:
            stored.seek(start)
            while start < stop and (block := stored.read(min(1 << 16, stop - start))):
                start += len(block)
                yield block


def main() -> None:
    parser = argparse.ArgumentParser(description="A tiny upload server.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path, default=Path("tiny-data"))
    parser.add_argument("--ttl", type=float, default=86400, help="seconds a session lives without a chunk")
    given = parser.parse_args()
    run(TinyServer(given.port, given.data, given.ttl))


def run(server: TinyServer) -> None:
    """Serve until SIGTERM; requests in flight are given a moment."""
    # shutdown() waits for serve_forever() to end, which this thread is in: so another one calls it.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
    server.stopping = True
    server.server_close()
    until = time.monotonic() + GRACE
    while server.busy and time.monotonic() < until:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
