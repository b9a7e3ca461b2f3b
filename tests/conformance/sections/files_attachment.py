"""A file may be somebody's web page: that it is saved and not shown, and runs nothing. Section `files`."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from tests.conformance.case import Violation
from tests.conformance.expect import expect, require, same, same_bytes, shown
from tests.conformance.forms import text
from tests.conformance.messages import Answer
from tests.conformance.target import Target
from tests.conformance.ways import upload_file, variant

NAMES: Final = (
    "plain.bin",
    "with blanks and (brackets).bin",
    "semi;colon=and,comma.bin",
    'a "quoted" word.bin',
    "it's 100%41 & more~.bin",
    "ünïcødé.bin",
    "文件.bin",
    "שלום.bin",
    "📦.bin",
    "filename*=UTF-8''evil.bin",
    '"; filename="evil.exe',
)
PAGES: Final = (
    ("page.html", "text/html", "<!doctype html><script>alert(1)</script><!-- %s -->"),
    (
        "drawing.svg",
        "image/svg+xml",
        '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><!-- %s --></svg>',
    ),
)

# RFC 6266 with the grammar of RFC 9110: a token, then parameters of tokens or quoted strings.
TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
PARAMETER: Final = re.compile(rf'\s*;\s*({TOKEN})\s*=\s*({TOKEN}|"(?:[^"\\]|\\.)*")')
TYPE: Final = re.compile(rf"\s*({TOKEN})")
EXTENDED: Final = re.compile(
    r"(utf-8)'[A-Za-z0-9-]*'([A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-Fa-f]{2})*", re.IGNORECASE
)


def attachment(target: Target) -> None:
    """`files/attachment`."""
    for name in NAMES:
        with variant(f"a file that was uploaded as {name!r}"):
            file = upload_file(target, target.blob(100, name), name)
            answer = target.content(file)
            expect(answer, status=200)
            # What FILE says is the name; a form has its own rules for quotes on the way in.
            _protected(answer, text(file.get("fileName"), "fileName"))
    for name, mime_type, page in PAGES:
        data = (page % target.blob(8, name).hex()).encode()
        file = upload_file(target, data, name, mime_type)
        for headers in ({}, {"Range": "bytes=0-40"}, {"Accept": "text/html", "Sec-Fetch-Dest": "document"}):
            with variant(f"{name} with {headers or 'nothing special'}"):
                answer = target.content(file, headers)
                expect(answer, status=206 if "Range" in headers else 200)
                same_bytes(answer.body, data[:41] if "Range" in headers else data, "the content")
                _protected(answer, name)


def _protected(answer: Answer, name: str) -> None:
    value = text(answer.header("Content-Disposition"), "Content-Disposition")
    kind, told = disposition(value)
    same(kind, "attachment", "the kind of Content-Disposition")
    same(told, name, f"the file name that a browser reads from {value!r}")
    same((answer.header("X-Content-Type-Options") or "").lower(), "nosniff", "X-Content-Type-Options")
    policies = [value for key, value in answer.headers if key == "content-security-policy"]
    inert = any(nothing_runs(policy) for each in policies for policy in each.split(","))
    wanted = "a Content-Security-Policy with sandbox, or with default-src or script-src 'none'"
    require(inert, wanted, shown(policies or None))


def disposition(value: str) -> tuple[str, str | None]:
    """Read ``Content-Disposition`` as RFC 6266 and RFC 8187 say.

    Returns:
        The kind in lower case, and the file name: ``filename*`` before ``filename``.

    Raises:
        Violation: it is not well-formed.
    """
    kind = TYPE.match(value)
    at = kind.end() if kind else 0
    told: dict[str, str] = {}
    while found := PARAMETER.match(value, at):
        name, at = found[1].lower(), found.end()
        require(name not in told, f"{name} once in Content-Disposition", shown(value))
        told[name] = found[2]
    if kind is None or value[at:].strip() or not value.isascii():
        raise Violation("a well-formed Content-Disposition, in ASCII (RFC 6266)", shown(value))
    extended, plain = told.get("filename*"), told.get("filename")
    if extended is not None:
        require(EXTENDED.fullmatch(extended), "filename* as UTF-8''… (RFC 8187)", shown(extended))
        raw = unquote_to_bytes(extended.split("'", 2)[2])
        return kind[1].lower(), raw.decode("utf-8", "replace")
    if plain is not None and plain.startswith('"'):
        plain = re.sub(r"\\(.)", r"\1", plain[1:-1])
    return kind[1].lower(), plain


def nothing_runs(policy: str) -> bool:
    """Whether no script of a document under this Content-Security-Policy can run."""
    directives: dict[str, list[str]] = {}
    for directive in policy.lower().split(";"):
        name, *values = directive.split() or [""]
        directives.setdefault(name, values)
    if "sandbox" in directives and "allow-scripts" not in directives["sandbox"]:
        return True
    return directives.get("script-src", directives.get("default-src")) == ["'none'"]
