"""PROTOCOL.md, section `init`: what opens a session, and with which sizes."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from tests.conformance.case import MUST, NotApplicable, Section
from tests.conformance.expect import expect, require, same, same_bytes, shown
from tests.conformance.forms import (
    URL_SAFE,
    altered,
    expect_file,
    members,
    moment,
    most_random_bits,
    number,
    server_time,
    text,
)
from tests.conformance.messages import Answer
from tests.conformance.sections import init_names as names
from tests.conformance.sections import init_refusals as refusals
from tests.conformance.target import OCTETS, Target, Upload
from tests.conformance.ways import drop, drop_opened, variant

SECTION: Final = Section("init", claim="chunked")

MOST_CHUNKS: Final = 10_000
LARGEST: Final = 2**63 - 1
SAMPLE: Final = 40
BITS: Final = 128
CLOCKS_APART: Final = timedelta(minutes=5)


def opened(target: Target, **members: object) -> Answer:
    """An init that is accepted, and its session dropped again."""
    answer = target.post_init(**({"fileName": "case.bin", "fileSize": 7} | members))
    drop_opened(target, answer)
    expect(answer, status=201)
    return answer


@SECTION.case(
    "created",
    MUST,
    "Answer 201 with sessionId, uploadedBytes 0, fileSize, chunkSize, expiresAt; `Location: /upload/<id>`.",
)
def created(target: Target) -> None:
    for size in (0, 1, 12345):
        with variant(f"a file of {size:,} bytes"):
            answer = opened(target, fileSize=size)
            same(answer.media_type, "application/json", "the Content-Type of the answer to init")
            expect(answer, status=201, uploadedBytes=0, fileSize=size)
            told = answer.json
            session_id = text(told.get("sessionId"), "sessionId")
            number(told.get("chunkSize"), "chunkSize", least=1)
            location = answer.header("Location")
            require(location, f"Location: {target.upload_path}/{session_id}", "no Location")
            wanted = urlsplit(f"{target.upload_path}/{session_id}").path
            same(urlsplit(location or "").path, wanted, "the path in Location")
            _expires(target, answer)


def _expires(target: Target, answer: Answer) -> None:
    expires = moment(answer.json.get("expiresAt"), "expiresAt")
    lifetime = target.capabilities.get("sessionTtl")
    if isinstance(lifetime, (int, float)):
        wanted = server_time(answer) + timedelta(seconds=lifetime)
        near = abs(expires - wanted) < CLOCKS_APART
        require(near, f"expiresAt sessionTtl from now, about {wanted:%Y-%m-%dT%H:%M:%SZ}", str(expires))


@SECTION.case(
    "session-id", MUST, "`sessionId` is URL-safe, carries at least 128 random bits, and never repeats."
)
def session_id(target: Target) -> None:
    answers = [target.post_init(fileName="same.bin", fileSize=7) for _ in range(SAMPLE)]
    for answer in answers:
        drop_opened(target, answer)
        expect(answer, status=201)
    ids = [str(answer.json.get("sessionId")) for answer in answers]
    for each in ids:
        require(URL_SAFE.fullmatch(each), "a sessionId of letters, digits and -._~", shown(each))
    same(len(set(ids)), SAMPLE, f"the number of different ids in {SAMPLE} sessions of the same file")
    bits = most_random_bits(ids)
    require(bits >= BITS, f"at least {BITS} random bits in a sessionId", f"{bits:.0f}, as in {ids[0]!r}")

    upload = target.begin(target.blob(7))
    guess = f"{target.upload_path}/{altered(upload.session_id)}"
    fields = {"x-upload-offset": "0", "Content-Type": OCTETS}
    with variant("a chunk to an id that was never given out"):
        answer = target.request("PUT", guess, body=upload.data, headers=fields)
        expect(answer, status=404, code="session-not-found")
    expect(target.put(upload, 0, upload.data), status=200)
    drop(target, upload)


SECTION.case(
    "file-size",
    MUST,
    "`fileSize` is an integer from 0 on; a bool, fraction, string, negative or absurd number is 400.",
)(refusals.file_size)


@SECTION.case(
    "too-large", MUST, "More than `maxFileSize` is 413 `file-too-large`, here and not in mid-upload."
)
def too_large(target: Target) -> None:
    most = target.sizes.file
    with variant("exactly maxFileSize"):
        answer = target.post_init(fileName="case.bin", fileSize=most)
        drop_opened(target, answer)
        # There may be no room for it just now; that is another matter.
        expect(answer, status=(201, 507))
    if most >= LARGEST:
        raise NotApplicable("maxFileSize is the largest size there is")
    for size in sorted({most + 1, min(most * 2 + 2, LARGEST), LARGEST}):
        with variant(f"{size:,} bytes, where maxFileSize is {most:,}"):
            answer = target.post_init(fileName="case.bin", fileSize=size)
            drop_opened(target, answer)
            expect(answer, status=413, code="file-too-large")


@SECTION.case(
    "chunk-size-clamped",
    MUST,
    "`chunkSize` is the client's wish, or the default, clamped to minimum and maximum.",
)
def chunk_size_clamped(target: Target) -> None:
    sizes = target.sizes
    with variant("no wish"):
        same(opened(target).json.get("chunkSize"), sizes.default, "chunkSize")
    middle = (sizes.minimum + sizes.maximum) // 2
    wishes = [1, sizes.minimum - 1, sizes.minimum, sizes.minimum + 1, middle]
    wishes += [sizes.maximum - 1, sizes.maximum, sizes.maximum + 1, sizes.maximum * 10, 2**53]
    for wish in sorted({wish for wish in wishes if wish >= 1}):
        with variant(f"a wish of {wish:,}, where {sizes.minimum:,} to {sizes.maximum:,} are possible"):
            clamped = max(sizes.minimum, min(wish, sizes.maximum))
            same(opened(target, chunkSize=wish).json.get("chunkSize"), clamped, "chunkSize")


@SECTION.case("chunk-count", MUST, "`chunkSize` is raised so that the file needs no more than 10,000 chunks.")
def chunk_count(target: Target) -> None:
    sizes = target.sizes
    enough = sizes.minimum * MOST_CHUNKS
    if sizes.file <= enough:
        raise NotApplicable(
            f"no file up to maxFileSize needs more than {MOST_CHUNKS:,} of the smallest chunks"
        )
    with variant(f"a file of exactly {MOST_CHUNKS:,} of the smallest chunks"):
        answer = opened(target, fileSize=enough, chunkSize=sizes.minimum)
        same(answer.json.get("chunkSize"), sizes.minimum, "chunkSize, which need not be raised")
    for size in sorted({enough + 1, (enough + sizes.file) // 2, sizes.file}):
        with variant(f"a file of {size:,} bytes with a wish for {sizes.minimum:,}"):
            answer = opened(target, fileSize=size, chunkSize=sizes.minimum)
            told = number(answer.json.get("chunkSize"), "chunkSize", least=1)
            chunks = -(-size // told)
            require(chunks <= MOST_CHUNKS, f"at most {MOST_CHUNKS:,} chunks", f"{chunks:,} of {told:,} bytes")
            require(told <= sizes.maximum, f"chunkSize to stay within {sizes.maximum:,}", f"{told:,}")


SECTION.case(
    "file-name",
    MUST,
    "`fileName` is 1 to 255 bytes of UTF-8 without control characters, else 400.",
)(names.file_name)


SECTION.case(
    "file-name-no-path",
    MUST,
    "`fileName` is metadata and never a path: a directory prefix is cut off; nothing appears elsewhere.",
)(names.file_name_no_path)

SECTION.case(
    "members",
    MUST,
    "A member that is missing or of the wrong type is 400 `invalid-request`, with `errors` naming it.",
)(refusals.members)

SECTION.case(
    "json",
    MUST,
    "A body that is no JSON object (malformed, a list, not UTF-8, nested deep, over 64 KiB) is 400.",
)(refusals.no_json)

SECTION.case(
    "content-type",
    MUST,
    "A body that is not `application/json` is 415 `unsupported-media-type`.",
)(refusals.content_type)


@SECTION.case("zero-bytes", MUST, "A file of zero bytes is ordinary: init, then complete.")
def zero_bytes(target: Target) -> None:
    upload: Upload = target.begin(b"", fileName="empty.bin")
    answer = target.complete(upload)
    expect(answer, status=200, state="completed")
    file = members(answer.json.get("file"), "FILE in the answer to complete")
    expect_file(file, b"", "FILE")
    if "files" in target.claims:
        content = target.content(file)
        expect(content, status=200)
        same_bytes(content.body, b"", "a file")
