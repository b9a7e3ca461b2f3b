"""Input that was made up to break a server, over all routes: the rows that `errors_hostile` sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.conformance.sections.init_names import BAD_NAMES, NO_NAMES, PATHS
from tests.conformance.sections.init_refusals import NO_SIZES, bodies
from tests.conformance.target import OCTETS, Target, Upload
from tests.conformance.ways import file_part, form


@dataclass(frozen=True)
class Hostile:
    """One request.

    Attributes:
        tidy: well-formed HTTP, so that an answer is owed; to anything else a server may simply hang up.
    """

    what: str
    method: str
    path: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    tidy: bool = field(default=True, kw_only=True)


JSON: Final = (("Content-Type", "application/json"),)
ODD_IDS: Final = (
    *(
        "%00",
        "%0d%0aX-Injected:%201",
        "..%2f..%2f..%2fsecret",
        "%2e%2e",
        "..;",
        "%ff%fe",
        "%c0%ae%c0%ae",
        "%",
    ),
    *("'%20OR%20'1'='1", "1;DROP%20TABLE%20files", "{{7*7}}", "${7*7}", "%24%7Bjndi:x%7D", "*", "-1", "0"),
    *("a" * 300, "a" * 5000, "%F0%9F%93%A6", "%E2%80%AE", "null", "undefined", "__proto__", "constructor"),
)


def rows(target: Target, file: str, upload: Upload | None) -> Iterator[Hostile]:
    """Everything, for the routes that the server claims."""
    yield from _paths(target)
    if file:
        yield from _files(file)
    if upload is not None:
        yield from _init(target)
        yield from _session(target, upload)
    if "dedup" in target.claims:
        for what, body in bodies():
            yield Hostile(f"preflight: {what}", "POST", target.link("preflight"), body, JSON)
    if "single-request" in target.claims:
        yield from _forms(target)


def _paths(target: Target) -> Iterator[Hostile]:
    prefix = target.address.prefix
    for odd in ODD_IDS:
        for method, path in (
            ("GET", f"{prefix}/upload/{odd}"),
            ("DELETE", f"{prefix}/upload/{odd}"),
            ("POST", f"{prefix}/upload/{odd}/complete"),
            ("GET", f"{prefix}/files/{odd}"),
            ("GET", f"{prefix}/files/{odd}/content"),
            ("GET", f"{prefix}/files?limit={odd}"),
            ("GET", f"{prefix}/files?after={odd}"),
        ):
            yield Hostile(f"{method} {path[:80]}", method, path)
    for limit in ("0", "-1", "1e3", "1_0", "10" * 400, "٣", "", "1&limit=2"):
        yield Hostile(f"limit={limit[:40]}", "GET", f"{prefix}/files?limit={limit}", tidy=limit.isascii())
    for path in (
        "//",
        "/./upload",
        "/../../secret",
        "/upload/../files",
        "/files//content",
        "/upload//complete",
    ):
        yield Hostile(f"GET {path}", "GET", prefix + path)
    spoofed = (("X-Forwarded-Host", "elsewhere.example"), ("X-Forwarded-For", "127.0.0.1, ::1, x' OR 1"))
    yield Hostile("spoofed X-Forwarded headers", "GET", f"{prefix}/upload", None, spoofed)
    yield Hostile("a method of no meaning", "BREW", f"{prefix}/upload", tidy=False)
    yield Hostile("a path with a raw NUL", "GET", f"{prefix}/upload/a\0b", tidy=False)
    yield Hostile("a path with raw bytes", "GET", f"{prefix}/files/\udcff\udcfe", tidy=False)
    yield Hostile("a header without a name", "GET", f"{prefix}/upload", None, (("", "x"),), tidy=False)
    yield Hostile("a header of 100 kB", "GET", f"{prefix}/upload", None, (("X", "y" * 100_000),), tidy=False)
    yield Hostile("500 headers", "GET", f"{prefix}/upload", None, (("X", "y"),) * 500, tidy=False)
    yield Hostile("a line of 100 kB", "GET", f"{prefix}/{'a' * 100_000}", tidy=False)


def _files(file: str) -> Iterator[Hostile]:
    many = ",".join(f"{n}-{n}" for n in range(1000))
    for name, value in (
        ("Range", f"bytes={many}"),
        ("Range", "bytes=" + "9" * 5000 + "-"),
        ("Range", "bytes=-" + "9" * 5000),
        ("Range", "bytes=5-2,"),
        ("Range", "\udcff"),
        ("If-None-Match", '"' * 999),
        ("If-None-Match", "*" * 999),
        ("If-Range", "Mon, 99 Foo 0000 99:99:99 GMT"),
        ("If-Modified-Since", "tomorrow"),
        ("Accept-Encoding", "gzip;q=x, br, *;q=-1"),
        ("Content-Length", "-5"),
        ("Cookie", "session=" + "%" * 999),
        ("Authorization", "Bearer \udcff"),
    ):
        tidy = value.isascii() and name != "Content-Length"
        yield Hostile(f"{name}: {value[:40]!r}", "GET", f"{file}/content", None, ((name, value),), tidy=tidy)


def _init(target: Target) -> Iterator[Hostile]:
    init = f"{target.upload_path}/init"
    names = [text for _, text in BAD_NAMES] + [
        json.dumps(name) for name in (*NO_NAMES, *(p for p, _ in PATHS))
    ]
    names += [
        json.dumps(name) for name in ("a\u202egnp.exe", "\ufeff.bin", "\uffff.bin", "CON", "a:b.bin", "~")
    ]
    for text in names:
        whole = b'{"fileSize": 7, "fileName": %s}' % text.encode()
        yield Hostile(f"init: fileName {text[:40]}", "POST", init, whole, JSON)
    for kind in ("text/\u00e9", "text/html\r\nX: y", "text/html\0", "\ud800", "a/" * 5000):
        body = json.dumps({"fileName": "a.bin", "fileSize": 7, "mimeType": kind}).encode()
        yield Hostile(f"init: mimeType {kind[:40]!a}", "POST", init, body, JSON)
    for what, number in NO_SIZES:
        for member in ("fileSize", "chunkSize", "fileName", "mimeType", "fingerprint"):
            given = {"fileName": '"a.bin"', "fileSize": "7"} | {member: number}
            given_json = "{" + ", ".join(f'"{name}": {value}' for name, value in given.items()) + "}"
            yield Hostile(f"init: {member} is {what}", "POST", init, given_json.encode(), JSON)
    for what, body in bodies():
        yield Hostile(f"init: a body that is {what}", "POST", init, body, JSON)
    for name, text in (
        ("Content-Type", "\udcff/json"),
        ("Content-Type", "application/json; charset=klingon"),
    ):
        yield Hostile(
            f"init: {name} {text!r}", "POST", init, b'{"fileName": "a", "fileSize": 7}', ((name, text),)
        )
    for framing in (b"zz\r\n{}\r\n", b"-1\r\n", b"5\r\n{", b"ffffffffffffffffff\r\n{}"):
        chunked = (*JSON, ("Transfer-Encoding", "chunked"), ("Connection", "close"))
        yield Hostile(f"init: chunked, {framing!r}", "POST", init, framing + b"\r\n\r\n", chunked, tidy=False)


def _session(target: Target, upload: Upload) -> Iterator[Hostile]:
    octets, offset = ("Content-Type", OCTETS), ("x-upload-offset", "0")
    for text in (
        "",
        "-1",
        "+0",
        "0_0",
        "0x0",
        "٠",
        "9" * 19,
        "9" * 20,
        "1" * 5000,
        "NaN",
        "\udcff",
        "0\t0",
        "1e999",
    ):
        offsets = (octets, ("x-upload-offset", text))
        tidy = text.isascii()
        yield Hostile(f"chunk: offset {text[:30]!r}", "PUT", upload.path, b"1234567", offsets, tidy=tidy)
    for name, text in (
        ("Content-Digest", "sha-256"),
        ("Content-Digest", "sha-256=:" + "A" * 5000 + ":"),
        ("Content-Digest", "sha-256=:\u00e9:"),
        ("Content-Digest", "sha-256=::, sha-256=:%%%:"),
        ("Content-Encoding", "gzip, gzip, gzip"),
        ("Content-Type", "a/b; c=" + '"' * 500),
        ("Transfer-Encoding", "gzip"),
        ("Transfer-Encoding", "chunked, chunked"),
        ("Expect", "the-unexpected"),
    ):
        # One byte less than was declared: whatever the server makes of the header, nothing is stored.
        sent = (offset, (name, text)) + (() if name == "Content-Type" else (octets,))
        tidy = name.startswith("Content") and text.isascii()
        yield Hostile(f"chunk: {name}: {text[:40]!r}", "PUT", upload.path, b"123456", sent, tidy=tidy)
    for length in ("-1", "+7", "7_0", "0x7", "7, 8", "9" * 40, "seven", "٧"):
        both = (offset, octets, ("Content-Length", length), ("Connection", "close"))
        yield Hostile(f"chunk: Content-Length {length[:20]}", "PUT", upload.path, None, both, tidy=False)
    override = (("X-HTTP-Method-Override", "DELETE"), ("X-Method-Override", "DELETE"))
    yield Hostile("POST that wants to be DELETE", "POST", f"{upload.path}?_method=DELETE", b"", override)
    for what, body in bodies():
        if body:
            yield Hostile(f"complete: a body that is {what}", "POST", f"{upload.path}/complete", body, JSON)


def _forms(target: Target) -> Iterator[Hostile]:
    kind, body = form([file_part("a.bin", b"bytes", OCTETS)])
    nameless = body.replace(b'filename="a.bin"', b'filename=""')
    endless = body.replace(b'filename="a.bin"', b'filename="' + b"n" * 100_000 + b'"')
    for what, given, sent in (
        ("without its boundary", "multipart/form-data", body),
        ("with an empty boundary", "multipart/form-data; boundary=", body),
        ("with a boundary of 5 kB", "multipart/form-data; boundary=" + "x" * 5000, body),
        ("of no bytes", kind, b""),
        ("cut off", kind, body[: len(body) // 2]),
        ("with a nameless file", kind, nameless),
        ("with a file name of 100 kB", kind, endless),
        ("with a file name of raw bytes", kind, body.replace(b"a.bin", b"\xff\xfe\x00\r.bin")),
        ("with a path as file name", kind, body.replace(b"a.bin", b"../../../secret.bin")),
        ("with a header that does not end", kind, body.replace(b"\r\n\r\n", b"\r\nX: " + b"y" * 100_000)),
        ("with 2,000 parts", *form([file_part("a.bin", b"", OCTETS, field=f"f{n}") for n in range(2000)])),
        ("of another kind", "multipart/mixed; boundary=x", b"--x--"),
        ("that is JSON", "application/json", b'{"file": "a.bin"}'),
    ):
        yield Hostile(f"a form {what}", "POST", target.upload_path, sent, (("Content-Type", given),))
