"""The session's rules, against the table they are written from and for every number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.errors import (
    EmptyChunk,
    ExceedsDeclaredSize,
    OffsetMismatch,
    UploadError,
    UploadIncomplete,
    WrongChunkSize,
    WrongState,
)
from shared.files import FileRecord
from shared.session import TRANSITIONS, Event, Session, State
from tests.sessions_made import a_session

FILE: Final = FileRecord("f1", "holiday.mp4", 30, "video/mp4", "a" * 64, 5.0)

LIFE: Final = {
    State.UPLOADING: {Event.APPEND, Event.COMPLETE, Event.CANCEL, Event.EXPIRE},
    State.FINALIZING: {Event.ACCEPT, Event.REJECT},
    State.COMPLETED: {Event.CANCEL, Event.EXPIRE},
    State.REJECTED: {Event.CANCEL, Event.EXPIRE},
}
"""The protocol's page in a few words; the product's table is checked against it, pair by pair."""


def complete(session: Session) -> Session:
    session.check_complete()
    return session.finalizing("", 9.0)


DO: Final[dict[Event, Callable[[Session], Any]]] = {
    Event.APPEND: lambda s: s.check_append(s.committed_offset, s.next_length),
    Event.COMPLETE: complete,
    Event.ACCEPT: lambda s: s.accepted(FILE, duplicate=False, expires_at=9.0),
    Event.REJECT: lambda s: s.rejected("content-rejected", "no", expires_at=9.0),
    Event.CANCEL: lambda s: s.check_cancel(),
}
"""How each event is asked for."""

every_pair = pytest.mark.parametrize("state", State)


@st.composite
def uploading(draw: st.DrawFn) -> Session:
    """A session somewhere on its way: a whole number of chunks has been committed, or all bytes."""
    declared = draw(st.integers(0, 2**63 - 1))
    chunk = draw(st.integers(1, 2**40) | st.just(max(declared, 1)))
    chunks = draw(st.integers(0, -(-declared // chunk)))
    return a_session(declared_size=declared, chunk_size=chunk, committed_offset=min(chunks * chunk, declared))


def refusal_of(session: Session, offset: int, length: int) -> type[UploadError] | None:
    """How a chunk is refused, if it is; every refusal has to say where the upload stands."""
    try:
        session.check_append(offset, length)
    except UploadError as refusal:
        return type(refusal) if refusal.uploaded_bytes == session.committed_offset else None
    return None


# --- the table ---


@every_pair
@pytest.mark.parametrize("event", Event)
def test_exactly_the_transitions_of_the_protocol_exist(state: State, event: Event) -> None:
    assert ((state, event) in TRANSITIONS) == (event in LIFE[state])
    assert a_session(state=state).allows(event) == (event in LIFE[state])


@every_pair
@pytest.mark.parametrize("event", DO)
def test_what_the_table_does_not_have_is_refused(state: State, event: Event) -> None:
    session = a_session(state=state, committed_offset=1_000_000 if event is Event.COMPLETE else 0)
    if event in LIFE[state]:
        after = DO[event](session)
        if isinstance(after, Session):
            assert after.state is TRANSITIONS[state, event]
    else:
        with pytest.raises(WrongState) as caught:
            DO[event](session)
        assert caught.value.uploaded_bytes == session.committed_offset


@every_pair
def test_a_session_in_finalization_does_not_expire(state: State) -> None:
    session = a_session(state=state, expires_at=100.0)
    assert session.is_expired(100.0) == (state is not State.FINALIZING)
    assert session.is_expired(1e9) == (state is not State.FINALIZING)
    assert not session.is_expired(99.999)


def test_every_state_can_be_reached_and_left_but_by_its_end() -> None:
    reachable = {State.UPLOADING} | {after for after in TRANSITIONS.values() if after}
    assert reachable == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State)


# --- append ---


@given(uploading())
def test_the_next_chunk_is_accepted_and_no_other_length(session: Session) -> None:
    assume(session.next_length > 0)
    here, length = session.committed_offset, session.next_length
    assert refusal_of(session, here, length) is None
    assert refusal_of(session, here, 0) is EmptyChunk
    assert refusal_of(session, here, session.declared_size - here + 1) is ExceedsDeclaredSize
    if length > 1:
        assert refusal_of(session, here, length - 1) is WrongChunkSize
    if here + length < session.declared_size:
        assert refusal_of(session, here, length + 1) is WrongChunkSize


@given(uploading(), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_another_offset_is_a_mismatch_whatever_the_length(session: Session, offset: int, length: int) -> None:
    assume(offset != session.committed_offset)
    assert refusal_of(session, offset, length) is OffsetMismatch


@given(uploading(), st.integers(1, 2**63 - 1))
def test_when_all_bytes_are_there_nothing_more_is_taken(session: Session, length: int) -> None:
    full = replace(session, committed_offset=session.declared_size)
    assert refusal_of(full, full.committed_offset, length) is ExceedsDeclaredSize
    assert refusal_of(full, full.committed_offset, 0) is EmptyChunk


@given(st.integers(0, 2**40), st.integers(1, 2**38), st.data())
def test_accepted_chunks_add_up_to_the_declared_size(declared: int, chunk: int, data: st.DataObject) -> None:
    chunk = max(chunk, -(-declared // 50))  # not more than fifty rounds
    session = a_session(declared_size=declared, chunk_size=chunk)
    numbers = []
    while session.committed_offset < declared:
        numbers.append(session.chunk_number)
        length = session.next_length
        session.check_append(session.committed_offset, length)
        assert length == chunk or session.committed_offset + length == declared
        before = session
        session = session.claimed().appended(length, 9.0)
        assert session.committed_offset > before.committed_offset
        assert session.writer_epoch == before.writer_epoch + 1
        assert session.expires_at == 9.0
        if session.committed_offset < declared:
            with pytest.raises(UploadIncomplete):
                session.check_complete()
    assert numbers == list(range(1, -(-declared // chunk) + 1))
    session.check_complete()


# --- the end ---


def test_the_intent_takes_the_next_epoch_so_that_no_late_writer_commits() -> None:
    session = a_session(writer_epoch=4)
    intent = session.finalizing("a" * 64, lease_until=7.0)
    assert (intent.state, intent.writer_epoch, intent.lease_until) == (State.FINALIZING, 5, 7.0)
    assert intent.fingerprint == "a" * 64


def test_results_are_kept_and_end_the_lease() -> None:
    intent = a_session().finalizing("", lease_until=7.0)
    accepted = intent.accepted(FILE, duplicate=True, expires_at=9.0)
    assert (accepted.file, accepted.duplicate, accepted.lease_until) == (FILE, True, 0.0)
    rejected = intent.rejected("content-rejected", "no JPEG", expires_at=9.0)
    assert (rejected.problem_code, rejected.problem_detail) == ("content-rejected", "no JPEG")
    assert (rejected.expires_at, rejected.lease_until, rejected.file) == (9.0, 0.0, None)
