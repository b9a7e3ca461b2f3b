"""Many callers at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.allowance import Allowance
from shared.errors import InsufficientStorage, TooManySessions, UploadError
from shared.ports import SessionStore
from shared.session import Session
from tests.contract.steps import THREADS, append, appended, at_once
from tests.sessions_made import a_session


class RacesContract:
    """Part of the suite of :mod:`tests.contract.session_store_contract`."""

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
