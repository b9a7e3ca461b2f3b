"""Names that a file may have, may not have, and must not keep: tables of section `init` and their checks."""

from __future__ import annotations

import json
from typing import Final

from tests.conformance.expect import expect, require, same, same_bytes, shown
from tests.conformance.sections.init_refusals import send
from tests.conformance.target import Target
from tests.conformance.ways import drop_opened, variant

GOOD_NAMES: Final = (
    ("one letter", "a"),
    ("255 bytes", "n" * 251 + ".bin"),
    ("255 bytes, two a letter", "é" * 127 + "n"),
    ("no ending", "README"),
    ("a leading dot", ".hidden"),
    ("blanks and signs", "a b  (1) [2] {3} #4 100% & more;=,'+~.bin"),
    ("quotes and markup", '"><b>bold.bin'),
    ("other scripts", "文件-файл-ملف-📦.bin"),
)
BAD_NAMES: Final = (
    ("empty", '""'),
    ("256 bytes", json.dumps("n" * 252 + ".bin")),
    ("128 letters of two bytes each", json.dumps("é" * 128)),
    ("64 letters of four bytes each", json.dumps("📦" * 64)),
    ("60,000 bytes", json.dumps("n" * 60_000)),
    ("NUL", r'"a\u0000b.bin"'),
    ("a line feed", r'"a\nb.bin"'),
    ("CR LF", r'"a\r\nX-Injected: 1.bin"'),
    ("a tab", r'"a\tb.bin"'),
    ("a line feed at the end", r'"a.bin\n"'),
    ("U+001F", r'"a\u001fb.bin"'),
    ("DEL", r'"a\u007fb.bin"'),
    ("NEL, a control character above ASCII", r'"a\u0085b.bin"'),
    ("half a surrogate pair", r'"a\ud800b.bin"'),
)


def file_name(target: Target) -> None:
    for what, name in GOOD_NAMES:
        with variant(f"fileName: {what}"):
            upload = target.begin(target.blob(7, name), fileName=name)
            same(target.finish(upload).get("fileName"), name, "fileName of the finished file")
    for what, text in BAD_NAMES:
        with variant(f"fileName: {what}"):
            answer = send(target, b'{"fileSize": 7, "fileName": %s}' % text.encode())
            expect(answer, status=400, code="invalid-request")


PATHS: Final = (
    ("../../above.bin", "above.bin"),
    ("/absolute/path.bin", "path.bin"),
    ("some/folder/inside.bin", "inside.bin"),
    ("C:\\folder\\windows.bin", "windows.bin"),
    ("..\\..\\above-windows.bin", "above-windows.bin"),
    ("/mixed\\both/ways.bin", "ways.bin"),
)
NO_NAMES: Final = (".", "..", "/", "folder/", "../..", "..\\", "folder/.", "%2e%2e%2fencoded.bin", "%00.bin")
"""Nothing is left to call a file, or it looks worse than it is: refuse it or take it as mere text."""


def file_name_no_path(target: Target) -> None:
    for given, kept in PATHS:
        with variant(f"fileName {given!r}"):
            same(_stored(target, given).get("fileName"), kept, "fileName of the finished file")
    for given in NO_NAMES:
        with variant(f"fileName {given!r}"):
            answer = target.post_init(fileName=given, fileSize=7)
            drop_opened(target, answer)
            expect(answer, status=(201, 400))
            if answer.status == 201:
                name = str(_stored(target, given).get("fileName"))
                harmless = name not in ("", ".", "..") and not {"/", "\\"} & set(name)
                require(harmless, "a name without a path in it", shown(name))


def _stored(target: Target, name: str) -> dict[str, object]:
    """Upload a few bytes under this name, and see that they are to be had as any other file."""
    upload = target.begin(target.blob(7, name), fileName=name)
    file = target.finish(upload)
    if "files" in target.claims:
        same_bytes(target.content(file).body, upload.data, "the file's bytes")
    return file
