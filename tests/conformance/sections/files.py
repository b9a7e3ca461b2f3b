"""PROTOCOL.md, section `files`, of every level. Other cases upload as well: the list is never ours alone."""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import quote

from tests.conformance.case import MUST, Section
from tests.conformance.expect import expect, require, same, same_bytes, shown
from tests.conformance.forms import altered, elements, expect_file, text
from tests.conformance.messages import Answer
from tests.conformance.sections import files_attachment, files_ranges
from tests.conformance.target import Target
from tests.conformance.ways import file_path, upload_file, variant

SECTION: Final = Section("files", claim="files")

WALK: Final = 8.0
"""Seconds to look for the end of the list; a server that has been in use for years is not read to its end."""


def page(target: Target, limit: int, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """One page of the list, held to its form."""
    path = f"{target.link('files')}?limit={limit}" + (f"&after={quote(after, safe='')}" if after else "")
    answer = target.request("GET", path)
    expect(answer, status=200)
    shown_files = elements(answer.json.get("files"), "files")
    require(
        len(shown_files) <= limit,
        f"at most {limit} files on a page with limit={limit}",
        str(len(shown_files)),
    )
    require("next" in answer.json, "next, a cursor or null", "it is missing")
    following = answer.json["next"]
    return shown_files, None if following is None else text(following, "next, when it is not null,")


def walk(
    target: Target, limit: int, after: str | None, until: frozenset[str] | None
) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Follow `next`: the ids seen, the files seen, and whether the end of the list was reached.

    Args:
        until: stop early when all of these have been seen; None: go to the end.
    """
    deadline = time.monotonic() + WALK
    seen: list[dict[str, Any]] = []
    while True:
        files, after = page(target, limit, after)
        require(files or after is None, "a page that is followed by another to have files", "an empty page")
        seen += files
        ids = [str(file.get("fileId")) for file in seen]
        found = until is not None and until <= set(ids)
        if after is None or found or time.monotonic() > deadline:
            return ids, seen, after is None
        twice = len(ids) - len(set(ids))
        require(not twice, "every file once when following next", f"{twice} of {len(ids)} came again")


@SECTION.case(
    "list",
    MUST,
    "`GET /files?limit=&after=` is {files, next}, newest first; following `next` shows every file once.",
)
def whole_list(target: Target) -> None:
    mine = [upload_file(target, target.blob(100, f"list {n}"), f"list-{n}.bin") for n in range(4)]
    wanted = [str(file["fileId"]) for file in reversed(mine)]

    with variant("page after page of one file"):
        ids, files, _ = walk(target, 1, None, frozenset(wanted))
        same([each for each in ids if each in wanted], wanted, "our files in the list, newest first")
        for file in mine:
            same(next(f for f in files if f.get("fileId") == file["fileId"]), file, "FILE in the list")
    with variant("limit=3 where there are more"):
        same(len(page(target, 3, None)[0]), 3, "the number of files on a page")
    with variant("without limit and after"):
        answer = target.request("GET", target.link("files"))
        expect(answer, status=200)
        elements(answer.json.get("files"), "files")
    with variant("a file arrives between two pages"):
        first, after = page(target, 2, None)
        late = upload_file(target, target.blob(100, "late"), "late.bin")
        require(after, "a next page after two of at least four files", shown(after))
        ids, _, _ = walk(target, 1, after, frozenset(wanted) - {str(file.get("fileId")) for file in first})
        again = {str(file.get("fileId")) for file in first} & set(ids)
        require(not again, "no file of an earlier page to come again", shown(sorted(again)))
        require(str(late["fileId"]) not in ids, "what is newer not to appear on later pages", "it does")
        missed = set(wanted) - set(ids) - {str(file.get("fileId")) for file in first}
        require(not missed, "no file to be left out", f"{len(missed)} of ours are missing")
    with variant("to the end"):
        ids, _, ended = walk(target, 100, None, None)
        same(len(ids), len(set(ids)), "the number of different files in the list")
        require(set(wanted) <= set(ids) or not ended, "all of our files in the list", "some are missing")


@SECTION.case("one", MUST, "`GET /files/<fileId>` answers 200 FILE; unknown is 404 `file-not-found`.")
def one(target: Target) -> None:
    for size in (0, 1, 100):
        with variant(f"a file of {size} bytes"):
            data = target.blob(size)
            file = upload_file(target, data, f"one-{size}.bin")
            expect_file(file, data, "FILE at the end of the upload")
            answer = target.request("GET", file_path(target, file))
            expect(answer, status=200)
            same(answer.media_type, "application/json", "the Content-Type of FILE")
            expect_file(answer.json, data, "FILE")
            same(answer.json, file, "FILE, asked for later,")
    real = str(file["fileId"])
    for what, unknown in (
        ("an id that was never given out", altered(real)),
        ("an id that continues a real one", f"{real}x"),
        ("the beginning of a real id", real[: len(real) // 2]),
        ("a word", "nothing"),
        ("a wildcard", "*"),
        ("dots", "%2e%2e"),
        ("NUL", "%00"),
    ):
        for rest in ("", "/content"):
            with variant(f"{what}{', its content' if rest else ''}"):
                answer = target.request("GET", f"{target.link('files')}/{unknown}{rest}")
                expect(answer, status=404, code="file-not-found")


AWKWARD: Final = bytes(range(256)) + b"\r\n--boundary--\r\n\r\n0\r\n\r\n\x1a\x00" + b"\r\n" * 8
"""What text modes, form parsers and chunked framing might take for something of their own."""


@SECTION.case(
    "content",
    MUST,
    "`GET /files/<fileId>/content` answers 200 with exactly the uploaded bytes, and an `ETag`.",
)
def content(target: Target) -> None:
    etags = []
    largest = min(200_001, target.largest_file)
    bodies = {"no bytes": b"", "one byte": target.blob(1), "many bytes": target.blob(largest)}
    bodies["awkward bytes"] = AWKWARD + target.blob(32)
    for what, data in bodies.items():
        with variant(f"a file of {what}"):
            file = upload_file(target, data, "content.bin")
            answer = target.content(file)
            expect(answer, status=200)
            same_bytes(answer.body, data, "the content")
            etags.append(text(answer.header("ETag"), "ETag"))
            quoted = etags[-1].removeprefix("W/")
            require(len(quoted) > 2 and quoted[0] == quoted[-1] == '"', 'an ETag like "…"', shown(etags[-1]))
            _same_again(target, file, answer)
    same(len(set(etags)), len(etags), "the number of different ETags of different files")


def _same_again(target: Target, file: dict[str, Any], first: Answer) -> None:
    again = target.content(file)
    expect(again, status=200)
    same(again.header("ETag"), first.header("ETag"), "the ETag of the same file, asked for again,")
    same_bytes(again.body, first.body, "the content, asked for again,")


SECTION.case(
    "range",
    MUST,
    "`Range: bytes=…` answers 206 with those bytes and `Content-Range`; one outside the file is 416.",
)(files_ranges.ranges)

SECTION.case(
    "etag",
    MUST,
    "`If-None-Match` with the ETag is 304; `If-Range` with another one answers the whole file.",
)(files_ranges.etag)

SECTION.case(
    "attachment",
    MUST,
    "Content is an attachment with an RFC 6266 file name, `nosniff`, and a CSP under which nothing runs.",
)(files_attachment.attachment)
