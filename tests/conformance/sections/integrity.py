"""PROTOCOL.md, section `integrity`."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Final

from tests.conformance.case import MUST, Section
from tests.conformance.expect import expect
from tests.conformance.results import expect_bytes
from tests.conformance.target import Target
from tests.conformance.ways import expect_committed, variant

SECTION: Final = Section("integrity", claim="integrity")


def member(algorithm: str, digest: bytes) -> str:
    """One digest as RFC 9530 writes it."""
    return f"{algorithm}=:{b64encode(digest).decode()}:"


def sha256(data: bytes) -> str:
    """The digest that the protocol knows."""
    return member("sha-256", hashlib.sha256(data).digest())


@SECTION.case("digest-match", MUST, "`Content-Digest: sha-256=:…:` that matches its chunk is accepted.")
def digest_match(target: Target) -> None:
    upload = target.begin(chunks=2.5)
    for number, (what, extra) in enumerate(
        (
            ("sha-256 alone", ""),
            ("sha-256 behind another algorithm", member("sha-512", hashlib.sha512(upload.chunk(1)).digest())),
            ("the last chunk", ""),
        )
    ):
        offset, body = number * upload.chunk_size, upload.chunk(number)
        with variant(what):
            digest = f"{extra}, {sha256(body)}" if extra else sha256(body)
            answer = target.put(upload, offset, body, {"Content-Digest": digest})
            expect(answer, status=200, uploadedBytes=offset + len(body))
    expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)


@SECTION.case(
    "digest-mismatch", MUST, "One that does not match is 400 checksum-mismatch; nothing is committed."
)
def digest_mismatch(target: Target) -> None:
    upload = target.begin(chunks=1.5)
    for number in range(2):
        offset, body = number * upload.chunk_size, upload.chunk(number)
        flipped = body[:-1] + bytes([body[-1] ^ 1])
        right = sha256(body)
        for what, sent, digest in (
            ("the last byte arrived altered", flipped, right),
            ("other bytes arrived", target.blob(len(body), "other"), right),
            ("the digest of nothing", body, sha256(b"")),
            ("the digest of the whole file", body, sha256(upload.data)),
            ("thirty-two zero bytes", body, member("sha-256", bytes(32))),
            (
                "a right sha-512 beside",
                body,
                f"{member('sha-512', hashlib.sha512(body).digest())}, {sha256(b'')}",
            ),
        ):
            with variant(f"chunk {number + 1}: {what}"):
                answer = target.put(upload, offset, sent, {"Content-Digest": digest})
                expect(answer, status=400, code="checksum-mismatch")
                expect_committed(target, upload, offset)
        with variant(f"chunk {number + 1}: sent again as it should be"):
            answer = target.put(upload, offset, body, {"Content-Digest": right})
            expect(answer, status=200, uploadedBytes=offset + len(body))
    expect_bytes(target, target.finish(upload, first=upload.chunks), upload.data)


@SECTION.case(
    "digest-malformed", MUST, "A sha-256 that is none is 400 invalid-request; other algorithms are ignored."
)
def digest_malformed(target: Target) -> None:
    upload = target.begin(chunks=3.5)
    first = upload.chunk(0)
    digest = hashlib.sha256(first)
    for what, value in (
        ("no colons", f"sha-256={b64encode(digest.digest()).decode()}"),
        ("hexadecimal digits", f"sha-256=:{digest.hexdigest()}:"),
        ("31 bytes", member("sha-256", digest.digest()[:31])),
        ("33 bytes", member("sha-256", digest.digest() + b"!")),
        ("no bytes", "sha-256=::"),
        ("nothing", "sha-256="),
        ("no base64", "sha-256=:" + "!" * 44 + ":"),
        ("no end", sha256(first)[:-1]),
    ):
        with variant(f"{what}: {value}"):
            answer = target.put(upload, 0, first, {"Content-Digest": value})
            expect(answer, status=400, code="invalid-request")
            expect_committed(target, upload, 0)
    wrong = (
        member("sha-512", bytes(64)),
        f"{member('md5', bytes(16))}, {member('unixsum', b'00')}",
        member("x-sha-256", bytes(32)),
    )
    for number, value in enumerate(wrong):
        offset, body = number * upload.chunk_size, upload.chunk(number)
        with variant(f"wrong, but of another algorithm: {value}"):
            answer = target.put(upload, offset, body, {"Content-Digest": value})
            expect(answer, status=200, uploadedBytes=offset + len(body))
    expect_bytes(target, target.finish(upload, first=len(wrong)), upload.data)
