"""What became of an upload: its file, the list, and how a session that is gone must look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.conformance.case import NotApplicable, Violation
from tests.conformance.expect import expect, require, same, same_bytes
from tests.conformance.forms import fingerprint
from tests.conformance.messages import Answer
from tests.conformance.target import Target, Upload

RECENT_PAGES: Final = 5
"""Pages of a hundred in which a file of this run must be: other cases upload at the same time."""


def unique_name(target: Target, ending: str = "case.bin") -> str:
    """A file name that no other case and no other run uses."""
    return f"{target.seed}-{ending}".replace("/", "-").replace(":", "-")


def deliver(target: Target, data: bytes, **members: Any) -> tuple[Upload, Answer]:
    """Upload ``data`` from init to complete; the session, and complete's answer whatever it is."""
    upload = target.begin(data, **members)
    target.put_chunks(upload)
    return upload, target.complete(upload)


def expect_bytes(target: Target, file: Mapping[str, Any], data: bytes) -> None:
    """Hold a finished file to its bytes: by what the record says, and by downloading it.

    Raises:
        Violation
    """
    same(file.get("fileSize"), len(data), "FILE's fileSize")
    if has_files(target):
        answer = target.content(file)
        expect(answer, status=200)
        same_bytes(answer.body, data, "the finished file")
    same(file.get("fingerprint"), fingerprint(data), "FILE's fingerprint, the SHA-256 of what was sent,")


def has_files(target: Target) -> bool:
    """Whether the server says where its finished files are."""
    try:
        target.link("files")
    except NotApplicable:
        return False
    return "files" in target.claims


def listed(target: Target, file_name: str) -> list[dict[str, Any]]:
    """The records of this name among the newest; nothing where the server does not list files."""
    if not has_files(target):
        return []
    found: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(RECENT_PAGES):
        answer = target.request("GET", f"{target.link('files')}?limit=100{cursor}")
        expect(answer, status=200)
        files = answer.json.get("files")
        require(isinstance(files, list), "files as a list", repr(files))
        found += [f for f in files or [] if isinstance(f, dict) and f.get("fileName") == file_name]
        if answer.json.get("next") is None:
            break
        cursor = f"&after={answer.json['next']}"
    return found


def expect_listed(target: Target, file_name: str, times: int, when: str) -> None:
    """Hold the number of records of a name.

    Raises:
        Violation
    """
    if has_files(target):
        count = len(listed(target, file_name))
        require(count == times, f"{times} in the list of files {when}", f"{count} of that name")


def expect_gone(target: Target, upload: Upload, what: str) -> None:
    """Hold every request about a session to 404 ``session-not-found``.

    Raises:
        Violation: naming ``what`` and the method.
    """
    for method, answer in ask_everything(target, upload).items():
        told = "404" if method == "HEAD" else "404 session-not-found"
        if answer.status != 404 or (method != "HEAD" and answer.json.get("code") != "session-not-found"):
            raise Violation(f"{told} to {method} for {what}", answer.in_words)


def ask_everything(target: Target, upload: Upload) -> dict[str, Answer]:
    """Every request about a session, those that change it last."""
    return {
        "GET": target.status(upload),
        "HEAD": target.request("HEAD", upload.path),
        "PUT": target.put(upload, 0, upload.chunk(0) or b"x"),
        "POST …/complete": target.request("POST", f"{upload.path}/complete"),
        "DELETE": target.cancel(upload),
    }
