"""Room for one more: the bounds on unfinished sessions, and the owner's quota."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.allowance import Allowance
from shared.errors import InsufficientStorage, StorageFailure, TooManySessions
from shared.files import FileRecord
from shared.ports import SessionStore
from shared.session import State
from tests.sessions_made import LARGEST, a_session


class BoundsContract:
    """Part of the suite of :mod:`tests.contract.session_store_contract`."""

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
