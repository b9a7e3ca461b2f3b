"""Whatever is asked of an upload, in whatever order: it behaves like twenty lines of Python.

Hypothesis makes up histories (init, chunks right and wrong, cut-off bodies, a writer that is overtaken,
cancel, complete, time, sweep, restart) and after every step compares all sessions with :class:`Reference`,
and the stored bytes with the source. One machine for every session store, over the disk store of level 2.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from level2_disk_chunks.disk_store import DiskStore
from shared.catalogue import Catalogue
from shared.errors import (
    EmptyChunk,
    ExceedsDeclaredSize,
    IncompleteBody,
    OffsetMismatch,
    Refused,
    SessionNotFound,
    UploadError,
    UploadIncomplete,
    WrongChunkSize,
    WrongState,
)
from shared.expiry import sweep
from shared.finalizer import CatalogueFinalizer
from shared.limits import TINY
from shared.outbox import Outbox
from shared.session import Session, State
from shared.sessions import open_session_store
from shared.uploads import Lifetimes, NewUpload, Uploads
from tests.services import STORES

LIFETIME: Final = 3600.0
OWNER: Final = "ann"


@dataclass
class Reference:
    """What the client of one upload may expect."""

    source: bytes
    chunk: int
    expires: float
    name: str
    claim: str
    offset: int = 0
    state: State | None = State.UPLOADING

    def refusal(self, offset: int, length: int) -> type[UploadError] | None:
        """Why a chunk is not taken, if it is not."""
        left = len(self.source) - self.offset
        problems = {
            SessionNotFound: self.state is None,
            WrongState: self.state is not State.UPLOADING,
            OffsetMismatch: offset != self.offset,
            EmptyChunk: length == 0,
            ExceedsDeclaredSize: length > left,
            WrongChunkSize: length != min(self.chunk, left),
        }
        return next((problem for problem, there in problems.items() if there), None)

    @property
    def is_honest(self) -> bool:
        """Whether the application will take it."""
        claim_holds = self.claim in ("", hashlib.sha256(self.source).hexdigest())
        return claim_holds and (self.name != "a.jpg" or self.source.startswith(b"\xff\xd8\xff"))


class Body:
    """A chunk: ``data`` as it arrives, of ``length`` bytes promised; ``before`` comes before its end."""

    def __init__(self, data: bytes, length: int | None = None) -> None:
        self.length = len(data) if length is None else length
        self.before: Callable[[], None] = lambda: None
        self._data, self._arrived = data, 0

    def readinto(self, block: memoryview, /) -> int:
        if self._arrived == self.length:
            return 0
        step = self._data[self._arrived :][: min(len(block), max(1, self.length // 2))]
        if self._arrived + len(step) >= len(self._data):
            self.before()
        if not step:
            raise IncompleteBody
        block[: len(step)] = step
        self._arrived += len(step)
        return len(step)


class UploadMachine(RuleBasedStateMachine):
    """The histories. A subclass says which session store."""

    store_name: str

    uploads_made = Bundle("uploads_made")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = time.time()
        self.references: dict[str, Reference] = {}
        self.files: set[str] = set()  # fingerprints that the owner has
        self.at_sync: list[Callable[[], None]] = []  # what happens while a writer waits for the disk
        self.start()

    def start(self) -> None:
        folder = Path(self.folder.name)
        self.sessions = open_session_store(STORES[self.store_name](folder), folder)
        self.store = DiskStore(folder, sync=lambda fd: self.at_sync.pop()() if self.at_sync else None)
        self.catalogue = Catalogue(f"sqlite:///{folder}/catalogue.sqlite3")
        finalizer = CatalogueFinalizer(self.catalogue, self.store.read, frozenset(), lambda: self.now)
        lifetimes = Lifetimes(LIFETIME, max_sessions=1000)
        self.uploads = Uploads(self.sessions, self.store, finalizer, TINY, lifetimes, lambda: self.now)

    def stop(self) -> None:
        self.sessions.close()
        self.catalogue.close()

    def teardown(self) -> None:
        self.stop()
        self.folder.cleanup()

    # --- what can happen ---

    @rule(
        target=uploads_made,
        source=st.binary(max_size=40) | st.sampled_from([b"", b"same bytes", b"\xff\xd8\xff picture"]),
        chunk=st.none() | st.integers(1, 12),
        name=st.sampled_from(["a.bin", "a.jpg"]),
        claim=st.sampled_from(["", "right", "right", "wrong"]),
    )
    def init(self, source: bytes, chunk: int | None, name: str, claim: str) -> str:
        fingerprint = {"right": hashlib.sha256(source).hexdigest(), "wrong": "0" * 64}.get(claim, "")
        new = NewUpload(name, len(source), fingerprint=fingerprint, chunk_size=chunk, owner=OWNER)
        session = self.uploads.init(new)
        assert session.session_id not in self.references
        size = TINY.default_chunk_size if chunk is None else chunk
        self.references[session.session_id] = Reference(source, size, self.now + LIFETIME, name, fingerprint)
        return session.session_id

    @rule(upload=uploads_made)
    def append_next(self, upload: str) -> None:
        there = self.references[upload]
        data = there.source[there.offset :][: there.chunk]
        self.append(upload, there.offset, Body(data))

    @rule(upload=uploads_made)
    def append_the_rest(self, upload: str) -> None:
        there = self.references[upload]
        while (
            there.refusal(there.offset, length := min(there.chunk, len(there.source) - there.offset)) is None
        ):
            self.append(upload, there.offset, Body(there.source[there.offset :][:length]))

    @rule(upload=uploads_made, offset=st.integers(0, 45), length=st.integers(0, 45))
    def append_anything(self, upload: str, offset: int, length: int) -> None:
        data = self.references[upload].source[offset:][:length].ljust(length, b"!")
        self.append(upload, offset, Body(data))

    @rule(upload=uploads_made, arrived=st.integers(0, 11))
    def append_cut_off(self, upload: str, arrived: int) -> None:
        there = self.references[upload]
        data = there.source[there.offset :][: there.chunk]
        if there.refusal(there.offset, len(data)) is not None or arrived >= len(data):
            return
        with pytest.raises(IncompleteBody):
            self.uploads.append(upload, there.offset, Body(b"?" * arrived, length=len(data)))

    @rule(upload=uploads_made, newcomer_is_cut_off=st.booleans(), all_bytes_written=st.booleans())
    def append_overtaken(self, upload: str, newcomer_is_cut_off: bool, all_bytes_written: bool) -> None:
        """While a writer waits for bytes or the disk another one comes; the late one changes nothing."""
        there = self.references[upload]
        offset, data = there.offset, there.source[there.offset :][: there.chunk]
        if there.refusal(offset, len(data)) is not None:
            return

        def overtake() -> None:
            if newcomer_is_cut_off:
                with pytest.raises(IncompleteBody):
                    self.uploads.append(upload, offset, Body(b"", length=len(data)))
            else:
                self.append(upload, offset, Body(data))

        late = Body(b"?" * len(data))
        if all_bytes_written:
            self.at_sync = [overtake]
        else:
            late.before = overtake
        with pytest.raises(OffsetMismatch) as caught:
            self.uploads.append(upload, offset, late)
        assert caught.value.uploaded_bytes == there.offset

    @rule(upload=uploads_made)
    def cancel(self, upload: str) -> None:
        there = self.references[upload]
        if there.state is State.FINALIZING:
            with pytest.raises(WrongState):
                self.uploads.cancel(upload)
        elif there.state is None:
            with pytest.raises(SessionNotFound):
                self.uploads.cancel(upload)
        else:
            self.uploads.cancel(upload)
            there.state = None

    @rule(upload=uploads_made)
    def complete(self, upload: str) -> None:
        """Only the intent: the process may end before anything comes of it."""
        there = self.references[upload]
        if there.state is None:
            with pytest.raises(SessionNotFound):
                self.uploads.complete(upload)
        elif there.state is State.REJECTED:
            with pytest.raises(Refused):
                self.uploads.complete(upload)
        elif there.offset < len(there.source):
            with pytest.raises(UploadIncomplete):
                self.uploads.complete(upload)
        else:
            session = self.uploads.complete(upload)
            if there.state is State.UPLOADING:
                there.state = State.FINALIZING
            assert session.state is there.state

    @rule(upload=uploads_made, times=st.integers(1, 2))
    def finalize(self, upload: str, times: int) -> None:
        there = self.references[upload]
        if there.state is not State.FINALIZING:
            return
        fingerprint = hashlib.sha256(there.source).hexdigest()
        for _ in range(times):
            if not there.is_honest:
                with pytest.raises(Refused):
                    Outbox(self.uploads).finalize(upload)
                continue
            session = Outbox(self.uploads).finalize(upload)
            assert session.file is not None
            assert (session.file.fingerprint, session.file.file_size) == (fingerprint, len(there.source))
            assert session.duplicate == (fingerprint in self.files)
        adopted = there.is_honest and fingerprint not in self.files
        assert (Path(self.folder.name) / "objects" / upload).exists() == adopted
        there.state = State.COMPLETED if there.is_honest else State.REJECTED
        there.expires = self.now + LIFETIME
        if there.is_honest:
            self.files.add(fingerprint)

    @rule(part=st.sampled_from([0.3, 0.7, 1.0]))
    def time_passes(self, part: float) -> None:
        self.now += part * LIFETIME
        for there in self.references.values():
            if there.state is not State.FINALIZING and there.expires <= self.now:
                there.state = None

    @rule()
    def sweep(self) -> None:
        sweep(self.uploads)

    @rule()
    def restart(self) -> None:
        self.stop()
        if not self.sessions.durable:
            for there in self.references.values():
                there.state = None
        self.start()

    @rule()
    def a_lifetime_later_nothing_is_left_behind(self) -> None:
        # The age of stored bytes is their real one, and the machine's clock only ever runs ahead of that.
        self.time_passes(1.0)
        self.now += 1
        sweep(self.uploads)
        kept = {id_ for id_, there in self.references.items() if there.state is State.FINALIZING}
        folder = Path(self.folder.name)
        incoming = {path.name.removesuffix(".fence") for path in (folder / "incoming").iterdir()}
        assert incoming <= kept
        objects = {path.name for path in (folder / "objects").iterdir()}
        assert len(objects - kept) == len(self.files)
        assert all(self.catalogue.owns(name) for name in objects - kept)

    # --- what must be so after every step ---

    @invariant()
    def every_session_is_as_its_client_expects(self) -> None:
        for upload, there in self.references.items():
            if there.state is None:
                with pytest.raises(SessionNotFound):
                    self.uploads.status(upload)
                continue
            session = self.uploads.status(upload)
            assert (session.state, session.committed_offset) == (there.state, there.offset)
            assert session.expires_at == there.expires
            assert session.chunk_size == there.chunk
            assert len(self.sessions.receipts(upload)) == -(-there.offset // there.chunk)

    @invariant()
    def stored_bytes_are_the_source(self) -> None:
        folder = Path(self.folder.name) / "incoming"
        for upload, there in self.references.items():
            if there.state is State.UPLOADING:
                assert (folder / upload).read_bytes()[: there.offset] == there.source[: there.offset]

    @invariant()
    def every_file_is_there_once_and_whole(self) -> None:
        records, _ = self.catalogue.page(OWNER, 1000, None)
        assert sorted(record.fingerprint for record in records) == sorted(self.files)
        for record in records:
            entry = self.catalogue.get(record.file_id, OWNER)
            assert entry is not None
            content = b"".join(self.store.read(entry[1], 0, record.file_size))
            assert hashlib.sha256(content).hexdigest() == record.fingerprint

    def append(self, upload: str, offset: int, body: Body) -> None:
        there = self.references[upload]
        refusal = there.refusal(offset, body.length)
        if refusal is None:
            session: Session = self.uploads.append(upload, offset, body)
            there.offset += body.length
            there.expires = self.now + LIFETIME
            assert session.committed_offset == there.offset
        else:
            with pytest.raises(refusal) as caught:
                self.uploads.append(upload, offset, body)
            if there.state is not None:
                assert caught.value.uploaded_bytes == there.offset


EXAMPLES: Final = {"memory": 25, "sqlite": 25, "postgresql": 8, "redis": 15}
"""Histories to try. Fewer where opening the store again takes longer."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_upload_behaves_like_its_model(name: str) -> None:
    class Machine(UploadMachine):
        store_name = name

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES[name],
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
