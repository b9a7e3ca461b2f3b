"""The catalogue: one record of one upload, the same bytes once an owner, whoever else is at it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalogue import Catalogue, OverQuota, make_cursor, open_catalogue, parse_cursor
from shared.errors import InvalidRequest, StorageFailure
from shared.files import FileRecord
from shared.settings import SettingError
from tests import services
from tests.contract import rivals
from tests.contract.steps import at_once

PROCESSES = 4
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.contract.rivals"])

SHA = "a" * 64
OTHER_SHA = "b" * 64


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return services.postgresql().url_for(tmp_path)
    return f"sqlite:///{tmp_path}/catalogue.sqlite3"


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    with closing(Catalogue(url)) as opened:
        yield opened


def record(
    catalogue: Catalogue, session_id: str, fingerprint: str = SHA, owner: str = "ann", at: str = ""
) -> tuple[FileRecord, bool]:
    location = at or f"objects/{session_id}"
    return catalogue.record(
        owner, session_id, f"{session_id}.jpg", 3, "image/jpeg", fingerprint, location, 1234.5
    )


def test_of_many_files_at_once_as_many_are_recorded_as_the_quota_has_room_for(catalogue: Catalogue) -> None:
    def bring(number: int) -> bool:
        try:
            catalogue.record(
                "ann", f"s{number}", "a.jpg", 3, "image/jpeg", f"{number:064x}", f"o/{number}", 1.0, quota=10
            )
        except OverQuota:
            return False
        return True

    assert at_once(bring).count(True) == 3
    assert catalogue.used("ann") == 9


def test_a_record_holds_what_was_said_of_the_file(catalogue: Catalogue) -> None:
    file, duplicate = catalogue.record(
        "ann", "s1", "Ferien – Österreich.jpg", 2**63 - 1, "image/jpeg", SHA, "objects/s1", 1234.5
    )
    assert not duplicate
    assert file == FileRecord(file.file_id, "Ferien – Österreich.jpg", 2**63 - 1, "image/jpeg", SHA, 1234.5)
    assert len(file.file_id) >= 22
    assert catalogue.get(file.file_id, "ann") == (file, "objects/s1")
    assert catalogue.recorded("s1") == file
    assert catalogue.find("ann", SHA, 2**63 - 1) == file


def test_a_repeated_completion_gets_the_same_answer(catalogue: Catalogue) -> None:
    first = record(catalogue, "s1")
    assert record(catalogue, "s1") == first
    assert record(catalogue, "s1") == first
    assert len(catalogue.page("ann", 10, None)[0]) == 1


def test_one_upload_never_makes_two_records(catalogue: Catalogue) -> None:
    first, _ = record(catalogue, "s1")
    assert record(catalogue, "s1", OTHER_SHA, at="elsewhere") == (first, False)
    assert len(catalogue.page("ann", 10, None)[0]) == 1


def test_the_same_bytes_again_are_a_duplicate_every_time_they_are_asked_about(catalogue: Catalogue) -> None:
    first, _ = record(catalogue, "s1")
    for _ in range(2):
        assert record(catalogue, "s2") == (first, True)
    assert catalogue.recorded("s2") is None
    assert not catalogue.owns("objects/s2")


def test_another_owner_has_a_file_of_his_own(catalogue: Catalogue) -> None:
    anns, _ = record(catalogue, "s1")
    bobs, duplicate = record(catalogue, "s2", owner="bob")
    assert not duplicate
    assert anns.file_id != bobs.file_id
    assert catalogue.get(anns.file_id, "bob") is None
    assert catalogue.find("bob", SHA, 3) == bobs
    assert catalogue.page("bob", 10, None) == ([bobs], None)


def test_two_uploads_cannot_name_the_same_object(catalogue: Catalogue) -> None:
    record(catalogue, "s1", at="objects/x")
    with pytest.raises(StorageFailure):
        record(catalogue, "s2", OTHER_SHA, at="objects/x")
    assert catalogue.recorded("s2") is None


def test_what_is_not_there_is_none(catalogue: Catalogue) -> None:
    record(catalogue, "s1")
    assert catalogue.get("\0", "ann") is None
    assert catalogue.get("nobody", "ann") is None
    assert catalogue.recorded("s2") is None
    assert catalogue.find("ann", OTHER_SHA, 3) is None
    assert catalogue.find("ann", SHA, 4) is None, "the size is part of the question"


def test_owns_knows_exactly_the_recorded_objects(catalogue: Catalogue) -> None:
    record(catalogue, "s1")
    assert catalogue.owns("objects/s1")
    assert not catalogue.owns("objects/s")
    assert not catalogue.owns("")


# --- pages ---


def fill(catalogue: Catalogue, count: int) -> list[FileRecord]:
    """``count`` files of ann's, with bob's among them; newest first."""
    files = []
    for number in range(count):
        files.append(record(catalogue, f"s{number}", f"{number:064}")[0])
        record(catalogue, f"bob {number}", f"{number:064}", owner="bob")
    return files[::-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 100])
def test_pages_show_every_file_once_newest_first(catalogue: Catalogue, limit: int) -> None:
    files = fill(catalogue, 6)
    seen: list[FileRecord] = []
    after = None
    while True:
        page, after = catalogue.page("ann", limit, after)
        assert len(page) <= limit
        seen += page
        if after is None:
            break
        assert len(page) == limit
    assert seen == files


def test_a_file_that_arrives_between_two_pages_shifts_nothing(catalogue: Catalogue) -> None:
    files = fill(catalogue, 4)
    page, after = catalogue.page("ann", 2, None)
    record(catalogue, "newcomer", SHA)
    following, end = catalogue.page("ann", 2, after)
    assert [*page, *following] == files
    assert end is None


def test_an_empty_catalogue_is_one_empty_page(catalogue: Catalogue) -> None:
    assert catalogue.page("ann", 10, None) == ([], None)


@pytest.mark.parametrize(
    "cursor", ["", "!", "a", "MQ==", "MQ=", "LTE", "MA", "MDE", "IDE", "MV8w", "2aI", "é", "A" * 1000, "\0"]
)
def test_a_cursor_that_is_not_ours_is_an_invalid_request(catalogue: Catalogue, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        catalogue.page("ann", 10, cursor)
    assert [error.member for error in caught.value.errors] == ["after"]


@given(st.text())
def test_no_text_breaks_the_cursor(text: str) -> None:
    try:
        seq = parse_cursor(text)
    except InvalidRequest:
        return
    assert make_cursor(seq) == text


@given(st.integers(1, 2**63 - 1))
def test_every_cursor_comes_back(seq: int) -> None:
    assert parse_cursor(make_cursor(seq)) == seq


# --- races ---


def test_of_many_threads_with_the_same_bytes_one_makes_the_record(catalogue: Catalogue) -> None:
    answers = at_once(lambda number: record(catalogue, f"s{number}"))
    assert [duplicate for _, duplicate in answers].count(False) == 1
    assert len({file.file_id for file, _ in answers}) == 1
    assert len(catalogue.page("ann", 10, None)[0]) == 1


def test_one_upload_finalized_by_many_threads_makes_one_record(catalogue: Catalogue) -> None:
    answers = at_once(lambda number: record(catalogue, "s1"))
    assert len(set(answers)) == 1
    assert answers[0][1] is False


def test_of_several_processes_with_the_same_bytes_one_makes_the_record(url: str) -> None:
    start = processes.Barrier(PROCESSES)
    pipes = [processes.Pipe(duplex=False) for _ in range(PROCESSES)]
    racing = [
        processes.Process(target=rivals.record_same_bytes, args=(url, start, number, theirs))
        for number, (_, theirs) in enumerate(pipes)
    ]
    for rival in racing:
        rival.start()
    answers = [[ours.recv() for _ in range(rivals.ROUNDS)] for ours, _ in pipes]
    for rival in racing:
        rival.join(60)
    assert [rival.exitcode for rival in racing] == [0] * PROCESSES
    for pipe in pipes:
        for end in pipe:
            end.close()
    for of_one_round in zip(*answers, strict=True):
        assert len({file_id for file_id, _ in of_one_round}) == 1
        assert [duplicate for _, duplicate in of_one_round].count(False) == 1
    with closing(Catalogue(url)) as catalogue:
        assert len(catalogue.page("ann", 100, None)[0]) == rivals.ROUNDS


def test_records_are_there_after_a_restart(url: str) -> None:
    with closing(Catalogue(url)) as first:
        file, _ = record(first, "s1")
    with closing(Catalogue(url)) as second:
        assert second.get(file.file_id, "ann") == (file, "objects/s1")
        assert record(second, "s2") == (file, True)


def test_sqlite_alone_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    with closing(open_catalogue("sqlite", tmp_path / "data")):
        assert (tmp_path / "data" / "catalogue.sqlite3").is_file()


@pytest.mark.parametrize("url", ["", "memory://", "redis://localhost/0", "sqlite:", "sqlite:///"])
def test_a_url_that_names_no_catalogue_is_a_setting_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="sqlite:///"):
        open_catalogue(url, tmp_path)
