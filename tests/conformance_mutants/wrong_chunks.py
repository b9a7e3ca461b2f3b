"""Mistakes with chunks: their offsets, their sizes, their digests, and what is left when they fail."""

from __future__ import annotations

from typing import Final

from tests.conformance_mutants.mutation import Mutation

WHOLE: Final = 'ensure(len(body) == self.length, 400, "incomplete-body"'
AGREED: Final = 'ensure(int(sent) == session["uploadedBytes"],'
APPEND: Final = "self.server.append(session, self.agreed_offset(session), body)"

MUTATIONS: Final = (
    Mutation(
        "a chunk's answer counts the chunk, not the file",
        'return 200, {"uploadedBytes": session["uploadedBytes"]}',
        'return 200, {"uploadedBytes": self.length}',
        "chunk/accepted",
    ),
    Mutation(
        "a chunk is acknowledged and never written",
        "stored.write(body)",
        "pass",
        "chunk/accepted",
    ),
    Mutation("200 on a short body", WHOLE, 'ensure(True, 400, "incomplete-body"', "chunk/incomplete-body"),
    Mutation(
        "what came before the connection died is kept",
        WHOLE,
        'ensure(body, 400, "incomplete-body"',
        "chunk/all-or-nothing",
    ),
    Mutation(
        "a chunk of any size is taken",
        'ensure(self.length == min(left, session["chunkSize"]),',
        "ensure(True,",
        "chunk/exact-size",
    ),
    Mutation(
        "smaller chunks are taken",
        'ensure(self.length == min(left, session["chunkSize"]),',
        'ensure(self.length <= session["chunkSize"],',
        "chunk/exact-size",
    ),
    Mutation(
        "all that is left is taken as one chunk",
        'ensure(self.length == min(left, session["chunkSize"]),',
        'ensure(self.length in (left, session["chunkSize"]),',
        "chunk/exact-size",
    ),
    Mutation("an empty chunk is taken", "ensure(self.length > 0,", "ensure(True,", "chunk/empty"),
    Mutation(
        "one byte more than declared is taken",
        "ensure(self.length <= left,",
        "ensure(self.length <= left + 1,",
        "chunk/exceeds-declared-size",
    ),
    Mutation(
        "the declared size is not looked at",
        "ensure(self.length <= left,",
        "ensure(True,",
        "chunk/exceeds-declared-size",
    ),
    Mutation(
        "no length is a bad request",
        "ensure(not coded, 411",
        "ensure(not coded, 400",
        "chunk/length-required",
    ),
    Mutation(
        "two kinds of length are taken",
        "ensure(not (coded and lengths),",
        "ensure(True,",
        "chunk/length-required",
    ),
    Mutation(
        "chunked transfer is read as a chunk without bytes",
        'coded = self.headers.get_all("Content-Length", []), "Transfer-Encoding" in self.headers',
        'coded = self.headers.get_all("Content-Length", ["0"]), False',
        "chunk/length-required",
    ),
    Mutation("any content type will do", "self.ensure_media_type(OCTETS)", "pass", "chunk/media-type"),
    Mutation(
        "Content-Encoding is stored as it comes",
        ' and "Content-Encoding" not in self.headers',
        "",
        "chunk/media-type",
    ),
    Mutation(
        "nothing is checked before the body comes",
        'left = session["fileSize"] - self.agreed_offset(session)',
        'self.rfile = __import__("io").BytesIO(self.read_body()); '
        'left = session["fileSize"] - self.agreed_offset(session)',
        "chunk/checked-first",
    ),
    Mutation(
        "both writers win",
        APPEND,
        'self.server.append(session, int(self.headers["x-upload-offset"]), body)',
        "chunk/one-writer",
    ),
    Mutation(
        "the late writer wins",
        APPEND,
        'self.server.append(session, int(self.headers["x-upload-offset"]), body)',
        "chunk/newcomer-proceeds",
    ),
    Mutation(
        "one lock around everything, held while the body comes",
        "body = self.read_body()  # no lock is held: who stalls here stalls alone",
        "with self.server.lock: body = self.read_body()",
        "chunk/newcomer-proceeds",
    ),
    Mutation(
        "a chunk after the end is measured, not refused",
        'ensure(session["state"] == "uploading", 409',
        "ensure(True, 409",
        "chunk/wrong-state",
    ),
    Mutation(
        "the offset may be one too high",
        AGREED,
        'ensure(int(sent) - session["uploadedBytes"] in (0, 1),',
        "offset/mismatch",
    ),
    Mutation(
        "an offset beyond the end leaves a hole",
        AGREED,
        'ensure(int(sent) >= session["uploadedBytes"],',
        "offset/mismatch",
    ),
    Mutation("a mismatch is 400", '409, "offset-mismatch"', '400, "offset-mismatch"', "offset/mismatch"),
    Mutation(
        "409 without the offset in the body",
        'body["uploadedBytes"] = session["uploadedBytes"]',
        "pass",
        "offset/mismatch-tells",
    ),
    Mutation(
        "409 without the offset in the head",
        'headers["x-upload-offset"] = ',
        'headers["x-upload-offset" if status != 409 else "x-offset"] = ',
        "offset/mismatch-tells",
    ),
    Mutation(
        "int() instead of the pattern",
        'number = re.fullmatch("0|[1-9][0-9]{0,18}", sent)',
        'number = re.fullmatch("[+_0-9]+", sent)',
        "offset/header-form",
    ),
    Mutation("leading zeros are taken", '"0|[1-9][0-9]{0,18}"', '"[0-9]{1,19}"', "offset/header-form"),
    Mutation(
        "offsets of any length are taken", '"0|[1-9][0-9]{0,18}"', '"0|[1-9][0-9]*"', "offset/header-form"
    ),
    Mutation(
        "the first of two offsets counts",
        '",".join(self.headers.get_all("x-upload-offset", []))',
        'self.headers.get("x-upload-offset", "")',
        "offset/header-form",
    ),
    Mutation(
        "a chunk sent again takes the offset back",
        AGREED,
        'ensure(int(sent) <= session["uploadedBytes"],',
        "offset/never-decreases",
    ),
    # resume
    Mutation(
        "the status does not say the chunk size",
        'PRIVATE = ("claim",',
        'PRIVATE = ("claim", "chunkSize",',
        "resume/status",
    ),
    Mutation(
        "the status of a finished upload has no file",
        'PRIVATE = ("claim",',
        'PRIVATE = ("claim", "file",',
        "resume/status",
    ),
    Mutation("HEAD with a body", 'if self.command != "HEAD":', "if True:", "resume/head"),
    Mutation(
        "HEAD does not say the offset",
        'headers["x-upload-offset"] = str(session["uploadedBytes"])',
        'headers |= {} if self.command == "HEAD" else {"x-upload-offset": str(session["uploadedBytes"])}',
        "resume/head",
    ),
    Mutation("no-store is missing", ', "Cache-Control": "no-store"}', "}", "resume/no-store"),
    Mutation(
        "a session not found is 400",
        '404, "session-not-found"',
        '400, "session-not-found"',
        "resume/unknown",
    ),
    Mutation(
        "what is left of a chunk counts when the next one comes",
        WHOLE,
        'ensure(body, 400, "incomplete-body"',
        "resume/after-disconnect",
    ),
    Mutation(
        "a chunk sent again is taken once more",
        AGREED,
        'ensure(int(sent) <= session["uploadedBytes"],',
        "resume/identical-retry",
    ),
    Mutation(
        "sessions are forgotten at a restart",
        'for path in (data / "sessions").iterdir()}',
        "for path in ()}",
        "resume/after-restart",
    ),
    # integrity
    Mutation(
        "the digest is compared in hex",
        "base64.b64encode(hashlib.sha256(body).digest()).decode()",
        "hashlib.sha256(body).hexdigest()",
        "integrity/digest-match",
    ),
    Mutation(
        "the digest is ignored",
        "ensure(digest is None or found in digest[1],",
        "ensure(True,",
        "integrity/digest-mismatch",
    ),
    Mutation(
        "the digest is checked after the commit",
        "ensure(digest is None or found in digest[1],",
        f"ensure(digest is None or found in digest[1] or not {APPEND},",
        "integrity/digest-mismatch",
    ),
    Mutation(
        "a digest that is none is ignored", "ensure(formed,", "ensure(True,", "integrity/digest-malformed"
    ),
    Mutation(
        "the digests of other algorithms are taken for a SHA-256",
        "sha-256=([^,]*)",
        "[a-z0-9-]+=([^,]*)",
        "integrity/digest-malformed",
    ),
)
