"""Magic bytes: honest files of every family pass, disguises do not, and no bytes break it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.content import HEAD_SIZE, UNKNOWN, check_content, detect_type
from shared.errors import ContentRejected
from shared.signatures import FAMILIES
from tests.unit.content_samples import (
    ANY,
    DISGUISED,
    GIF,
    HONEST,
    MZ,
    zipped,
)


def numbered(cases: Sequence[tuple[Any, ...]]) -> list[str]:
    """Ids without the bytes: archives carry the time they were made at, and each worker makes its own."""
    return [f"{number}-{case[0]}" for number, case in enumerate(cases)]


@pytest.mark.parametrize(("name", "head", "mime_type"), HONEST, ids=numbered(HONEST))
def test_an_honest_file_passes_and_is_called_what_it_is(name: str, head: bytes, mime_type: str) -> None:
    assert check_content(head, name, "", ANY) == mime_type
    assert detect_type(head) == mime_type


@pytest.mark.parametrize(("name", "head"), DISGUISED, ids=numbered(DISGUISED))
def test_a_disguise_is_rejected(name: str, head: bytes) -> None:
    with pytest.raises(ContentRejected) as caught:
        check_content(head, name, "", ANY)
    assert caught.value.detail.startswith("The name or type claims a")
    assert ("it is empty" if not head else detect_type(head)) in caught.value.detail


# The browser's word is a claim like the name.


@pytest.mark.parametrize(
    "claimed", ["image/jpeg", "IMAGE/JPEG", " image/jpeg ", "image/jpeg; charset=binary", "image/pjpeg"]
)
def test_the_mime_type_is_a_claim_too(claimed: str) -> None:
    assert check_content(b"\xff\xd8\xff\xe0", "picture", claimed, ANY) == "image/jpeg"
    with pytest.raises(ContentRejected, match="JPEG"):
        check_content(MZ, "picture", claimed, ANY)


@pytest.mark.parametrize(
    "claimed", ["", "application/octet-stream", "text/plain", "application/vnd.ms-excel", "nonsense", "; ;"]
)
def test_a_mime_type_without_a_signature_claims_nothing(claimed: str) -> None:
    assert check_content(b"a,b\n1,2\n", "table.csv", claimed, ANY) == UNKNOWN


def test_both_claims_have_to_hold() -> None:
    for name, claimed in (("a.jpg", "image/png"), ("a.png", "image/jpeg")):
        with pytest.raises(ContentRejected):
            check_content(b"\xff\xd8\xff\xe0", name, claimed, ANY)


# The allow-list is about the bytes.


def test_the_allow_list_names_types_of_bytes() -> None:
    allowed = frozenset({"image/png", "image/jpeg"})
    assert check_content(b"\xff\xd8\xff\xe0", "a.jpg", "", allowed) == "image/jpeg"
    for name, head in (("a.gif", GIF), ("a.txt", b"text"), ("a.txt", b""), ("a", MZ)):
        with pytest.raises(ContentRejected, match="taken are only image/jpeg, image/png"):
            check_content(head, name, "", allowed)


def test_a_claim_does_not_help_past_the_allow_list() -> None:
    with pytest.raises(ContentRejected, match="image/gif"):
        check_content(GIF, "a.dat", "application/x-something", frozenset({"application/x-something"}))


# What it cannot do, so that nobody relies on it.


def test_a_polyglot_is_what_it_begins_with() -> None:
    gifar = GIF + zipped("Evil.class")
    assert check_content(gifar, "picture.gif", "image/gif", ANY) == "image/gif"
    pdf_in_gif = GIF + b"%PDF-1.7"
    assert check_content(pdf_in_gif, "picture.gif", "", ANY) == "image/gif"
    assert check_content(pdf_in_gif, "paper.pdf", "", ANY) == "image/gif"


# The table itself.


def test_every_family_has_an_honest_file_here() -> None:
    for family in FAMILIES:
        mine = [head for name, head, _ in HONEST if family.claimed_by(name.rpartition(".")[2].lower(), "")]
        assert mine, family.name
        assert all(family.carried(head) for head in mine), family.name
        assert not family.carried(b""), family.name


def test_the_lists_are_lower_case_and_name_nothing_twice() -> None:
    for words in ("extensions", "types"):
        listed = [word for family in FAMILIES for word in getattr(family, words).split()]
        assert sorted(set(listed)) == sorted(listed)
        assert all(word == word.lower() for word in listed)
    assert all("/" in word for family in FAMILIES for word in family.types.split())
    assert all(family.says in ("", *family.types.split()) for family in FAMILIES)


beginnings = st.sampled_from([head[:64] for _, head, _ in HONEST])


@given(head=st.binary(max_size=200) | st.builds(lambda a, b: a + b, beginnings, st.binary(max_size=64)))
def test_no_bytes_break_it(head: bytes) -> None:
    mime_type = detect_type(head)
    assert "/" in mime_type
    assert check_content(head, "x.bin", "", ANY) == mime_type


@given(head=beginnings, cut=st.integers(0, 64))
def test_a_file_cut_short_does_not_break_it_either(head: bytes, cut: int) -> None:
    assert "/" in detect_type(head[:cut])


@given(name=st.text(), claimed=st.text())
def test_no_name_breaks_it(name: str, claimed: str) -> None:
    try:
        assert check_content(b"plain text", name, claimed, ANY) == UNKNOWN
    except ContentRejected as rejected:
        assert "claims a" in rejected.detail  # noqa: PT017 - either is fine; this is what a refusal says


def test_bytes_after_the_head_do_not_matter() -> None:
    head = (b"%" * 100).ljust(HEAD_SIZE, b" ")
    assert detect_type(head + b"%PDF-1.7") == detect_type(head) == UNKNOWN
