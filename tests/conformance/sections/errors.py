"""PROTOCOL.md, section `errors`: what every refusal has in common. The provocations stand in neighbours."""

from __future__ import annotations

from typing import Final

from tests.conformance.case import MUST, SHOULD, Section
from tests.conformance.expect import expect, require, same, same_bytes, shown
from tests.conformance.forms import fingerprint, text
from tests.conformance.messages import Answer
from tests.conformance.sections import errors_hostile, errors_provoked
from tests.conformance.target import OCTETS, Target
from tests.conformance.ways import (
    drop,
    drop_opened,
    expect_committed,
    file_part,
    file_path,
    form,
    upload_file,
    variant,
)

SECTION: Final = Section("errors")

STATUS: Final = {
    **dict.fromkeys(("invalid-request", "invalid-offset", "empty-chunk", "wrong-chunk-size"), 400),
    **dict.fromkeys(("incomplete-body", "checksum-mismatch"), 400),
    **{"unauthorized": 401, "foreign-origin": 403, "method-not-allowed": 405},
    **dict.fromkeys(("session-not-found", "file-not-found", "not-found"), 404),
    **dict.fromkeys(("offset-mismatch", "upload-incomplete", "wrong-state"), 409),
    **{"upload-lost": 410, "length-required": 411, "unsupported-media-type": 415},
    **dict.fromkeys(("file-too-large", "exceeds-declared-size"), 413),
    **{"range-not-satisfiable": 416, "too-many-sessions": 429},
    **dict.fromkeys(("content-rejected", "fingerprint-mismatch"), 422),
    **{"internal-error": 500, "storage-unavailable": 503, "insufficient-storage": 507},
}
"""The protocol's table of codes."""


@SECTION.case(
    "problem-document",
    MUST,
    "Every error is `application/problem+json` with `type`, `title`, `status`, `detail` and `code`.",
)
def problem_document(target: Target) -> None:
    for what, wanted, answer in errors_provoked.everywhere(target):
        with variant(what):
            require(answer.status >= 400, f"a refusal, {wanted}", answer.in_words)
            _is_problem(answer)
            same(answer.json["code"], wanted, "code")


def _is_problem(answer: Answer) -> None:
    same(answer.media_type, "application/problem+json", "the Content-Type of an error")
    told = answer.json
    require(told, "a JSON object as the error's body", shown(answer.body[:80]))
    for member in ("type", "title", "detail", "code"):
        text(told.get(member), f"{member} of the problem")
    same(told.get("status"), answer.status, "status in the problem, as on the status line,")
    require(
        told["code"] in STATUS, f"a code of the protocol's table, such as {'invalid-request'!r}", told["code"]
    )
    same(answer.status, STATUS[told["code"]], f"the status that goes with {told['code']}")


@SECTION.case(
    "uploaded-bytes", MUST, "It has `uploadedBytes` whenever the session is known.", claim="chunked"
)
def uploaded_bytes(target: Target) -> None:
    for what, here, answer in errors_provoked.about_a_session(target):
        with variant(f"{what} when {here:,} bytes are committed"):
            require(answer.status >= 400, "a refusal", answer.in_words)
            same(answer.json.get("uploadedBytes"), here, f"uploadedBytes in the problem ({answer.in_words})")


@SECTION.case(
    "no-internals",
    MUST,
    "No answer shows a stack trace, a path or a product's internals; hostile input is never a 5xx.",
)
def no_internals(target: Target) -> None:
    errors_hostile.survive(target)


@SECTION.case("unknown-path", MUST, "Paths and methods that do not exist are 404 and 405.")
def unknown_path(target: Target) -> None:
    prefix = target.address.prefix
    for path in f"{prefix}/nothing-here", f"{prefix}/upload/a/b/c", f"{prefix}/uploads":
        with variant(f"GET {path}"):
            expect(target.request("GET", path), status=404, code="not-found")
    _no_methods(target, f"{prefix}/upload", "DELETE", "PATCH")
    if "single-request" not in target.claims:
        _no_methods(target, f"{prefix}/upload", "POST")
    if "files" in target.claims:
        _around_files(target)
    if "chunked" in target.claims:
        _around_a_session(target)


def _no_methods(target: Target, path: str, *methods: str) -> None:
    for method in methods:
        with variant(f"{method} {path}"):
            expect(target.request(method, path), status=405, code="method-not-allowed")


def _around_files(target: Target) -> None:
    files, data = target.link("files"), target.blob(50)
    for path in f"{files}/a/b/c", f"{files}/a/contents":
        with variant(f"GET {path}"):
            expect(target.request("GET", path), status=404, code="not-found")
    file = upload_file(target, data, "path.bin")
    _no_methods(target, files, "POST", "PUT", "DELETE")
    _no_methods(target, file_path(target, file), "POST", "PATCH")
    _no_methods(target, f"{file_path(target, file)}/content", "POST", "PUT", "PATCH", "DELETE")
    with variant("the file after all that"):
        same_bytes(target.content(file).body, data, "the content")


def _around_a_session(target: Target) -> None:
    session = target.begin(target.blob(7))
    with variant("a path below a session"):
        answer = target.request("GET", f"{session.path}/nothing-here")
        expect(answer, status=404, code="not-found")
    _no_methods(target, session.path, "POST", "PATCH")
    _no_methods(target, f"{session.path}/complete", "GET", "PUT", "DELETE")
    _no_methods(target, f"{target.upload_path}/init", "PATCH")
    with variant("the session after all that"):
        expect(target.put(session, 0, session.data), status=200)
    drop(target, session)


@SECTION.case(
    "foreign-origin",
    SHOULD,
    "A changing request whose `Origin` is another host, and not allowed, is 403.",
)
def foreign_origin(target: Target) -> None:
    ours = f"{target.address.scheme}://{target.address.host_header}"
    foreign = ("https://elsewhere.example", f"{ours}.elsewhere.example", "null")
    a_form = form([file_part("origin.bin", target.blob(50), OCTETS)])
    an_init = "application/json", b'{"fileName": "origin.bin", "fileSize": 50}'

    def begin(origin: str) -> Answer:
        if "chunked" not in target.claims:
            return _from(target, origin, "POST", target.upload_path, a_form)
        answer = _from(target, origin, "POST", f"{target.upload_path}/init", an_init)
        drop_opened(target, answer)
        return answer

    for origin in foreign:
        with variant(f"an upload begun with Origin: {origin}"):
            expect(begin(origin), status=403, code="foreign-origin")
        with variant(f"GET with Origin: {origin}, which changes nothing"):
            answer = target.request("GET", f"{target.address.prefix}/upload", headers={"Origin": origin})
            expect(answer, status=200)
    with variant(f"an upload begun with Origin: {ours}, which is the server's own"):
        expect(begin(ours), status=201)
    if "chunked" in target.claims:
        _a_session_of_ours(target, foreign[0], ours)


def _a_session_of_ours(target: Target, foreign: str, ours: str) -> None:
    upload = target.begin(target.blob(50))
    headers = {"x-upload-offset": "0", "Content-Type": OCTETS}
    with variant(f"a chunk with Origin: {foreign}"):
        refused = target.put(upload, 0, upload.data, headers | {"Origin": foreign})
        expect(refused, status=403, code="foreign-origin")
        expect_committed(target, upload, 0)
    with variant(f"a chunk with Origin: {ours}"):
        expect(target.put(upload, 0, upload.data, headers | {"Origin": ours}), status=200)
    with variant(f"complete, which needs no body, with Origin: {foreign}"):
        expect(_from(target, foreign, "POST", f"{upload.path}/complete"), status=403, code="foreign-origin")
    if "cancel" in target.claims:
        with variant(f"DELETE with Origin: {foreign}"):
            expect(_from(target, foreign, "DELETE", upload.path), status=403, code="foreign-origin")
    with variant(f"complete with Origin: {ours}"):
        answer = target.complete(upload)
        expect(answer, status=200, state="completed")
        same(answer.json["file"]["fingerprint"], fingerprint(upload.data), "the fingerprint of the file")


def _from(
    target: Target, origin: str, method: str, path: str, sent: tuple[str, bytes] | None = None
) -> Answer:
    kind, body = sent or ("", None)
    headers = {"Origin": origin} | ({"Content-Type": kind} if kind else {})
    return target.request(method, path, body=body, headers=headers)
