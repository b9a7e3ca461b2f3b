"""What is expected of a server under hostile input: no 5xx, nothing of its inside, and that it lives.

Which status each of the rows deserves is for the other sections.
"""

from __future__ import annotations

import re
from typing import Final

from tests.conformance.case import Violation
from tests.conformance.expect import expect, require, same_bytes
from tests.conformance.messages import Answer, NoAnswer
from tests.conformance.sections.errors_hostile_rows import Hostile, rows
from tests.conformance.target import Target
from tests.conformance.ways import drop, drop_opened, file_path, upload_file, variant

PATIENCE: Final = 6.0
"""Seconds for one answer: short enough that a server which hangs is told on which row it did."""

FOLDERS: Final = "home|root|usr|var|tmp|srv|opt|etc|app|mnt|proc|Users|lib|site-packages|node_modules"
INTERNALS: Final = (
    (
        re.compile(r"Traceback \(most recent|^\s+at [\w.$<>]+ ?\(|goroutine \d+ \[", re.MULTILINE),
        "a stack trace",
    ),
    (re.compile(r'File "|\.(py|js|ts|rb|go|java|php|rs|cs)\b[:"\')(]? ?(line |\d)'), "a place in its source"),
    (re.compile(rf"(?<![\w.%-])/({FOLDERS})/|[A-Z]:\\(Users|Windows|Program)"), "a path of its machine"),
    (
        re.compile(r"sqlite3\.|sqlalchemy|psycopg|werkzeug|botocore|SQLSTATE|ORA-\d|syntax error at or near"),
        "a part of its software",
    ),
    (re.compile(r"\b[A-Z]\w*(Error|Exception)\b"), "an exception's name"),
    (re.compile(r"0x[0-9a-f]{8,}>"), "an address in its memory"),
    (re.compile(r"<(html|title|h1)\b", re.IGNORECASE), "a page of HTML"),
)
"""What gives a server away, and what to call it. What is sent must contain none of it: it may be echoed."""


def survive(target: Target) -> None:
    """`errors/no-internals`."""
    data, files = target.blob(50), "files" in target.claims
    file = upload_file(target, data, "survivor.bin") if files else {}
    upload = target.begin(target.blob(7)) if "chunked" in target.claims else None
    for row in rows(target, file_path(target, file) if files else "", upload):
        with variant(row.what):
            answer = send(target, row)
            if answer is not None:
                drop_opened(target, answer)
                gives_nothing_away(answer)
    with variant("an honest request after all that"):
        expect(target.request("GET", f"{target.address.prefix}/upload"), status=200)
        if files:
            same_bytes(target.content(file).body, data, "a file that was there before")
        if upload is not None:
            expect(target.put(upload, 0, upload.data), status=200)
            drop(target, upload)


def send(target: Target, row: Hostile) -> Answer | None:
    """Send it as it is; None: the server hung up on something that is no HTTP."""
    fields = [*target.base_headers(row.path).items(), *row.headers]
    if row.body is not None and not any(name == "Transfer-Encoding" for name, _ in row.headers):
        fields.append(("Content-Length", str(len(row.body))))
    with target.connect(row.path) as connection:
        connection.send_head(row.method, target.whose(row.path)[1], fields)
        if row.body:
            connection.send(row.body)
        if not row.tidy:
            connection.half_close()  # or the server might wait, rightly, for the rest of what was promised
        try:
            return connection.answer(PATIENCE)
        except NoAnswer:
            if row.tidy:
                raise
            return None


def gives_nothing_away(answer: Answer) -> None:
    """Hold an answer to showing nothing of the inside.

    Raises:
        Violation
    """
    require(answer.status < 500, f"no 5xx to {answer.asked[:100]}", answer.in_words)
    seen = answer.body.decode("utf-8", "replace") if answer.status >= 400 else ""
    seen += "\n".join(f"{name}: {value}" for name, value in answer.headers if name != "server")
    for pattern, what in INTERNALS:
        found = pattern.search(seen)
        if found:
            around = seen[max(0, found.start() - 40) : found.end() + 40]
            raise Violation(f"an answer that shows no such thing as {what}", repr(around))
