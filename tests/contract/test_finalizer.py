"""Finalization in the same process: the bytes are checked, read at most once, and recorded once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from shared.catalogue import Catalogue
from shared.content import HEAD_SIZE
from shared.errors import StorageFailure, StorageUnavailable
from shared.finalizer import CatalogueFinalizer
from shared.ports import Accepted, Rejected, StagedObject
from shared.session import Session, State
from tests.sessions_made import a_session

JPEG: Final = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 100


@dataclass
class Store:
    """Objects by location; counts the bytes read."""

    objects: dict[str, bytes] = field(default_factory=dict)
    bytes_read: int = 0
    block: int = 1000

    def stage(self, data: bytes, location: str, *, hashed: bool = False) -> StagedObject:
        self.objects[location] = data
        return StagedObject(location, len(data), hashlib.sha256(data).hexdigest() if hashed else None)

    def read(self, location: str, start: int, stop: int) -> Iterator[bytes]:
        data = self.objects[location][start:stop]
        self.bytes_read += len(data)
        return (data[at : at + self.block] for at in range(0, len(data), self.block))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with closing(Catalogue(f"sqlite:///{tmp_path}/catalogue.sqlite3")) as opened:
        yield opened


@pytest.fixture
def finalizer(store: Store, catalogue: Catalogue) -> CatalogueFinalizer:
    return CatalogueFinalizer(catalogue, store.read, frozenset(), lambda: 1234.5)


def upload(name: str = "holiday.jpg", fingerprint: str = "", owner: str = "ann") -> Session:
    return a_session(file_name=name, fingerprint=fingerprint, owner=owner, state=State.FINALIZING)


@pytest.mark.parametrize("hashed", [False, True])
def test_the_record_says_what_the_bytes_are(
    finalizer: CatalogueFinalizer, store: Store, hashed: bool
) -> None:
    session = upload()
    verdict = finalizer.finalize(session, store.stage(JPEG, "one", hashed=hashed))
    assert isinstance(verdict, Accepted)
    assert (verdict.duplicate, verdict.adopted) == (False, True)
    file = verdict.file
    assert file.fingerprint == hashlib.sha256(JPEG).hexdigest()
    assert (file.file_name, file.file_size, file.mime_type) == ("holiday.jpg", len(JPEG), "image/jpeg")
    assert file.created_at == 1234.5
    assert finalizer.owns("one")
    assert store.bytes_read == (HEAD_SIZE if hashed else len(JPEG))


def test_an_empty_file_is_a_file(finalizer: CatalogueFinalizer, store: Store) -> None:
    verdict = finalizer.finalize(upload("empty.txt"), store.stage(b"", "one"))
    assert isinstance(verdict, Accepted)
    assert verdict.file.fingerprint == hashlib.sha256(b"").hexdigest()
    assert verdict.file.mime_type == "application/octet-stream"


def test_finalizing_again_reads_nothing_and_answers_the_same(
    finalizer: CatalogueFinalizer, store: Store
) -> None:
    session, staged = upload(), store.stage(JPEG, "one")
    first = finalizer.finalize(session, staged)
    store.bytes_read = 0
    assert finalizer.finalize(session, staged) == first
    assert store.bytes_read == 0


def test_a_duplicate_is_not_adopted_and_stays_one(finalizer: CatalogueFinalizer, store: Store) -> None:
    first = finalizer.finalize(upload(), store.stage(JPEG, "one"))
    again, staged = upload("copy.jpg"), store.stage(JPEG, "two")
    assert isinstance(first, Accepted)
    for _ in range(2):
        assert finalizer.finalize(again, staged) == Accepted(first.file, duplicate=True, adopted=False)
    assert not finalizer.owns("two")


@pytest.mark.parametrize("hashed", [False, True])
def test_another_sha256_than_claimed_is_rejected(
    finalizer: CatalogueFinalizer, catalogue: Catalogue, store: Store, hashed: bool
) -> None:
    session = upload(fingerprint="f" * 64)
    verdict = finalizer.finalize(session, store.stage(JPEG, "one", hashed=hashed))
    assert isinstance(verdict, Rejected)
    assert verdict.code == "fingerprint-mismatch"
    assert "f" * 64 in verdict.detail
    assert catalogue.recorded(session.session_id) is None
    assert not finalizer.owns("one")


def test_the_right_claim_is_accepted(finalizer: CatalogueFinalizer, store: Store) -> None:
    session = upload(fingerprint=hashlib.sha256(JPEG).hexdigest())
    assert isinstance(finalizer.finalize(session, store.stage(JPEG, "one")), Accepted)


@pytest.mark.parametrize("hashed", [False, True])
def test_bytes_that_are_not_what_they_claim_are_rejected(
    finalizer: CatalogueFinalizer, catalogue: Catalogue, store: Store, hashed: bool
) -> None:
    session = upload("invoice.pdf")
    verdict = finalizer.finalize(session, store.stage(b"\x7fELF" + bytes(100), "one", hashed=hashed))
    assert isinstance(verdict, Rejected)
    assert verdict.code == "content-rejected"
    assert "PDF" in verdict.detail
    assert catalogue.recorded(session.session_id) is None


def test_a_type_not_on_the_list_is_rejected(catalogue: Catalogue, store: Store) -> None:
    finalizer = CatalogueFinalizer(catalogue, store.read, frozenset({"image/png"}), lambda: 0.0)
    verdict = finalizer.finalize(upload(), store.stage(JPEG, "one"))
    assert isinstance(verdict, Rejected)
    assert "image/png" in verdict.detail


def test_the_magic_bytes_are_found_across_small_blocks(finalizer: CatalogueFinalizer, store: Store) -> None:
    store.block = 1
    pdf = b"%" * 500 + b"%PDF-1.7"
    verdict = finalizer.finalize(upload("behind.pdf"), store.stage(pdf, "one"))
    assert isinstance(verdict, Accepted)


def test_an_object_that_cannot_be_read_whole_is_no_verdict(
    finalizer: CatalogueFinalizer, catalogue: Catalogue, store: Store
) -> None:
    session, staged = upload(), store.stage(JPEG, "one")
    store.objects["one"] = JPEG[:-1]
    with pytest.raises(StorageFailure):
        finalizer.finalize(session, staged)
    assert catalogue.recorded(session.session_id) is None


def test_a_store_that_is_away_is_no_verdict(catalogue: Catalogue, store: Store) -> None:
    def away(location: str, start: int, stop: int) -> Iterator[bytes]:
        raise StorageUnavailable

    finalizer = CatalogueFinalizer(catalogue, away, frozenset(), lambda: 0.0)
    with pytest.raises(StorageUnavailable):
        finalizer.finalize(upload(), store.stage(JPEG, "one"))
