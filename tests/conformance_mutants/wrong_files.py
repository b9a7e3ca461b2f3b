"""Mistakes with the finished files."""

from __future__ import annotations

from typing import Final

from tests.conformance_mutants.mutation import Mutation

MUTATIONS: Final = (
    Mutation("the oldest file comes first", "self.server.files[::-1]", "self.server.files[:]", "files/list"),
    Mutation(
        "a page begins with the last entry of the one before",
        "enumerate(newest, 1)}",
        "enumerate(newest)}",
        "files/list",
    ),
    Mutation(
        "the list ends after a page",
        'page[-1]["fileId"] if len(page) < len(rest) else None',
        "None",
        "files/list",
    ),
    Mutation("limit is not kept", "page = rest[: min(int(limit), 500)]", "page = rest[:500]", "files/list"),
    Mutation("a file not found is just not found", '404, "file-not-found"', '404, "not-found"', "files/one"),
    Mutation(
        "FILE has a member too few",
        "return 200, file, {}",
        'return 200, {name: file[name] for name in file if name != "createdAt"}, {}',
        "files/one",
    ),
    Mutation("ETag is missing", 'headers = {"ETag": etag, ', "headers = {", "files/content"),
    Mutation(
        "the last byte is missing",
        "status, start, stop = 200, 0, size",
        "status, start, stop = 200, 0, size - 1",
        "files/content",
    ),
    Mutation(
        "Range is off by one",
        "min(size, int(wanted[2]) + 1)",
        "min(size, int(wanted[2]))",
        "files/range",
    ),
    Mutation("the end of a file is its beginning", "max(0, size - int(wanted[2]))", "0", "files/range"),
    Mutation("Range is ignored", "if wanted and wanted[0]", "if False and wanted[0]", "files/range"),
    Mutation(
        "Content-Range counts to one past the end", "-{stop - 1}/{size}", "-{stop}/{size}", "files/range"
    ),
    Mutation(
        "a range outside the file is the empty one",
        "ensure(start < stop, 416",
        "ensure(True, 416",
        "files/range",
    ),
    Mutation(
        "If-None-Match is ignored",
        'if etag in self.headers.get("If-None-Match", "")',
        "if False",
        "files/etag",
    ),
    Mutation(
        "If-Range is ignored",
        ' and self.headers.get("If-Range", etag) == etag',
        "",
        "files/etag",
    ),
    Mutation(
        "the file is shown in the browser",
        'f"attachment; filename=',
        'f"inline; filename=',
        "files/attachment",
    ),
    Mutation("a name beyond ASCII is lost", "; filename*=UTF-8''{real}", "", "files/attachment"),
    Mutation("a name's quotes are not escaped", '["\\\\%]', "[%]", "files/attachment"),
    Mutation(
        "nosniff is missing", 'headers["X-Content-Type-Options"] = "nosniff"', "pass", "files/attachment"
    ),
    Mutation(
        "scripts may run",
        'headers["Content-Security-Policy"] = "default-src \'none\'; sandbox"',
        "pass",
        "files/attachment",
    ),
)
