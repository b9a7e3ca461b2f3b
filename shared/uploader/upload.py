"""The client's whole story of one file: recognise it, or send it, resuming what was begun.

    fingerprint → preflight → init → chunks → complete

Used by the command line, the tour and load tests. Knows the server through its wire format alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, Literal

from shared.uploader.api import UploadApi, ask_capabilities, upload_address
from shared.uploader.errors import FileChanged, FingerprintDiffers, ServerRefused
from shared.uploader.form import send_form
from shared.uploader.http import Http
from shared.uploader.observer import Observer
from shared.uploader.retry import Patience, RetryRules, Timing
from shared.uploader.source import SourceFile
from shared.uploader.state import SessionFiles, StateStore, StoredSession, default_state_folder, session_key
from shared.uploader.tickets import Tickets
from shared.uploader.transfer import Attempt, Transfer
from shared.uploader.wire import Capabilities, RemoteFile, RemoteSession

GONE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
Ending = Literal["sent", "resumed", "already-there"]


@dataclass(frozen=True)
class Result:
    """How an upload ended well.

    Attributes:
        how: ``sent`` in one go, ``resumed`` at least once, or ``already-there``: recognised, not sent.
        bytes_sent: bytes of file content handed to the network by this run, repeats included.
        chunks: chunks confirmed in this run.
        resumed_at: offsets in bytes.
        seconds: from the first byte read to the answer.
        conflicts, retries: 409 answers, and tries that were repeated.
    """

    file: RemoteFile
    how: Ending
    bytes_sent: int
    chunks: int
    resumed_at: tuple[int, ...]
    seconds: float
    conflicts: int
    retries: int


class _SessionGone(Exception):
    """The session is unknown, expired or cancelled; its bytes are gone."""

    def __init__(self, refusal: ServerRefused) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


class Uploader:
    """Uploads files to one server, one after the other.

    Args:
        server: the server's address; ``/upload`` is added when it is missing.
        chunk_size: the wish in bytes; the server decides.
        fingerprint: hash the file first, so that a file the server has is not sent.
        resume: go on with what an earlier run began; ``False`` starts at the first byte.
        state: where sessions are remembered; the platform's state folder by default.
    """

    def __init__(
        self,
        server: str,
        *,
        chunk_size: int | None = None,
        fingerprint: bool = True,
        resume: bool = True,
        state: StateStore | None = None,
        observer: Observer | None = None,
        rules: RetryRules | None = None,
        timing: Timing | None = None,
        http: Http | None = None,
    ) -> None:
        self._address = upload_address(server)
        self._chunk_size = chunk_size
        self._wants_fingerprint = fingerprint
        self._resume = resume
        self._state = state or SessionFiles(default_state_folder())
        self._observer = observer or Observer()
        self._rules = rules or RetryRules()
        self._timing = timing or Timing()
        self._http = http or Http()

    def upload(self, path: Path) -> Result:
        """Bring the file at ``path`` to the server.

        Raises:
            ServerRefused: the server does not want it.
            ServerAway: it cannot be reached; when the error is ``resumable``, calling again goes on.
            FileUnreadable, FileChanged: the local file let us down.
            FingerprintDiffers: the server recorded other bytes than these.
        """
        started = self._timing.clock()
        patience = Patience(self._rules, self._timing, self._observer.on_retry)
        with SourceFile(path) as source:
            attempt = Attempt(source, patience, self._rules, self._timing, self._observer)
            tally = attempt.tally
            found = patience.until_done(lambda: ask_capabilities(self._http, self._address))
            if found.chunk_size is None:
                file, there = send_form(self._http, found.upload, source), False
                tally.bytes_sent = source.size
                self._observer.on_progress(source.size, source.size)
            else:
                file, there = self._in_chunks(self._api(found), attempt)
        return Result(
            file=file,
            how="already-there" if there else "resumed" if tally.resumed_at else "sent",
            bytes_sent=tally.bytes_sent,
            chunks=tally.chunks,
            resumed_at=tuple(tally.resumed_at),
            seconds=self._timing.clock() - started,
            conflicts=tally.conflicts,
            retries=patience.retries,
        )

    def _api(self, found: Capabilities) -> UploadApi:
        return UploadApi(self._http, found, Tickets(self._http, found.ticket))

    def _in_chunks(self, api: UploadApi, attempt: Attempt) -> tuple[RemoteFile, bool]:
        """The file, and whether it was there before."""
        source = attempt.source
        key = session_key(self._address, source)
        stored = self._stored(key, source)
        fingerprint = self._fingerprint_of(source) if stored is None else stored.fingerprint
        if stored is None and fingerprint:
            existing = attempt.patience.until_done(lambda: api.preflight(fingerprint, source.size))
            if existing is not None:
                return _checked(existing, fingerprint), True
        try:
            file = self._by_session(api, attempt, key, stored, fingerprint)
        except _SessionGone:
            try:
                # Once: a server that loses every session would otherwise be sent the beginning for ever.
                file = self._by_session(api, attempt, key, None, fingerprint)
            except _SessionGone as gone:
                raise gone.refusal from None
        return _checked(file, fingerprint), False

    def _stored(self, key: str, source: SourceFile) -> StoredSession | None:
        stored = self._state.load(key) if self._resume else None
        return stored if stored is not None and stored.path == str(source.path) else None

    def _by_session(
        self, api: UploadApi, attempt: Attempt, key: str, stored: StoredSession | None, fingerprint: str
    ) -> RemoteFile:
        session = None
        if stored is None:
            session = self._init(api, attempt, fingerprint)
            stored = StoredSession(session.session_id, str(attempt.source.path), fingerprint)
            try:
                self._state.save(key, stored)
            except OSError as error:
                self._observer.on_state_lost(str(error))
            self._observer.on_progress(0, attempt.source.size)
        try:
            file = Transfer(api, attempt, stored.session_id, session).run()
        except ServerRefused as refusal:
            # Forgotten only where the session is gone with its bytes; otherwise it may still be resumed.
            if refusal.status in (*GONE, HTTPStatus.UNPROCESSABLE_ENTITY):
                self._state.remove(key)
            if refusal.status in GONE:
                raise _SessionGone(refusal) from refusal
            raise
        except FileChanged:
            self._state.remove(key)  # another time, another key: nobody will ever ask for this one again
            raise
        self._state.remove(key)
        return file

    def _init(self, api: UploadApi, attempt: Attempt, fingerprint: str) -> RemoteSession:
        source = attempt.source
        return attempt.patience.until_done(
            lambda: api.init(source.name, source.size, fingerprint=fingerprint, chunk_size=self._chunk_size)
        )

    def _fingerprint_of(self, source: SourceFile) -> str:
        if not self._wants_fingerprint:
            return ""
        return source.fingerprint(lambda done: self._observer.on_fingerprint_progress(done, source.size))


def _checked(file: RemoteFile, fingerprint: str) -> RemoteFile:
    if fingerprint and file.fingerprint != fingerprint:
        raise FingerprintDiffers(
            f"The server's file {file.file_id} has SHA-256 {file.fingerprint}, this one has {fingerprint}."
        )
    return file
