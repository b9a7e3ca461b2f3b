"""Level 4 over the stores that several machines share."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

import pytest

from tests.level4.halves import CHUNK, Halves
from tests.oracle import some_bytes
from tests.services import STORES


@pytest.mark.parametrize("kind", ["postgresql", "redis"])
def test_a_service_dies_and_the_other_goes_on(halves: Halves, kind: str) -> None:
    halves.environment = {
        "UPLOAD_SESSIONS": STORES[kind](halves.folder),
        "UPLOAD_CATALOGUE": STORES["postgresql"](halves.folder / "catalogue"),
    }
    halves.application()
    one, other = halves.service(), halves.service()
    uploads = [halves.begin(one, f"film {n}.bin", some_bytes(50_000, n)) for n in range(3)]
    for upload in uploads:
        assert upload.put().status == HTTPStatus.OK
    with uploads[0].begin(0.5):
        one.kill()
    there = [replace(upload, server=other) for upload in uploads]
    assert [upload.resume() for upload in there] == [CHUNK] * 3
    for upload in there:
        upload.send_rest()
    halves.oracle(*there)
