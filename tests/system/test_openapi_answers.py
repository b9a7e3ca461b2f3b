"""Every level answers as the OpenAPI document says, as a real process.

Two kinds of truth: schemathesis sends what nobody would think of, always the same, and looks for answers that
the document does not have; and one honest upload, which no random request would ever come to, is held to the
document answer by answer.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis

from tests.servers import Server
from tests.system.conftest import ServeHalves, ServeLevel
from tests.system.openapi_document import APPLICATION_PART, PARTS, SERVICE_PART, Part

EXAMPLES: Final = 8
"""Tries for each request in each phase."""
NOT_ASKED: Final = "positive_data_acceptance"
"""What is well-formed may still be refused: the session is unknown, the chunk is not the next one."""
JSON: Final = "application/json"
CHUNK: Final = 5 * 1024 * 1024
"""Bytes. The smallest that every level takes."""


@pytest.mark.parametrize("part", PARTS, ids=str)
@pytest.mark.timeout(180)
def test_no_answer_is_missing_in_the_document(
    part: Part, serve_level: ServeLevel, serve_halves: ServeHalves, tmp_path: Path
) -> None:
    server, headers = serving(part, serve_level, serve_halves)
    words = [
        *("run", part.write(tmp_path), "--url", f"http://127.0.0.1:{server.port}"),
        *(word for name, value in headers.items() for word in ("--header", f"{name}: {value}")),
        *("--max-examples", EXAMPLES, "--generation-deterministic", "--exclude-checks", NOT_ASKED),
        *("--continue-on-failure", "--warnings", "off", "--no-color"),
    ]
    config = Path(__file__).with_name("schemathesis.toml")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("schemathesis")), "--config-file", config, *map(str, words)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout
    assert server.log.read_text() == ""


def serving(
    part: Part, serve_level: ServeLevel, serve_halves: ServeHalves
) -> tuple[Server, Mapping[str, str]]:
    """A server of this part, and the headers that its clients have."""
    if not part.only:
        return serve_level(part.level), {}
    service, application, headers = serve_halves()
    return (service if part == SERVICE_PART else application), headers


schemathesis.checks.load_all_checks()
CONFORMANCE: Final[list[Any]] = [
    schemathesis.checks.CHECKS.get_one(f"{name}_conformance")
    for name in ("status_code", "content_type", "response_headers", "response_schema")
]


class Walk:
    """Requests to the servers of one level, whose answers are held to the document.

    Args:
        servers: what each answers; a request goes to the first one that has it.
        headers: sent with every request.
    """

    def __init__(self, servers: Mapping[Part, Server], headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self._servers = [(part.document(), f"http://127.0.0.1:{servers[part].port}") for part in servers]

    def __call__(self, method: str, path: str, status: int, **given: Any) -> Any:
        """One request; its answer must have this status, and be what the document says.

        Returns:
            The JSON of the answer, if it is JSON.
        """
        document, url = next(
            there for there in self._servers if method.lower() in there[0]["paths"].get(path, {})
        )
        headers = self._headers | given.pop("headers", {})
        case = schemathesis.openapi.from_dict(document)[path][method].Case(headers=headers, **given)
        answer = case.call(base_url=url)
        assert answer.status_code == status, answer.content
        case.validate_response(answer, checks=CONFORMANCE)
        return answer.json() if answer.content.startswith(b"{") else None


@pytest.mark.parametrize("level", sorted({part.level for part in PARTS} - {1}))
def test_an_honest_upload_is_answered_as_the_document_says(
    level: int, serve_level: ServeLevel, serve_halves: ServeHalves
) -> None:
    if level == SERVICE_PART.level:
        service, application, headers = serve_halves()
        walk = Walk({SERVICE_PART: service, APPLICATION_PART: application}, headers)
        assert walk("POST", "/tickets", 201)["ticket"]
        assert Walk({SERVICE_PART: service}, {})("POST", "/upload/init", 401, body={}, media_type=JSON)
    else:
        walk = Walk({Part(level): serve_level(level)}, {})
    data = bytes(range(256)) * (CHUNK // 256) + b"the rest"
    walk("GET", "/upload", 200)
    wish = {"fileName": "a.bin", "fileSize": len(data), "chunkSize": CHUNK}
    session = walk("POST", "/upload/init", 201, body=wish, media_type=JSON)
    at = {"sessionId": session["sessionId"]}

    def put(offset: int, chunk: bytes, status: int, **headers: str) -> None:
        walk(
            "PUT",
            "/upload/{sessionId}",
            status,
            path_parameters=at,
            headers={"x-upload-offset": str(offset), **headers},
            body=chunk,
            media_type="application/octet-stream",
        )

    put(0, data[:CHUNK], 200)
    put(0, data[:CHUNK], 409)
    put(CHUNK, b"too short", 413)
    put(CHUNK, b"short", 400)
    put(CHUNK, data[CHUNK:], 400, **{"Content-Digest": f"sha-256=:{'A' * 43}=:"})
    walk("POST", "/upload/{sessionId}/complete", 409, path_parameters=at)
    put(CHUNK, data[CHUNK:], 200)
    walk("GET", "/upload/{sessionId}", 200, path_parameters=at)
    walk("HEAD", "/upload/{sessionId}", 200, path_parameters=at)
    done = walk("POST", "/upload/{sessionId}/complete", 200, path_parameters=at)
    put(CHUNK, data[CHUNK:], 409)
    assert walk("GET", "/upload/{sessionId}", 200, path_parameters=at)["state"] == "completed"
    fingerprint = hashlib.sha256(data).hexdigest()
    question = {"fingerprint": fingerprint, "fileSize": len(data)}
    assert walk("POST", "/upload/preflight", 200, body=question, media_type=JSON)["exists"]
    _fetch(walk, done["file"]["fileId"], fingerprint)
    walk("DELETE", "/upload/{sessionId}", 204, path_parameters=at)
    walk("GET", "/upload/{sessionId}", 404, path_parameters=at)
    _refused(walk)
    walk("GET", "/healthz", 200)
    walk("GET", "/readyz", 200)


def _fetch(walk: Walk, file_id: str, fingerprint: str) -> None:
    at = {"fileId": file_id}
    assert len(walk("GET", "/files", 200)["files"]) == 1
    walk("GET", "/files/{fileId}", 200, path_parameters=at)
    content = "/files/{fileId}/content"
    walk("GET", content, 200, path_parameters=at)
    walk("GET", content, 206, path_parameters=at, headers={"Range": "bytes=0-9"})
    walk("GET", content, 416, path_parameters=at, headers={"Range": f"bytes={CHUNK * 2}-"})
    walk("GET", content, 304, path_parameters=at, headers={"If-None-Match": f'"{fingerprint}"'})


def _refused(walk: Walk) -> None:
    """A file that is not what it claims to be."""
    wish = {"fileName": "a.png", "fileSize": 4}
    session = walk("POST", "/upload/init", 201, body=wish, media_type=JSON)
    at = {"sessionId": session["sessionId"]}
    walk(
        "PUT",
        "/upload/{sessionId}",
        200,
        path_parameters=at,
        headers={"x-upload-offset": "0"},
        body=b"none",
        media_type="application/octet-stream",
    )
    walk("POST", "/upload/{sessionId}/complete", 422, path_parameters=at)
    assert walk("GET", "/upload/{sessionId}", 200, path_parameters=at)["state"] == "rejected"
