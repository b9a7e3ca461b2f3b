"""PROTOCOL.md, section `capabilities`.

These cases ask anew at a fixed address: what the other cases take from the document is on trial here.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from tests.conformance.case import MUST, Section
from tests.conformance.expect import expect, require, same, shown
from tests.conformance.forms import elements, members, number, text
from tests.conformance.target import Target
from tests.conformance.ways import variant

SECTION: Final = Section("capabilities")

MEMBERS: Final = ("protocol", "level", "claims", "maxFileSize", "chunkSize", "sessionTtl", "links")
LINKS: Final = ("upload", "files", "preflight", "ticket")
CLAIMS: Final = frozenset(
    {
        *("chunked", "resume", "integrity", "finalize", "dedup", "cancel", "expiry", "shutdown"),
        *("durable-sessions", "several-servers", "files", "single-request", "tickets", "callback"),
    }
)
LARGEST: Final = 2**63 - 1


def document(target: Target) -> dict[str, Any]:
    """What ``GET /upload`` answers now."""
    answer = target.request("GET", f"{target.address.prefix}/upload")
    expect(answer, status=200)
    same(answer.media_type, "application/json", "the Content-Type of the capabilities")
    require(answer.json, "a JSON object as the capabilities", answer.in_words)
    return answer.json


@SECTION.case(
    "document", MUST, "`GET /upload` is 200 with protocol, level, claims, sizes, lifetime and links."
)
def whole_document(target: Target) -> None:
    told = document(target)
    for member in MEMBERS:
        require(member in told, f"the member {member} (null where it has no meaning)", "it is missing")
    same(told["protocol"], 1, "protocol")
    number(told["level"], "level", least=1)
    members(told["links"], "links")


@SECTION.case(
    "sizes",
    MUST,
    "`chunkSize` is {default, minimum, maximum} with 1 ≤ minimum ≤ default ≤ maximum, or null where files "
    "are not cut; `maxFileSize` is a size; `sessionTtl` is seconds, or null where there are no sessions.",
)
def sizes(target: Target) -> None:
    told = document(target)
    largest, lifetime = number(told.get("maxFileSize"), "maxFileSize"), told.get("sessionTtl")
    require(largest <= LARGEST, "maxFileSize to fit in 63 bits", shown(largest))
    if "chunked" not in target.claims:
        same(told.get("chunkSize"), None, "chunkSize of a server that cuts nothing")
        same(lifetime, None, "sessionTtl of a server without sessions")
        return
    chunk = members(told.get("chunkSize"), "chunkSize")
    least, usual, most = (number(chunk.get(n), f"chunkSize.{n}") for n in ("minimum", "default", "maximum"))
    require(1 <= least <= usual <= most <= LARGEST, "1 ≤ minimum ≤ default ≤ maximum", shown(chunk))
    lasting = isinstance(lifetime, int | float) and not isinstance(lifetime, bool) and lifetime > 0
    require(lasting, "sessionTtl to be a number of seconds, since there are sessions", shown(lifetime))


@SECTION.case(
    "links", MUST, "`links` has `upload` and `files`, `preflight` and `ticket`, each an address or null."
)
def links(target: Target) -> None:
    told = members(document(target).get("links"), "links")
    for name in LINKS:
        require(name in told, f"links.{name} (null where there is none)", "it is missing")
        link = told[name]
        require(
            link is None or (isinstance(link, str) and link), f"links.{name} to be an address", shown(link)
        )
    needed = {
        "chunked": ("upload", "POST", "/init"),
        "single-request": ("upload", "POST", ""),
        "files": ("files", "GET", ""),
        "dedup": ("preflight", "POST", ""),
    }
    for claim, (name, method, rest) in needed.items():
        if claim not in target.claims:
            continue
        require(told[name] is not None, f"links.{name}, since {claim} is claimed", "null")
        if urlsplit(told[name]).netloc:
            continue  # another server's, which is not the one under test
        path = urljoin(f"{target.address.prefix}/upload", told[name])
        with variant(f"following links.{name}"):
            # An empty request is enough to see that somebody is there; what it should say is for others.
            answer = target.request(method, path.rstrip("/") + rest)
            there = answer.status not in (404, 405) and answer.status < 500
            require(there, f"somebody to answer {method} {path}{rest}", answer.in_words)


@SECTION.case("claims", MUST, "`claims` is a list of names from the protocol's table.")
def claims(target: Target) -> None:
    told = elements(document(target).get("claims"), "claims")
    for name in told:
        require(
            text(name, "every claim") in CLAIMS, f"claims out of {', '.join(sorted(CLAIMS))}", shown(name)
        )
    # The claims are what everything else here goes by; if they come and go, nothing can be said.
    same(sorted(told), sorted(target.claims), "the claims, asked for a second time")
