"""A server grows: for each section, the lines that matter and what the suite says without them.

The suite's README is made from this; `test_afternoon.py` takes each step out of the tiny server and holds the
suite to the words that stand here.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import Final

from tests.conformance_mutants.mutation import Mutation, Stale
from tests.conformance_mutants.tiny import TINY_SERVER

ADDRESS: Final = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Lines:
    """Some lines of the tiny server, as they stand there.

    Attributes:
        first: text in the first of them, there once.
    """

    first: str
    count: int

    def __str__(self) -> str:
        lines = TINY_SERVER.read_text().splitlines()
        at = [number for number, line in enumerate(lines) if self.first in line]
        if len(at) != 1:
            raise Stale(f"{self.first!r} stands {len(at)} times in the tiny server")
        return textwrap.dedent("\n".join(lines[at[0] : at[0] + self.count]))


@dataclass(frozen=True)
class Step:
    """One section of the protocol.

    Attributes:
        prose: what has to be thought of.
        lines: the tiny server's answer.
        without: the step taken out again.
        expected, got: what the suite says then, in general.
    """

    section: str
    prose: str
    lines: Lines
    without: Mutation
    expected: str
    got: str

    def __str__(self) -> str:
        slug, options = self.without.caught_by, OPTIONS.get(self.section, "")
        command = f"upload-levels conformance {ADDRESS} --only '{self.section}/*'{options}"
        said = f"✗ {slug}\n    expected  {self.expected}\n    got       {self.got}"
        return (
            f"### {self.section}\n\n{self.prose}\n\n```python\n{self.lines}\n```\n\n"
            f"Before, `{command}` said\n\n```text\n{said}\n```\n\nand now it says `✓ {slug}`."
        )


OPTIONS: Final = {
    "expiry": " --ttl 2",
    "shutdown": " --hook stop=./stop --hook start=./start",
}
"""What a section needs beside the address."""


def in_general(text: str) -> str:
    """What the suite said, without what differs from run to run."""
    text = re.sub(r"/upload/[A-Za-z0-9_-]{32}(?![A-Za-z0-9_-])", "/upload/<id>", text)
    text = re.sub(r'(\{"|<!).*', "…", text)
    return re.sub(r"^the (connection broke|server closed).*", "the connection breaks", text)


STEPS: Final = (
    Step(
        "capabilities",
        """Begin by saying what you can do. Claim nothing yet: `claims` grows with every step below, and what
is not claimed is not asked for.""",
        Lines(
            'sizes = {"maxFileSize": MAX_FILE_SIZE, "chunkSize": CHUNK_SIZE, "sessionTtl": self.server.ttl}',
            2,
        ),
        Mutation("", '    "/upload": {"GET": "capabilities"},', "", "capabilities/document"),
        "200 to GET /upload",
        "404 not-found",
    ),
    Step(
        "init",
        """Claim `chunked`. A session is a row with a random id, and a file of no bytes. Check the types of
the members before anything else: in many languages `true` is a number, `7.0` too, and a name may
hold a path, half a character or a line feed.""",
        Lines('clamped = min(max(wish, CHUNK_SIZE["minimum"]), CHUNK_SIZE["maximum"])', 3),
        Mutation("", '    "/upload/init": {"POST": "init"},', "", "init/created"),
        "201 to POST /upload/init [a file of 0 bytes]",
        "404 session-not-found",
    ),
    Step(
        "chunk",
        """Check first, then read, then store, then count. Nothing is locked while bytes are on their way, so
that a connection that hangs blocks nobody; when they are all there, the lock is taken and the
offset compared once more. Whoever comes second finds that it has moved.""",
        Lines("with self.server.lock:  # while the body was on its way, another may have taken the turn", 3),
        Mutation("", '"PUT": "chunk", ', "", "chunk/accepted"),
        "no answer before the last byte [a byte before the end]",
        "405 method-not-allowed",
    ),
    Step(
        "offset",
        """The header is one plain number, sent once. If it is another than yours, say yours: then the client
need not ask.""",
        Lines(
            'number = re.fullmatch("0|[1-9][0-9]{0,18}", sent)  # int() alone would take "+5" and "5_0"', 3
        ),
        Mutation("", 'ensure(int(sent) == session["uploadedBytes"],', "ensure(True,", "offset/mismatch"),
        "409 offset-mismatch to PUT /upload/<id> [offset 1 when nothing is committed]",
        "200 …",
    ),
    Step(
        "resume",
        """Claim `resume`. Say where the upload stands, to GET and to HEAD, and forbid caches to remember it.
Claim `durable-sessions` if you keep sessions on disk: then `--restart-command` shows whether you
do.""",
        Lines("return 200, {name: session[name] for name in session if name not in PRIVATE}, {}", 1),
        Mutation("", '"GET": "status", ', "", "resume/status"),
        "200 to GET /upload/<id> [0 bytes committed]",
        "405 method-not-allowed",
    ),
    Step(
        "integrity",
        """Claim `integrity`. Compare the digest before the commit: afterwards the bytes count.""",
        Lines("found = base64.b64encode(hashlib.sha256(body).digest()).decode()", 2),
        Mutation(
            "", "ensure(digest is None or found in digest[1],", "ensure(True,", "integrity/digest-mismatch"
        ),
        "400 checksum-mismatch to PUT /upload/<id> [chunk 1: the last byte arrived altered]",
        "200 …",
    ),
    Step(
        "complete",
        """The answer may get lost, so the question comes again, at once or tomorrow: answer from the session
what you answered before. Make the record in one step (one row, one rename), and nobody sees half
a file.""",
        Lines('whole = session["uploadedBytes"]', 3),
        Mutation("", '    "/upload/(?P<session>[^/]+)/complete": {"POST": "complete"},', "", "complete/done"),
        "200 to POST /upload/<id>/complete [complete with no body]",
        "404 not-found",
    ),
    Step(
        "finalize",
        """Claim `finalize`. Believe the bytes: neither the name nor the type nor the fingerprint that came
with them.""",
        Lines("if claim not in (None, fingerprint):", 2),
        Mutation("", "if claim not in (None, fingerprint):", "if False:", "finalize/fingerprint"),
        "422 fingerprint-mismatch to POST /upload/<id>/complete [another file's fingerprint at init]",
        "200 …",
    ),
    Step(
        "dedup",
        """Claim `dedup`. Look among finished files only, and only among those of the same owner.""",
        Lines('file = self.server.find_bytes(asked["fingerprint"], asked["fileSize"])', 2),
        Mutation("", '    "/upload/preflight": {"POST": "preflight"},', "", "dedup/unknown"),
        "200 to POST /upload/preflight",
        "404 session-not-found",
    ),
    Step(
        "cancel",
        """Claim `cancel`. The session goes, and its bytes with it unless a file needs them.""",
        Lines('self.server.save(session, expiresAt="")', 2),
        Mutation("", ', "DELETE": "cancel"', "", "cancel/gone"),
        "204 to DELETE /upload/<id> [0 of 3 chunks committed]",
        "405 method-not-allowed",
    ),
    Step(
        "expiry",
        """Claim `expiry`. Every committed chunk begins the lifetime anew, a timer removes what has reached
its end, and whoever asks a moment before the timer comes gets the same 404. Start your server
with a lifetime of two seconds for this, and say so.""",
        Lines('session = session | {"expiresAt": stamp(self.ttl)} | changes', 1),
        Mutation(
            "",
            '{"expiresAt": stamp(self.ttl)} | changes',
            '{"expiresAt": stamp(9e9)} | changes',
            "expiry/expires",
            ttl=2.0,
        ),
        "404 session-not-found to GET for a session that never moved, after its lifetime",
        "200 …",
    ),
    Step(
        "shutdown",
        """Claim `shutdown`. On SIGTERM take no new request, and give those in flight a few seconds.""",
        Lines("until = time.monotonic() + GRACE", 3),
        Mutation("", "while server.busy and", "while False and", "shutdown/graceful"),
        "an answer [a chunk that was in flight at SIGTERM]",
        "the connection breaks",
    ),
    Step(
        "errors",
        """Your framework has answers of its own for what it cannot parse, routes nowhere or did not expect,
in HTML as a rule. Find where it makes them.""",
        Lines('status, name = (405, "method-not-allowed") if code == 501 else (400, "invalid-request")', 2),
        Mutation("", "def send_error(", "def send_problem(", "errors/no-internals"),
        "no 5xx to BREW /upload [a method of no meaning]",
        "501 …",
    ),
    Step(
        "files",
        """Claim `files`. A cursor is a place in the list, not a number of entries: files arrive while
somebody reads. Never let a browser show what a stranger uploaded.""",
        Lines("page = rest[: min(int(limit), 500)]", 2),
        Mutation("", '    "/files": {"GET": "list_files"},', "", "files/list"),
        "200 to GET /files?limit=1 [page after page of one file]",
        "404 not-found",
    ),
)


def chapter() -> str:
    """All steps, for the README."""
    return "\n\n".join(map(str, STEPS))
