"""A tiny upload server over real sockets that misbehaves on demand, for tests of the client.

It follows the protocol from memory (in both senses) and shares no code with the product, so that a
misunderstanding of the wire on one side shows up as a failing test.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast

Mishap = Callable[["Handler"], bool]
"""Does something to a request; True when the request has been dealt with."""


@dataclass
class Upload:
    name: str
    size: int
    chunk_size: int
    fingerprint: str
    data: bytearray = field(default_factory=bytearray)
    state: str = "uploading"
    file: dict[str, Any] | None = None


class MoodyServer:
    """A context manager.

    Attributes:
        requests: ``METHOD /path`` of every request, in order.
        connections: how many TCP connections were opened.
        confirmed: (offset, length) of every chunk that was confirmed.
        polls_until_done: how often a finalization answers "finalizing" before it is completed.
    """

    def __init__(self, *, level: int = 2, chunk_size: int | None = 1000) -> None:
        self.level = level
        self.chunk_size = chunk_size
        self.requests: list[str] = []
        self.connections = 0
        self.confirmed: list[tuple[int, int]] = []
        self.uploads: dict[str, Upload] = {}
        self.files: list[dict[str, Any]] = []
        self.contents: dict[str, bytes] = {}
        self.inits: list[dict[str, Any]] = []
        self.polls_until_done = 0
        self._mishaps: list[tuple[str, Mishap]] = []
        self._http = Listener(self)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def next(self, request: str, *mishaps: Mishap) -> None:
        """The next requests that begin with ``request`` (``"PUT"``, ``"GET /upload/"``) meet these mishaps,
        one each, in this order."""
        self._mishaps += [(request, mishap) for mishap in mishaps]

    def count(self, request: str) -> int:
        return sum(line.startswith(request) for line in self.requests)

    def add_file(self, name: str, data: bytes) -> dict[str, Any]:
        file = {
            "fileId": f"file-{len(self.files)}",
            "fileName": name,
            "fileSize": len(data),
            "mimeType": "application/octet-stream",
            "fingerprint": hashlib.sha256(data).hexdigest(),
            "createdAt": "2026-01-01T00:00:00.000Z",
        }
        self.files.append(file)
        self.contents[str(file["fileId"])] = data
        return file

    def take_mishap(self, line: str) -> Mishap | None:
        for index, (request, mishap) in enumerate(self._mishaps):
            if line.startswith(request):
                del self._mishaps[index]
                return mishap
        return None


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, moody: MoodyServer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.moody = moody

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that break are what this server is for."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    muted = False
    only: int | None = None  # bytes of a body to be sent, however many were promised

    @property
    def moody(self) -> MoodyServer:
        return cast("Listener", self.server).moody

    def setup(self) -> None:
        super().setup()
        self.moody.connections += 1

    def handle_one(self) -> None:
        line = f"{self.command} {self.path}"
        self.moody.requests.append(line)
        mishap = self.moody.take_mishap(line)
        if mishap is None or not mishap(self):
            self.dispatch()

    # The base class looks methods up by these names.
    do_GET = do_HEAD = do_PUT = do_POST = handle_one  # noqa: N815

    def dispatch(self) -> None:
        path = self.path.partition("?")[0].strip("/").split("/")
        match self.command, path:
            case "GET", ["upload"]:
                self.reply(200, self.capabilities())
            case "POST", ["upload"]:
                self.form()
            case "POST", ["upload", "preflight"]:
                asked = json.loads(self.read_body())
                found = [f for f in self.moody.files if f["fingerprint"] == asked["fingerprint"]]
                self.reply(200, {"exists": True, "file": found[0]} if found else {"exists": False})
            case "POST", ["upload", "init"]:
                self.init()
            case "PUT", ["upload", session_id]:
                self.append(session_id)
            case "GET", ["upload", session_id]:
                self.status(session_id)
            case "POST", ["upload", session_id, "complete"]:
                self.complete(session_id)
            case "GET" | "HEAD", ["files", *rest]:
                self.serve_files(rest)
            case _:
                self.problem(404, "not-found")

    def capabilities(self) -> dict[str, Any]:
        size = self.moody.chunk_size
        chunked = {"default": size, "minimum": 1, "maximum": 10**9} if size else None
        links = {
            "upload": "/upload",
            "files": "/files",
            "preflight": "/upload/preflight" if size else None,
            "ticket": None,
        }
        return {
            "protocol": 1,
            "level": self.moody.level,
            "claims": [],
            "maxFileSize": 10**9,
            "chunkSize": chunked,
            "sessionTtl": None,
            "links": links,
        }

    def init(self) -> None:
        asked = json.loads(self.read_body())
        self.moody.inits.append(asked)
        session_id = f"session/{len(self.moody.inits)}?"  # must be quoted in an address
        upload = Upload(
            asked["fileName"],
            asked["fileSize"],
            asked.get("chunkSize") or self.moody.chunk_size or 0,
            asked.get("fingerprint", ""),
        )
        self.moody.uploads[session_id.replace("/", "%2F").replace("?", "%3F")] = upload
        self.reply(201, {"sessionId": session_id, **self.numbers(upload)})

    def append(self, session_id: str) -> None:
        upload = self.moody.uploads.get(session_id)
        if upload is None:
            self.problem(404, "session-not-found")
            return
        offset = int(self.headers["x-upload-offset"])
        if offset != len(upload.data):
            self.read_body()
            self.problem(409, "offset-mismatch", uploadedBytes=len(upload.data))
            return
        body = self.read_body()
        if len(body) != min(upload.chunk_size, upload.size - offset):
            self.problem(400, "wrong-chunk-size")
            return
        upload.data += body
        self.moody.confirmed.append((offset, len(body)))
        self.reply(200, {"uploadedBytes": len(upload.data)})

    def status(self, session_id: str) -> None:
        upload = self.moody.uploads.get(session_id)
        if upload is None:
            self.problem(404, "session-not-found")
            return
        if upload.state == "finalizing":
            self.finalize(upload)
        body = {"sessionId": session_id, "state": upload.state, **self.numbers(upload)}
        if upload.file:
            body["file"] = upload.file
        if upload.state == "rejected":
            body["problem"] = {"code": "content-rejected", "detail": "That is no picture."}
        self.reply(200, body)

    def complete(self, session_id: str) -> None:
        self.read_body()
        upload = self.moody.uploads.get(session_id)
        if upload is None:
            self.problem(404, "session-not-found")
        elif len(upload.data) != upload.size:
            self.problem(409, "upload-incomplete", uploadedBytes=len(upload.data))
        else:
            self.finalize(upload)
            if upload.file is None:
                self.reply(202, {"state": upload.state}, **{"Retry-After": "7"})
            else:
                self.reply(200, {"state": "completed", "file": upload.file, "duplicate": False})

    def finalize(self, upload: Upload) -> None:
        if upload.file is not None:
            return
        upload.state = "finalizing"
        if self.moody.polls_until_done > 0:
            self.moody.polls_until_done -= 1
            return
        upload.state = "completed"
        upload.file = self.moody.add_file(upload.name, bytes(upload.data))

    def form(self) -> None:
        body = self.read_body()
        boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
        head, _, rest = body.partition(b"\r\n\r\n")
        assert head.startswith(b"--" + boundary + b"\r\n"), head
        assert b'name="file"' in head, head
        name = head.decode().partition('filename="')[2].partition('"')[0]
        self.reply(201, self.moody.add_file(name, rest.removesuffix(b"\r\n--" + boundary + b"--\r\n")))

    def serve_files(self, rest: list[str]) -> None:
        files = self.moody.files[::-1]
        match rest:
            case []:
                after = int(self.path.partition("after=")[2].partition("&")[0] or 0)
                page, more = files[after : after + 2], after + 2 < len(files)
                self.reply(200, {"files": page, "next": str(after + 2) if more else None})
            case [file_id] if file_id in self.moody.contents:
                self.reply(200, next(file for file in files if file["fileId"] == file_id))
            case [file_id, "content"] if file_id in self.moody.contents:
                self.content(self.moody.contents[file_id])
            case _:
                self.problem(404, "file-not-found")

    def content(self, data: bytes) -> None:
        tag = f'"{hashlib.sha256(data).hexdigest()}"'
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if wanted and condition in (None, tag):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            extent = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.reply_bytes(206, data[start:], {"ETag": tag, "Content-Range": extent})
        else:
            self.reply_bytes(200, data, {"ETag": tag})

    def numbers(self, upload: Upload) -> dict[str, Any]:
        return {
            "uploadedBytes": len(upload.data),
            "fileSize": upload.size,
            "chunkSize": upload.chunk_size,
            "expiresAt": "2026-01-02T00:00:00.000Z",
        }

    def read_body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def problem(self, status: int, code: str, **members: object) -> None:
        self.reply(status, {"title": code, "detail": f"That is a {code}.", "code": code, **members})

    def reply(self, status: int, body: object = None, **headers: str) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.reply_bytes(status, data, {"Content-Type": "application/json", **headers})

    def reply_bytes(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        if self.muted:
            return
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: self.only])

    def reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        pass
