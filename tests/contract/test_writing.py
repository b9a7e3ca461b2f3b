"""Who writes a chunk, and who waits: over every kind of session store."""

from __future__ import annotations

import pytest

from shared.ports import SessionStore, Superseded
from shared.session import Session
from shared.writing import Announced, Writer
from tests.contract.byte_store_contract import Sent
from tests.sessions_made import CHUNK, a_session

NOW = 1000.0


@pytest.fixture
def claimed(store: SessionStore) -> Writer:
    session = a_session()
    store.insert(session)
    writer = Writer(session.claimed(), store)
    assert store.replace(session, writer.session)
    return writer


def stored(writer: Writer) -> Session:
    session = writer.sessions.get(writer.session.session_id)
    assert session is not None
    return session


def read(body: Announced) -> None:
    while body.readinto(memoryview(bytearray(CHUNK))):
        pass


def test_the_end_of_a_body_is_announced_and_nothing_before_it(claimed: Writer) -> None:
    body = Announced(Sent(bytes(CHUNK)), claimed, lambda: NOW)
    assert body.readinto(memoryview(bytearray(CHUNK))) == CHUNK
    assert stored(claimed).lease_until == 0
    read(body)
    assert stored(claimed).lease_until > NOW


def test_who_looked_before_the_announcement_does_not_begin(claimed: Writer) -> None:
    seen = stored(claimed)
    claimed.announce(NOW + 1)
    assert not claimed.sessions.replace(seen, seen.claimed())
    assert claimed.commit(CHUNK, 3000.0, "receipt") == stored(claimed)
    assert (stored(claimed).committed_offset, stored(claimed).lease_until) == (CHUNK, 0)


def test_who_was_overtaken_lets_no_last_block_go(claimed: Writer) -> None:
    newcomer = stored(claimed).claimed()
    assert claimed.sessions.replace(stored(claimed), newcomer)
    with pytest.raises(Superseded):
        read(Announced(Sent(bytes(CHUNK)), claimed, lambda: NOW))
    assert stored(claimed) == newcomer


def test_who_is_overtaken_after_the_announcement_ran_out_commits_nothing(claimed: Writer) -> None:
    claimed.announce(NOW)
    newcomer = stored(claimed).claimed()
    assert claimed.sessions.replace(stored(claimed), newcomer)
    assert claimed.commit(CHUNK, 3000.0, "receipt") is None
    assert (stored(claimed), list(claimed.sessions.receipts(newcomer.session_id))) == (newcomer, [])
