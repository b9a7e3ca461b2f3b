"""What a server must not take for a size, a member or JSON: tables of section `init` and their checks."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.conformance.expect import expect, require, same, shown
from tests.conformance.forms import elements, fingerprint
from tests.conformance.messages import Answer
from tests.conformance.target import Target
from tests.conformance.ways import drop_opened, variant

MOST_JSON: Final = 64 * 1024
DEEP: Final = 10_000


def send(target: Target, body: bytes, content_type: str | None = "application/json") -> Answer:
    """init with exactly this body; whatever it opens is dropped."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = target.request("POST", f"{target.upload_path}/init", body=body, headers=headers)
    drop_opened(target, answer)
    return answer


def send_members(target: Target, **members: Any) -> Answer:
    """init with these members; whatever it opens is dropped."""
    return send(target, json.dumps({"fileName": "case.bin", "fileSize": 7} | members).encode())


NO_SIZES: Final = (
    ("true", "true"),
    ("false", "false"),
    ("a half", "0.5"),
    ("a fraction", "7.25"),
    ("a string", '"7"'),
    ("an empty string", '""'),
    ("-1", "-1"),
    ("a large negative number", str(-(2**63))),
    ("31 digits", str(10**30)),
    ("5,000 digits", "9" * 5000),
    ("1e400", "1e400"),
    ("null", "null"),
    ("a list", "[7]"),
    ("an object", '{"bytes": 7}'),
    ("NaN", "NaN"),
    ("Infinity", "Infinity"),
)


def file_size(target: Target) -> None:
    for size in (0, 1, 7):
        with variant(f"fileSize {size}"):
            expect(send_members(target, fileSize=size), status=201, fileSize=size)
    for what, text in NO_SIZES:
        with variant(f"fileSize is {what}"):
            answer = send(target, b'{"fileName": "case.bin", "fileSize": %s}' % text.encode())
            expect(answer, status=400, code="invalid-request")


HASH: Final = fingerprint(b"")
WRONG_MEMBERS: Final[dict[str, tuple[Any, ...]]] = {
    "fileName": (5, True, None, ["a.bin"], {"name": "a.bin"}),
    "fileSize": ("7", True, None, [7], {}, 7.5, -1),
    "mimeType": (5, True, ["text/plain"], {}),
    "chunkSize": ("1024", True, 1024.5, [1024], {}),
    "fingerprint": (5, True, [HASH], {}, "", "../../x", HASH[1:], HASH.upper()),
}


def members(target: Target) -> None:
    whole = {"fileName": "case.bin", "fileSize": 7}
    for missing in whole:
        rest = {name: value for name, value in whole.items() if name != missing}
        with variant(f"{missing} is missing"):
            _names(send(target, json.dumps(rest).encode()), missing)
    for member, values in WRONG_MEMBERS.items():
        for value in values:
            with variant(f"{member} is {shown(value)}"):
                _names(send_members(target, **{member: value}), member)
    with variant("every member is there and right"):
        every = send_members(target, mimeType="text/plain", fingerprint=HASH, chunkSize=1024)
        expect(every, status=201)


def _names(answer: Answer, member: str) -> None:
    expect(answer, status=400, code="invalid-request")
    errors = elements(answer.json.get("errors"), "errors, which name the member,")
    for error in errors:
        right = isinstance(error, dict) and all(isinstance(error.get(k), str) for k in ("member", "message"))
        require(right, 'each of errors to be {"member", "message"}', shown(error))
    same([error["member"] for error in errors], [member], "the members that errors names")


def bodies() -> tuple[tuple[str, bytes], ...]:
    """Bodies that are no JSON object, each nearly one."""
    whole = '{"fileName": "case.bin", "fileSize": 7'
    large = (whole + ', "more": "').encode()
    return (
        ("empty", b""),
        ("a word", b"upload"),
        ("cut off", whole.encode()),
        ("followed by something", (whole + "} {}").encode()),
        ("with NaN in it", (whole + ', "more": NaN}').encode()),
        ("with a trailing comma", (whole + ",}").encode()),
        ("in single quotes", b"{'fileName': 'case.bin', 'fileSize': 7}"),
        ("a list", f"[{whole}}}]".encode()),
        ("an empty list", b"[]"),
        ("a list of pairs", b'[["fileName", "case.bin"], ["fileSize", 7]]'),
        ("a string", b'"upload"'),
        ("a number", b"7"),
        ("true", b"true"),
        ("null", b"null"),
        ("a byte that is not UTF-8", b'{"fileName": "case\xff.bin", "fileSize": 7}'),
        ("Latin-1", '{"fileName": "cäse.bin", "fileSize": 7}'.encode("latin-1")),
        ("UTF-16", (whole + "}").encode("utf-16")),
        ("UTF-32", (whole + "}").encode("utf-32")),
        ("a list nested 10,000 deep", b"[" * DEEP + b"]" * DEEP),
        ("an object nested 10,000 deep", b'{"a":' * DEEP + b"7" + b"}" * DEEP),
        (
            "a member nested 10,000 deep",
            whole.encode() + b', "more": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        ),
        ("one byte more than 64 KiB", large + b"x" * (MOST_JSON + 1 - len(large) - 2) + b'"}'),
        ("64 KiB of blanks after it", (whole + "}").encode() + b" " * MOST_JSON),
        ("a megabyte", large + b"x" * 1024 * 1024 + b'"}'),
    )


def no_json(target: Target) -> None:
    for what, body in bodies():
        with variant(f"a body that is {what}"):
            expect(send(target, body), status=400, code="invalid-request")
    with variant("a body of UTF-8 with blanks around it"):
        whole = '\r\n\t {"fileName": "cäse.bin", "fileSize": 7} '.encode()
        expect(send(target, whole), status=201)


def content_type(target: Target) -> None:
    body = b'{"fileName": "case.bin", "fileSize": 7}'
    for right in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        with variant(f"Content-Type: {right}"):
            expect(send(target, body, right), status=201)
    for kind in (
        None,
        "text/plain",
        "text/plain; application/json",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/json-patch+json",
        "application/jsonp",
        "text/json",
        "json",
    ):
        with variant(f"Content-Type: {kind}" if kind else "no Content-Type"):
            expect(send(target, body, kind), status=415, code="unsupported-media-type")
