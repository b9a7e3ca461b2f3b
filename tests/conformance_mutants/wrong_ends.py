"""Mistakes at the end of an upload: completion, finalization, duplicates, cancelling, expiry, shutdown."""

from __future__ import annotations

from typing import Final

from tests.conformance_mutants.mutation import Mutation

TTL: Final = 2.0
UPLOADING: Final = 'if session["state"] == "uploading":'

BUSY: Final = "self.busy: set[Handler] = set()"

MUTATIONS: Final = (
    Mutation(
        "complete does not say whether it was a duplicate",
        'for name in ("state", "file", "duplicate")}',
        'for name in ("state", "file")}',
        "complete/done",
    ),
    Mutation("complete before all bytes", "ensure(whole, 409", "ensure(True, 409", "complete/incomplete"),
    Mutation(
        "complete when one byte is missing",
        'whole = session["uploadedBytes"] == session["fileSize"]',
        'whole = session["uploadedBytes"] + 1 >= session["fileSize"]',
        "complete/incomplete",
    ),
    Mutation(
        "a repeated complete is a conflict",
        UPLOADING,
        'if ensure(session["state"] == "uploading", 409, "wrong-state", "It is over.") is None:',
        "complete/idempotent",
    ),
    Mutation(
        "a second record on a repeated complete",
        "with self.server.lock:  # of two that ask at once, the second finds what the first has done",
        "if True:",
        "complete/one-record",
    ),
    Mutation(
        "an upload is listed from its beginning",
        "self.path(session).touch()",
        "self.path(session).touch(); "
        'self.files.append(session | {"fingerprint": "0" * 64, "createdAt": stamp()})',
        "complete/visible-at-once",
    ),
    # finalize
    Mutation(
        "the client's fingerprint is believed",
        'fingerprint = hashlib.file_digest(stored, "sha256").hexdigest()',
        'fingerprint = claim or hashlib.file_digest(stored, "sha256").hexdigest()',
        "finalize/fingerprint",
    ),
    Mutation(
        "the fingerprint of init is forgotten",
        'self.server.finalize(session, claim or session["claim"])',
        "self.server.finalize(session, claim)",
        "finalize/fingerprint",
    ),
    Mutation(
        "names claim nothing",
        '(session["mimeType"] == kind or name.endswith(endings))',
        'session["mimeType"] == kind',
        "finalize/content-rejected",
    ),
    Mutation(
        "types claim nothing",
        '(session["mimeType"] == kind or name.endswith(endings))',
        "name.endswith(endings)",
        "finalize/content-rejected",
    ),
    Mutation(
        "the client's type is believed",
        '"mimeType": next(kinds, OCTETS)',
        '"mimeType": session["mimeType"] or next(kinds, OCTETS)',
        "finalize/mime-type",
    ),
    Mutation(
        "after a refusal the upload goes on",
        'session = self.save(session, state="rejected", problem=problem)',
        "raise Problem(422, **problem)",
        "finalize/rejected-state",
    ),
    Mutation(
        "two fingerprints: the second counts",
        "ensure(agree,",
        "ensure(True,",
        "finalize/contradiction",
    ),
    # dedup
    Mutation("preflight does not say no", 'else {"exists": False}', "else {}", "dedup/unknown"),
    Mutation(
        "preflight does not say which", '{"exists": True, "file": file}', '{"exists": True}', "dedup/known"
    ),
    Mutation(
        "the size of a known file is not compared",
        ' and f["fileSize"] == size',
        "",
        "dedup/known",
    ),
    Mutation("a fingerprint in capitals is taken", '"[0-9a-f]{64}"', '"[0-9a-fA-F]{64}"', "dedup/malformed"),
    Mutation(
        "a duplicate makes a second record",
        "if file is None:",
        "if True:",
        "dedup/duplicate-upload",
    ),
    Mutation(
        "a duplicate is not called one",
        'duplicate = file is not None and file["fileId"] != session["fileId"]',
        "duplicate = False",
        "dedup/duplicate-upload",
    ),
    Mutation(
        "who knows the hash gets the file",
        "ensure(agree, 400,",
        'if known := self.server.find_bytes(session["claim"] or "", session["fileSize"]): '
        'return 200, {"state": "completed", "file": known, "duplicate": True}, {}  #',
        "dedup/claim-gives-nothing",
    ),
    # cancel
    Mutation("cancel answers 200", "return 204, ()", "return 200, {}", "cancel/gone"),
    Mutation(
        "cancel keeps the session",
        'self.server.save(session, expiresAt="")',
        "pass",
        "cancel/gone",
    ),
    Mutation(
        "cancel keeps the bytes",
        'uploading = {each["fileId"] for each in self.sessions.values() if each["state"] == "uploading"}',
        "uploading = {path.name for path in (self.data / 'bytes').iterdir()}",
        "cancel/storage-freed",
    ),
    Mutation(
        "cancel removes the finished file",
        'self.server.save(session, expiresAt="")',
        'self.server.save(session, expiresAt=""); self.server.files[:] = '
        '[f for f in self.server.files if f["fileId"] != session["fileId"]]',
        "cancel/completed",
    ),
    # expiry
    Mutation(
        "sessions live a thousand times longer",
        '{"expiresAt": stamp(self.ttl)}',
        '{"expiresAt": stamp(self.ttl * 1000)}',
        "expiry/expires",
        ttl=TTL,
    ),
    Mutation(
        "the lifetime counts from init",
        'session | {"expiresAt": stamp(self.ttl)} | changes',
        '{"expiresAt": stamp(self.ttl)} | session | changes',
        "expiry/extended",
        ttl=TTL,
    ),
    Mutation(
        "expiry forgets the storage",
        'uploading = {each["fileId"] for each in self.sessions.values() if each["state"] == "uploading"}',
        "uploading = {path.name for path in (self.data / 'bytes').iterdir()}",
        "expiry/storage-freed",
        ttl=TTL,
    ),
    Mutation(
        "the file goes with its session",
        'needed = uploading | {file["fileId"] for file in self.files}',
        'needed = {each["fileId"] for each in self.sessions.values()}',
        "expiry/file-stays",
        ttl=TTL,
    ),
    # shutdown
    Mutation(
        "chunks in flight are cut off",
        "SILENCE, GRACE = 8.0, 4.0",
        "SILENCE, GRACE = 8.0, 0.0",
        "shutdown/graceful",
    ),
    # several-servers
    Mutation(
        "behind one address, two servers with sessions of their own",
        BUSY,
        f"{BUSY}; CLAIMS.append('several-servers'); self.sessions = type('Two', (dict,), "
        "{'get': lambda all, key, none=None: dict.get(all, key, none) if time.time_ns() >> 20 & 1 else none})"
        "(self.sessions)",
        "several-servers/any-server",
    ),
    Mutation(
        "each of several servers accepts the chunk that it is sent",
        BUSY,
        f"{BUSY}; CLAIMS.append('several-servers'); "
        "Handler.agreed_offset = lambda request, session: int(request.headers['x-upload-offset'])",
        "several-servers/one-writer",
    ),
)
