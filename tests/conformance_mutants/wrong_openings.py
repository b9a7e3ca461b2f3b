"""Mistakes in what a server says of itself, in init, and in errors."""

from __future__ import annotations

from typing import Final

from tests.conformance_mutants.mutation import Mutation

MUTATIONS: Final = (
    Mutation(
        "the protocol's version is a string",
        '{"protocol": 1, ',
        '{"protocol": "1", ',
        "capabilities/document",
    ),
    Mutation(
        "the lifetime is in milliseconds",
        '"sessionTtl": self.server.ttl}',
        '"sessionTtl": f"{self.server.ttl}s"}',
        "capabilities/sizes",
    ),
    Mutation(
        "the default chunk is smaller than the smallest",
        '"default": 256 << 10',
        '"default": 256',
        "capabilities/sizes",
    ),
    Mutation("a link that is not there is false", '"ticket": None', '"ticket": False', "capabilities/links"),
    Mutation(
        "a claim of its own making",
        'CLAIMS += ["durable-sessions"]',
        'CLAIMS += ["durable-sessions", "checksum"]',
        "capabilities/claims",
    ),
    # init
    Mutation("init answers 200", "return 201, told,", "return 200, told,", "init/created"),
    Mutation(
        "Location is missing",
        '{"Location": f"/upload/{told[\'sessionId\']}"}',
        "{}",
        "init/created",
    ),
    Mutation("48 random bits", "token_urlsafe(24)", "token_urlsafe(6)", "init/session-id"),
    Mutation(
        "sessions are numbered",
        "secrets.token_urlsafe(24)",
        "str(len(self.server.sessions) + 1)",
        "init/session-id",
    ),
    Mutation(
        "true is taken for 1",
        "type(document.get(name)) is not kind",
        "not isinstance(document.get(name), kind)",
        "init/file-size",
    ),
    Mutation(
        "a negative size is taken",
        "lambda size: 0 <= size < 1 << 63",
        "lambda size: size < 1 << 63",
        "init/file-size",
    ),
    Mutation(
        "the largest file is one byte larger",
        "ensure(size <= MAX_FILE_SIZE,",
        "ensure(size <= MAX_FILE_SIZE + 1,",
        "init/too-large",
    ),
    Mutation(
        "a file too large is noticed in the middle of the upload",
        "ensure(size <= MAX_FILE_SIZE,",
        "ensure(True,",
        "init/too-large",
    ),
    Mutation(
        "the clamp is missing",
        'clamped = min(max(wish, CHUNK_SIZE["minimum"]), CHUNK_SIZE["maximum"])',
        "clamped = wish",
        "init/chunk-size-clamped",
    ),
    Mutation(
        "the clamp has no upper end",
        'min(max(wish, CHUNK_SIZE["minimum"]), CHUNK_SIZE["maximum"])',
        'max(wish, CHUNK_SIZE["minimum"])',
        "init/chunk-size-clamped",
    ),
    Mutation(
        "any number of chunks",
        "max(clamped, -(-size // MOST_CHUNKS))",
        "clamped",
        "init/chunk-count",
    ),
    Mutation(
        "the number of chunks is rounded down",
        "-(-size // MOST_CHUNKS)",
        "size // MOST_CHUNKS",
        "init/chunk-count",
    ),
    Mutation(
        "control characters are taken",
        'if re.search("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]", name):',
        'if re.search("[\\ud800-\\udfff]", name):',
        "init/file-name",
    ),
    Mutation(
        "255 characters instead of bytes",
        "1 <= len(name.encode()) <= 255",
        "1 <= len(name) <= 255",
        "init/file-name",
    ),
    Mutation(
        "the path stays in the name",
        'name = re.split(r"[/\\\\]", text)[-1]',
        "name = text",
        "init/file-name-no-path",
    ),
    Mutation(
        "only slashes are taken for a path",
        'name = re.split(r"[/\\\\]", text)[-1]',
        'name = text.rpartition("/")[2]',
        "init/file-name-no-path",
    ),
    Mutation(
        "the members are not named",
        '"Some members are missing or wrong.", errors=errors)',
        '"Some members are missing or wrong.")',
        "init/members",
    ),
    Mutation(
        "a missing member is no mistake",
        "for name in needed + [",
        "for name in [name for name in needed if name in document] + [",
        "init/members",
    ),
    Mutation(
        "JSON is taken in any encoding",
        "json.loads(body.decode(), ",
        'json.loads(body.decode("latin-1"), ',
        "init/json",
    ),
    Mutation("NaN is taken", ", parse_constant=int)", ")", "init/json"),
    Mutation(
        "deep nesting falls over",
        "with suppress(ValueError, RecursionError):",
        "with suppress(ValueError):",
        "init/json",
    ),
    Mutation("JSON of any size is read", "self.length <= 64 << 10", "self.length", "init/json"),
    Mutation("a list will do", "isinstance(document, dict)", "document", "init/json"),
    Mutation(
        "a page of another site can send its text as JSON",
        'self.ensure_media_type("application/json")',
        "pass",
        "init/content-type",
    ),
    Mutation(
        "zero-byte files are refused",
        '"fileSize": (int, lambda size: 0 <= size',
        '"fileSize": (int, lambda size: 0 < size',
        "init/zero-bytes",
    ),
    # errors
    Mutation(
        "problems are plain JSON",
        '"application/problem+json" if status >= 400 else "application/json"',
        '"application/json"',
        "errors/problem-document",
    ),
    Mutation("errors in HTML", "def send_error(", "def send_problem(", "errors/no-internals"),
    Mutation(
        "problems have no title",
        '"title": title, "status": status',
        '"status": status',
        "errors/problem-document",
    ),
    Mutation(
        "uploadedBytes is missing from errors",
        'body["uploadedBytes"] = session["uploadedBytes"]',
        "pass",
        "errors/uploaded-bytes",
    ),
    Mutation(
        "a stack trace is shown",
        '"The body must be a JSON object."',
        '"".join(__import__("traceback").format_stack())',
        "errors/no-internals",
    ),
    Mutation(
        "a MIME type beyond ASCII falls over",
        '"mimeType": (str, re.compile("[ -~]{0,255}").fullmatch,',
        '"mimeType": (str, lambda text: text.encode("ascii"),',
        "errors/no-internals",
    ),
    Mutation(
        "an unknown path is 400",
        'ensure(methods, 404, "not-found"',
        'ensure(methods, 400, "not-found"',
        "errors/unknown-path",
    ),
    Mutation(
        "an unknown method is 404",
        'ensure(command in methods, 405, "method-not-allowed"',
        'ensure(command in methods, 404, "not-found"',
        "errors/unknown-path",
    ),
    Mutation("pages of any site may upload", "ensure(ours, 403", "ensure(True, 403", "errors/foreign-origin"),
    Mutation(
        "a page of no site in particular may upload",
        'ours = command == "GET" or origin is None or',
        'ours = command == "GET" or origin in (None, "null") or',
        "errors/foreign-origin",
    ),
    Mutation(
        "429 does not say when to come back",
        "if status in (429, 503):",
        "if status == 503:",
        "limits/too-many-sessions",
    ),
)
