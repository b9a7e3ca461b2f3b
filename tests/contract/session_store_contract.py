"""What every session store owes the core, whatever is behind it.

A subclass gives the fixture ``store``: an empty store, closed after the test.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.allowance import Allowance
from shared.errors import InsufficientStorage, StorageFailure, TooManySessions, UploadError
from shared.files import FileRecord
from shared.ports import SessionStore
from shared.session import Session, State
from tests.sessions_made import CHUNK, LARGEST, a_session, any_sessions, file_records

THREADS = 8

with_one_store = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""Examples share the fixture's store: every session has an id of its own."""


def at_once(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Run ``work(0)`` … ``work(threads - 1)`` at the same moment; return the answers in order."""
    answers: list[Any] = [None] * threads
    start = threading.Barrier(threads)

    def run(number: int) -> None:
        start.wait()
        answers[number] = work(number)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return answers


def appended(session: Session, length: int = CHUNK) -> Session:
    return session.appended(length, session.expires_at + 1)


def append(store: SessionStore, session: Session, receipt: str) -> Session:
    """Claim and commit one chunk, as the core does."""
    claimed = session.claimed()
    assert store.replace(session, claimed)
    done = appended(claimed)
    assert store.replace(claimed, done, receipt)
    return done


class SessionStoreContract:
    """The suite."""

    def test_an_unknown_session_is_none(self, store: SessionStore) -> None:
        assert store.get("nobody") is None
        assert store.get("\0") is None
        assert list(store.receipts("nobody")) == []

    @with_one_store
    @given(session=any_sessions)
    def test_a_session_comes_back_as_it_went_in(self, store: SessionStore, session: Session) -> None:
        store.insert(session)
        assert store.get(session.session_id) == session

    @with_one_store
    @given(session=any_sessions, data=st.data())
    def test_after_replace_the_session_is_the_new_one_in_every_field(
        self, store: SessionStore, session: Session, data: st.DataObject
    ) -> None:
        new = replace(data.draw(any_sessions), session_id=session.session_id)
        store.insert(session)
        assert store.replace(session, new)
        assert store.get(session.session_id) == new

    def test_the_largest_numbers_fit(self, store: SessionStore) -> None:
        session = a_session(
            declared_size=LARGEST, chunk_size=LARGEST, committed_offset=LARGEST - 1, writer_epoch=LARGEST - 1
        )
        store.insert(session)
        claimed = session.claimed()
        assert store.replace(session, claimed)
        assert store.get(session.session_id) == claimed

    def test_an_id_is_taken_only_once(self, store: SessionStore) -> None:
        session = a_session()
        store.insert(session)
        with pytest.raises(StorageFailure):
            store.insert(replace(session, file_name="another.bin"))
        assert store.get(session.session_id) == session

    # --- compare-and-set ---

    @pytest.mark.parametrize(
        "changed",
        [{"state": State.FINALIZING}, {"committed_offset": CHUNK}, {"writer_epoch": 1}],
        ids=["state", "committed_offset", "writer_epoch"],
    )
    def test_a_change_from_what_is_no_longer_so_changes_nothing(
        self, store: SessionStore, changed: dict[str, Any]
    ) -> None:
        stale = a_session()
        there = replace(stale, **changed)
        store.insert(there)
        assert not store.replace(stale, appended(stale), "late")
        assert not store.delete(stale)
        assert store.get(stale.session_id) == there
        assert list(store.receipts(stale.session_id)) == []

    def test_other_fields_are_no_part_of_the_condition(self, store: SessionStore) -> None:
        session = a_session()
        store.insert(session)
        seen_long_ago = replace(session, lease_until=5.0, expires_at=7.0, storage="elsewhere")
        assert store.replace(seen_long_ago, appended(session), "r")
        assert store.get(session.session_id) == appended(session)

    def test_what_is_gone_cannot_be_changed_or_deleted(self, store: SessionStore) -> None:
        session = a_session()
        assert not store.replace(session, appended(session), "r")
        assert not store.delete(session)
        assert store.get(session.session_id) is None
        assert list(store.receipts(session.session_id)) == []

    def test_one_session_of_several_is_changed(self, store: SessionStore) -> None:
        mine, neighbour = a_session(), a_session()
        for session in (mine, neighbour):
            store.insert(session)
        append(store, mine, "r")
        assert store.get(neighbour.session_id) == neighbour
        assert list(store.receipts(neighbour.session_id)) == []

    # --- receipts ---

    def test_receipts_come_in_the_order_of_the_chunks(self, store: SessionStore) -> None:
        session = a_session()
        store.insert(session)
        for number in range(1, 13):  # past 9: ordered as numbers, not as texts
            session = append(store, session, f"part {number}")
        assert list(store.receipts(session.session_id)) == [f"part {number}" for number in range(1, 13)]

    def test_empty_receipts_count_too(self, store: SessionStore) -> None:
        session = a_session()
        store.insert(session)
        append(store, append(store, session, ""), "")
        assert list(store.receipts(session.session_id)) == ["", ""]

    def test_receipts_stay_while_the_session_is_finalized(self, store: SessionStore) -> None:
        session = a_session()
        store.insert(session)
        session = append(store, session, "r")
        intent = session.finalizing("", lease_until=9.0)
        assert store.replace(session, intent)
        assert list(store.receipts(session.session_id)) == ["r"]

    def test_receipts_go_with_the_session_and_only_its_own(self, store: SessionStore) -> None:
        mine, neighbour = a_session(), a_session()
        for session in (mine, neighbour):
            store.insert(session)
        last = append(store, mine, "mine")
        append(store, neighbour, "theirs")
        assert store.delete(last)
        assert list(store.receipts(mine.session_id)) == []
        assert list(store.receipts(neighbour.session_id)) == ["theirs"]
        store.insert(mine)
        assert list(store.receipts(mine.session_id)) == []

    # --- looking for sessions ---

    def test_counting_stops_at_the_limit(self, store: SessionStore) -> None:
        for number in range(5):
            store.insert(a_session(state=State.COMPLETED if number == 0 else State.UPLOADING))
        assert store.count(State.UPLOADING, 100) == 4
        assert store.count(State.UPLOADING, 3) == 3
        assert store.count(State.COMPLETED, 100) == 1
        assert store.count(State.REJECTED, 100) == 0

    def test_the_count_follows_every_change(self, store: SessionStore) -> None:
        session = a_session(declared_size=0)
        store.insert(session)
        intent = session.finalizing("", lease_until=0.0)
        assert store.replace(session, intent)
        assert (store.count(State.UPLOADING, 9), store.count(State.FINALIZING, 9)) == (0, 1)
        assert store.delete(intent)
        assert store.count(State.FINALIZING, 9) == 0

    def test_in_state_begins_with_the_smallest_lease(self, store: SessionStore) -> None:
        sessions = [a_session(state=State.FINALIZING, lease_until=float(n)) for n in (3, 1, 2)]
        for session in [*sessions, a_session(lease_until=0.5)]:
            store.insert(session)
        third, first, second = sessions
        assert list(store.in_state(State.FINALIZING, 2)) == [first, second]
        assert list(store.in_state(State.FINALIZING, 9)) == [first, second, third]
        assert list(store.in_state(State.COMPLETED, 9)) == []

    def test_expired_are_those_whose_time_is_over_the_longest_first(self, store: SessionStore) -> None:
        states = (State.UPLOADING, State.COMPLETED, State.REJECTED)
        over = [a_session(state=state, expires_at=100.0 - n) for n, state in enumerate(states)]
        others = [
            a_session(expires_at=100.5),  # a moment left
            a_session(state=State.FINALIZING, expires_at=1.0),  # past expiring
        ]
        for session in [*over, *others]:
            store.insert(session)
        assert list(store.expired(100.0, 9)) == over[::-1]
        assert list(store.expired(100.0, 2)) == over[:0:-1]
        assert list(store.expired(97.9, 9)) == []

    @with_one_store
    @given(session=any_sessions, now=st.floats(0, 4e9))
    def test_expired_agrees_with_the_session_itself(
        self, store: SessionStore, session: Session, now: float
    ) -> None:
        store.insert(session)
        ids = {found.session_id for found in store.expired(now, 10_000)}
        assert (session.session_id in ids) == session.is_expired(now)

    @with_one_store
    @given(file=file_records)
    def test_the_result_is_kept_with_the_session(self, store: SessionStore, file: Any) -> None:
        session = a_session(state=State.FINALIZING)
        store.insert(session)
        done = session.accepted(file, duplicate=True, expires_at=9.0)
        assert store.replace(session, done)
        assert store.get(session.session_id) == done

    # --- room for one more ---

    def test_as_many_unfinished_sessions_as_allowed_get_in(self, store: SessionStore) -> None:
        for state in (State.COMPLETED, State.REJECTED, State.UPLOADING, State.FINALIZING):
            store.insert(a_session(state=state, owner=state))
        refused = a_session()
        with pytest.raises(TooManySessions) as caught:
            store.insert(refused, Allowance(sessions=2))
        assert caught.value.retry_after
        with pytest.raises(TooManySessions):
            store.check_room("", 1, Allowance(sessions=2))
        assert store.get(refused.session_id) is None
        store.check_room("", 1, Allowance(sessions=3))
        store.insert(refused, Allowance(sessions=3))
        with pytest.raises(TooManySessions):
            store.check_room("", 1, Allowance(sessions=3))

    def test_a_quota_counts_what_the_owner_has_declared_and_not_finished(self, store: SessionStore) -> None:
        quota = Allowance(owner_bytes=100)
        store.insert(a_session(owner="ann", declared_size=60), quota)
        store.insert(a_session(owner="bob", declared_size=100), quota)
        store.insert(a_session(owner="ann", declared_size=90, state=State.COMPLETED))
        refused = a_session(owner="ann", declared_size=41)
        with pytest.raises(InsufficientStorage) as caught:
            store.insert(refused, quota)
        assert caught.value.retry_after
        assert "60 of the 100" in caught.value.detail
        with pytest.raises(InsufficientStorage):
            store.check_room("ann", 41, quota)
        assert store.get(refused.session_id) is None
        store.insert(a_session(owner="ann", declared_size=40), quota)
        store.insert(a_session(owner="ann", declared_size=0), quota)
        with pytest.raises(InsufficientStorage):
            store.insert(a_session(owner="new", declared_size=101), quota)

    def test_a_refusal_for_one_reason_takes_no_room_of_the_other_kind(self, store: SessionStore) -> None:
        allowance = Allowance(sessions=1, owner_bytes=100)
        for _ in range(3):
            with pytest.raises(InsufficientStorage):
                store.insert(a_session(declared_size=101), allowance)
        store.insert(a_session(declared_size=50), allowance)
        for _ in range(3):
            with pytest.raises(TooManySessions):
                store.insert(a_session(declared_size=50), allowance)
        store.insert(a_session(declared_size=50), replace(allowance, sessions=2))

    @pytest.mark.parametrize("end", ["completed", "rejected", "deleted"])
    def test_room_comes_back_with_every_end(self, store: SessionStore, end: str) -> None:
        only = Allowance(sessions=1, owner_bytes=100)
        for _ in range(3):
            session = a_session(owner="ann", declared_size=100, committed_offset=100)
            store.insert(session, only)
            writer = session.claimed()
            assert store.replace(session, writer)
            intent = writer.finalizing("", lease_until=0.0)
            assert store.replace(writer, intent)
            with pytest.raises(TooManySessions):
                store.check_room("ann", 1, only)
            with pytest.raises(InsufficientStorage):
                store.check_room("ann", 1, replace(only, sessions=None))
            if end == "deleted":
                assert store.delete(intent)
                assert not store.delete(intent)
                continue
            if end == "completed":
                file = FileRecord("f", "a", 100, "x/y", "", 1.0)
                done = intent.accepted(file, duplicate=False, expires_at=9.0)
            else:
                done = intent.rejected("x", "y", expires_at=9.0)
            assert store.replace(intent, done)
            assert not store.replace(intent, done)
            store.check_room("ann", 100, only)
            assert store.delete(done)
            store.check_room("ann", 100, only)

    def test_an_id_taken_twice_takes_no_room(self, store: SessionStore) -> None:
        session = a_session(declared_size=10)
        store.insert(session)
        with pytest.raises(StorageFailure):
            store.insert(session)
        store.insert(a_session(declared_size=10), Allowance(sessions=2, owner_bytes=20))

    def test_bounds_and_sizes_may_be_any_number(self, store: SessionStore) -> None:
        vast = Allowance(sessions=10**30, owner_bytes=10**30)
        for _ in range(3):
            store.insert(a_session(declared_size=LARGEST), vast)
        with pytest.raises(InsufficientStorage):
            store.insert(a_session(declared_size=1), Allowance(owner_bytes=LARGEST))

    # --- races ---

    @pytest.mark.parametrize("repetition", range(3))
    def test_of_many_newcomers_exactly_the_allowed_number_get_in(
        self, store: SessionStore, repetition: int
    ) -> None:
        def enter(allowance: Allowance, error: type[UploadError]) -> Callable[[int], Session | None]:
            def try_it(_number: int) -> Session | None:
                session = a_session(owner="ann", declared_size=10)
                try:
                    store.insert(session, allowance)
                except error:
                    assert store.get(session.session_id) is None
                    return None
                return session

            return try_it

        most = 5
        inside = at_once(enter(Allowance(sessions=most), TooManySessions), 2 * THREADS)
        assert sum(session is not None for session in inside) == most
        inside = at_once(enter(Allowance(owner_bytes=10 * (most + 2) + 5), InsufficientStorage), THREADS)
        assert sum(session is not None for session in inside) == 2

    def test_rivals_for_the_last_place_and_those_who_leave_it_never_lose_count(
        self, store: SessionStore
    ) -> None:
        one = Allowance(sessions=1, owner_bytes=10)

        def come_and_go(_number: int) -> int:
            times = 0
            for _ in range(10):
                session = a_session(owner="ann", declared_size=10)
                try:
                    store.insert(session, one)
                except (TooManySessions, InsufficientStorage):
                    continue
                times += 1
                assert store.delete(session)
            return times

        assert sum(at_once(come_and_go)) > 0
        store.insert(a_session(owner="ann", declared_size=10), one)

    @pytest.mark.parametrize("repetition", range(5))
    def test_of_many_writers_with_the_same_offset_one_wins(
        self, store: SessionStore, repetition: int
    ) -> None:
        session = a_session()
        store.insert(session)
        won = at_once(lambda number: store.replace(session, appended(session, number + 1), f"by {number}"))
        assert won.count(True) == 1
        winner = won.index(True)
        assert store.get(session.session_id) == appended(session, winner + 1)
        assert list(store.receipts(session.session_id)) == [f"by {winner}"]

    @pytest.mark.parametrize("repetition", range(5))
    def test_a_session_is_changed_or_deleted_never_both(self, store: SessionStore, repetition: int) -> None:
        session = a_session()
        store.insert(session)

        def change_or_delete(number: int) -> bool:
            return store.delete(session) if number % 2 else store.replace(session, appended(session), "r")

        won = at_once(change_or_delete)
        assert won.count(True) == 1
        there = store.get(session.session_id)
        assert there == (None if won.index(True) % 2 else appended(session))
        assert list(store.receipts(session.session_id)) == ([] if there is None else ["r"])

    def test_no_update_is_lost(self, store: SessionStore) -> None:
        session = a_session()
        store.insert(session)

        def climb(_number: int) -> int:
            steps = 0
            while steps < 10:
                there = store.get(session.session_id)
                assert there is not None
                steps += store.replace(there, appended(there, 1).claimed())
            return steps

        at_once(climb)
        there = store.get(session.session_id)
        assert there is not None
        assert (there.committed_offset, there.writer_epoch) == (10 * THREADS, 10 * THREADS)

    def test_many_threads_on_sessions_of_their_own_all_succeed(self, store: SessionStore) -> None:
        def upload(number: int) -> Session:
            session = a_session()
            store.insert(session)
            for chunk in range(5):
                session = append(store, session, f"{number}.{chunk}")
            return session

        for number, session in enumerate(at_once(upload)):
            assert store.get(session.session_id) == session
            assert list(store.receipts(session.session_id)) == [f"{number}.{chunk}" for chunk in range(5)]
