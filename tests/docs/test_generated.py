"""What the documentation says about the code is what the code says."""

from __future__ import annotations

import re

import pytest

from shared import errors
from shared.problems import STATUS
from tests.docs.generate import GENERATED, ROOT, current

PROTOCOL = (ROOT / "shared" / "PROTOCOL.md").read_text()


@pytest.mark.parametrize("document", sorted(GENERATED))
def test_generated_parts_are_current(document: str) -> None:
    assert (ROOT / document).read_text() == current(document), "run `make docs`"


def test_every_error_code_stands_in_the_protocol_with_its_status() -> None:
    table = {
        code: row
        for row in PROTOCOL.splitlines()
        if row.startswith("| `")
        for code in re.findall(r"`([a-z-]+)`", row.split("|")[1])
    }
    for kind, status in STATUS.items():
        assert str(int(status)) in table[kind.code], f"{kind.code} is {int(status)}"


def test_every_error_has_a_status() -> None:
    kinds = {errors.UploadError}
    while missing := {sub for kind in kinds for sub in kind.__subclasses__()} - kinds:
        kinds |= missing
    without = {kind for kind in kinds if STATUS.keys().isdisjoint(kind.__mro__)}
    assert without == {errors.UploadError, errors.Refused}


def test_requirements_have_unique_slugs_and_a_word() -> None:
    slugs = re.findall(r'^- <a id="([a-z-]+/[a-z-]+)"></a>`\1` \((?:MUST|SHOULD)\): ', PROTOCOL, re.MULTILINE)
    assert len(slugs) == len(set(slugs)) == PROTOCOL.count("<a id=")
    sections = set(re.findall(r"^## ([a-z-]+)$", PROTOCOL, re.MULTILINE)) | {"client"}
    assert {slug.split("/")[0] for slug in slugs} == sections
