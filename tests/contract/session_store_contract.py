"""What every session store owes the core, whatever is behind it.

A subclass gives the fixture ``store``: an empty store, closed after the test.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import StorageFailure
from shared.ports import SessionStore
from shared.session import Session, State
from tests.contract.session_store_bounds import BoundsContract
from tests.contract.session_store_races import RacesContract
from tests.contract.steps import append, appended, with_one_store
from tests.sessions_made import CHUNK, LARGEST, a_session, any_sessions, file_records


class SessionStoreContract(BoundsContract, RacesContract):
    """The suite: here what one caller at a time may expect."""

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
