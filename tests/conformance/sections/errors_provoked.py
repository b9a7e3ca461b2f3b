"""Every error that can be had by asking for it: for section `errors`, which looks at their form alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from tests.conformance.messages import Answer, NoAnswer
from tests.conformance.target import OCTETS, Target, Upload
from tests.conformance.ways import BEYOND, drop, file_path, post_form, text_part, upload_file

JSON = {"Content-Type": "application/json"}
Provoked = Iterator[tuple[str, str, Answer]]


def everywhere(target: Target) -> Provoked:
    """What was asked, the code that goes with it, and the answer: over all routes the server claims."""
    request = target.request
    yield "an unknown path", "not-found", request("GET", f"{target.address.prefix}/nothing-here")
    yield "an unknown method", "method-not-allowed", request("DELETE", f"{target.address.prefix}/upload")
    if "files" in target.claims:
        files = target.link("files")
        yield "an unknown file", "file-not-found", request("GET", f"{files}/nothing")
        yield "the content of one", "file-not-found", request("GET", f"{files}/nothing/content")
        file = upload_file(target, target.blob(50), "provoked.bin")
        outside = {"Range": "bytes=50-"}
        yield (
            "a range outside of a file",
            "range-not-satisfiable",
            request("GET", f"{file_path(target, file)}/content", headers=outside),
        )
    if "single-request" in target.claims:
        yield "a form without a file", "invalid-request", post_form(target, [text_part("name", "value")])
    if "dedup" in target.claims:
        preflight = target.link("preflight")
        yield "a preflight about nothing", "invalid-request", target.post_json(preflight, {})
        yield "a preflight of no JSON", "unsupported-media-type", request("POST", preflight, body=b"{}")
    if "chunked" in target.claims:
        yield from _init(target)
        yield from _unknown_session(target)
        yield from _session(target)


def _init(target: Target) -> Provoked:
    init = f"{target.upload_path}/init"
    request = target.request
    yield "an init of broken JSON", "invalid-request", request("POST", init, body=b"{", headers=JSON)
    yield "an init without members", "invalid-request", target.post_json(init, {})
    yield "an init of no JSON", "unsupported-media-type", request("POST", init, body=b"{}")
    if target.sizes.file < 2**63 - 1:
        yield "a file too large", "file-too-large", target.post_init(fileName="a", fileSize=2**63 - 1)


def _unknown_session(target: Target) -> Provoked:
    gone = Upload(f"{target.upload_path}/nothing", "nothing", b"", 1)
    yield "a chunk to an unknown session", "session-not-found", target.put(gone, 0, b"?")
    yield "completing one", "session-not-found", target.complete(gone)
    if "resume" in target.claims:
        yield "the status of one", "session-not-found", target.status(gone)
    if "cancel" in target.claims:
        yield "cancelling one", "session-not-found", target.cancel(gone)


def _session(target: Target) -> Provoked:
    upload = target.begin(target.blob(7))
    data, request = upload.data, target.request
    fields = {"x-upload-offset": "0", "Content-Type": OCTETS}
    yield (
        "no offset",
        "invalid-offset",
        request("PUT", upload.path, body=data, headers={"Content-Type": OCTETS}),
    )
    yield "another offset", "offset-mismatch", target.put(upload, BEYOND, data)
    yield "an empty chunk", "empty-chunk", target.put(upload, 0, b"")
    yield "too many bytes", "exceeds-declared-size", target.put(upload, 0, data + b"!")
    yield "too few bytes", "wrong-chunk-size", target.put(upload, 0, data[:-1])
    yield (
        "a chunk of text",
        "unsupported-media-type",
        target.put(upload, 0, data, {"Content-Type": "text/plain"}),
    )
    yield "chunked transfer", "length-required", _in_chunked_transfer(target, upload, fields)
    yield "completing too early", "upload-incomplete", target.complete(upload)
    if "integrity" in target.claims:
        digest = {"Content-Digest": f"sha-256=:{'A' * 43}=:"}
        yield "another digest", "checksum-mismatch", target.put(upload, 0, data, digest)
    target.put_chunks(upload)
    target.complete(upload)
    yield "a chunk after completion", "wrong-state", target.put(upload, 7, b"?")
    if "finalize" in target.claims:
        yield "another fingerprint", "fingerprint-mismatch", _rejected(target)[1]


def about_a_session(target: Target) -> Iterator[tuple[str, int, Answer]]:
    """What was asked, how many bytes were committed then, and the answer.

    Before the first chunk and after it: 0 is an offset as well, and easily taken for none.
    """
    upload = target.begin(target.blob(target.small + 7))
    for number, here in (0, 0), (1, upload.chunk_size):
        for what, answer in _refusals(target, upload, here, upload.chunk(number)):
            yield what, here, answer
        target.put_chunks(upload, number, number + 1)
    size = len(upload.data)
    yield "offset 0 again", size, target.put(upload, 0, upload.chunk(0))
    target.complete(upload)
    yield "a chunk after completion", size, target.put(upload, size, b"?")
    yield "the first chunk after completion", size, target.put(upload, 0, upload.chunk(0))
    if "finalize" in target.claims:
        rejected, answer = _rejected(target)
        yield "a file that is refused", len(rejected.data), answer
        yield "asking again for its completion", len(rejected.data), target.complete(rejected)
        yield "a chunk to it", len(rejected.data), target.put(rejected, len(rejected.data), b"?")
    drop(target, upload)


def _refusals(target: Target, upload: Upload, here: int, chunk: bytes) -> Iterator[tuple[str, Answer]]:
    request, complete = target.request, f"{upload.path}/complete"
    fields = {"x-upload-offset": str(here), "Content-Type": OCTETS}
    without_offset = {"Content-Type": OCTETS}
    yield "no offset", request("PUT", upload.path, body=chunk, headers=without_offset)
    yield "a malformed offset", target.put(upload, "0x0", chunk)
    yield "an offset too large", target.put(upload, BEYOND, chunk)
    yield "an empty chunk", target.put(upload, here, b"")
    yield "a chunk too small", target.put(upload, here, chunk[:-1])
    yield "a chunk that reaches too far", target.put(upload, here, bytes(len(upload.data) - here + 1))
    yield "a chunk of text", target.put(upload, here, chunk, {"Content-Type": "text/plain"})
    yield "a compressed chunk", target.put(upload, here, chunk, {"Content-Encoding": "gzip"})
    yield "chunked transfer", _in_chunked_transfer(target, upload, fields)
    # Here the client has sent less than it promised and closed its side; it need not get an answer.
    with suppress(NoAnswer), target.connect() as connection:
        head = target.base_headers() | fields | {"Content-Length": str(len(chunk))}
        connection.send_head("PUT", upload.path, head)
        connection.send(chunk[:-1])
        connection.half_close()
        yield "a body that ends early", connection.answer(5)
    if "integrity" in target.claims:
        for what, digest in ("another digest", "A" * 43 + "="), ("a malformed digest", "AAAA"):
            yield what, target.put(upload, here, chunk, {"Content-Digest": f"sha-256=:{digest}:"})
    yield "completing too early", request("POST", complete)
    yield "completing with broken JSON", request("POST", complete, body=b"{", headers=JSON)
    yield (
        "completing with a text",
        request("POST", complete, body=b"{}", headers={"Content-Type": "text/plain"}),
    )
    yield "completing with no fingerprint", target.post_json(complete, {"fingerprint": 5})


def _rejected(target: Target) -> tuple[Upload, Answer]:
    """A finished upload whose bytes are not those that were announced."""
    upload = target.begin(target.blob(9), fingerprint="0" * 64)
    target.put_chunks(upload)
    return upload, target.complete(upload)


def _in_chunked_transfer(target: Target, upload: Upload, fields: Mapping[str, str]) -> Answer:
    with target.connect() as connection:
        head = target.base_headers() | dict(fields) | {"Transfer-Encoding": "chunked"}
        connection.send_head("PUT", upload.path, head)
        connection.send(b"1\r\n?\r\n0\r\n\r\n")
        return connection.answer()
