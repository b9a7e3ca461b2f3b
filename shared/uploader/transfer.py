"""The chunk loop of one session: the offset handshake, seen from the client.

One rule carries it: what the server confirmed is true, everything else is a guess. So after any failure the
server is asked for its offset before another byte is sent (article, "The offset handshake").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

from shared.uploader.api import UploadApi
from shared.uploader.errors import Interrupted, ServerRefused, StillFinalizing
from shared.uploader.observer import Observer
from shared.uploader.retry import Patience, RetryRules, Timing
from shared.uploader.source import SourceFile
from shared.uploader.wire import RemoteFile, RemoteSession


@dataclass
class Tally:
    """What an upload has cost so far.

    Attributes:
        bytes_sent: bytes of chunks handed to the network, confirmed or not.
        chunks: chunks confirmed.
        resumed_at: offsets (bytes) from which the upload went on after the server was asked.
        conflicts: 409 answers.
    """

    bytes_sent: int = 0
    chunks: int = 0
    resumed_at: list[int] = field(default_factory=list)
    conflicts: int = 0


@dataclass(frozen=True)
class Attempt:
    """One file on its way: what every step of it needs."""

    source: SourceFile
    patience: Patience
    rules: RetryRules
    timing: Timing
    observer: Observer
    tally: Tally = field(default_factory=Tally)


class Transfer:
    """Sends what the server does not have yet, and completes.

    Args:
        session: the session when it was just opened, or ``None`` to begin by asking about ``session_id``.
    """

    def __init__(
        self, api: UploadApi, attempt: Attempt, session_id: str, session: RemoteSession | None
    ) -> None:
        self._api = api
        self._attempt = attempt
        self._source = attempt.source
        self._session_id = session_id
        self._must_ask = session is None
        self._offset = self._highest = 0
        self._chunk_size = session.chunk_size if session else 0
        self._finalizing_since: float | None = None

    def run(self) -> RemoteFile:
        """Until the server has made a file of it.

        Raises:
            ServerRefused: for good; 404 and 410 mean that the session is gone.
            ServerAway: too many failures without progress; the session is still there.
            FileChanged, FileUnreadable: the local file let us down.
        """
        while True:
            try:
                file = self._step()
            except Interrupted as failure:
                self._attempt.patience.bear(failure)
                self._must_ask = True
            except ServerRefused as refusal:
                if refusal.status != HTTPStatus.CONFLICT:
                    raise
                self._adopt(refusal)
            else:
                if file is not None:
                    return file

    def _step(self) -> RemoteFile | None:
        if self._must_ask:
            return self._ask()
        if self._offset < self._source.size:
            self._send_chunk()
            return None
        return self._complete()

    def _ask(self) -> RemoteFile | None:
        progress = self._api.status(self._session_id)
        session = progress.session
        if session.file_size != self._source.size:
            raise Interrupted("the server's session is about another file")
        match session.state:
            case "completed":
                self._confirm(self._source.size)
                return session.file
            case "rejected":
                raise ServerRefused(
                    session.problem_detail,
                    status=HTTPStatus.UNPROCESSABLE_ENTITY,
                    problem_code=session.problem_code,
                )
            case "finalizing" if session.problem_code:
                raise StillFinalizing(session.problem_detail, resumable=True)
            case "finalizing":
                self._wait_for_finalization(progress.retry_after)
                return None
        self._must_ask = False
        self._chunk_size = session.chunk_size
        self._confirm(session.uploaded_bytes)
        if self._finalizing_since is None:
            self._attempt.tally.resumed_at.append(self._offset)
            self._attempt.observer.on_resume(self._offset)
        return None

    def _send_chunk(self) -> None:
        offset = self._offset
        length = min(self._chunk_size, self._source.size - offset)
        started = self._attempt.timing.clock()
        # Opened before the request begins: a file that changed must not cost the server a broken one.
        blocks = self._source.blocks(offset, length)
        confirmed = self._api.append(self._session_id, offset, length, self._counted(blocks))
        if not offset < confirmed <= self._source.size:
            raise Interrupted(f"the server answered a chunk at {offset} with offset {confirmed}")
        self._attempt.tally.chunks += 1
        self._attempt.observer.on_chunk(
            offset // self._chunk_size + 1, offset, length, self._attempt.timing.clock() - started
        )
        self._confirm(confirmed)

    def _complete(self) -> RemoteFile | None:
        self._source.check_unchanged()
        completion = self._api.complete(self._session_id)
        if completion.file is None:
            self._wait_for_finalization(completion.retry_after)
            self._must_ask = True
        return completion.file

    def _adopt(self, refusal: ServerRefused) -> None:
        """409: the server knows better. Counted like a failure unless it brought progress, or two sides that
        never agree would go on for ever; waited for only when the server contradicts itself."""
        self._attempt.tally.conflicts += 1
        found = refusal.uploaded_bytes
        disagreement = Interrupted(f"409: {refusal.detail.rstrip('.')}")
        if refusal.problem_code == "wrong-state" or found is None or not 0 <= found <= self._source.size:
            self._must_ask = True
            self._attempt.patience.bear(disagreement)
        elif found > self._highest:
            self._confirm(found)
        else:
            self._attempt.patience.bear(disagreement, at_once=found != self._offset)
            self._confirm(found)

    def _confirm(self, offset: int) -> None:
        self._offset = offset
        if offset > self._highest:
            self._highest = offset
            self._attempt.patience.progress()
        self._attempt.observer.on_progress(offset, self._source.size)

    def _wait_for_finalization(self, retry_after: float | None) -> None:
        now = self._attempt.timing.clock()
        if self._finalizing_since is None:
            self._finalizing_since = now
        if now - self._finalizing_since > self._attempt.rules.finalize_patience:
            raise StillFinalizing(
                "All bytes are at the server, which is still finalizing the file.", resumable=True
            )
        wait = 1.0 if retry_after is None else retry_after
        # A server that says 0 is asked ten times a second, not ten thousand times.
        self._attempt.timing.sleep(min(max(wait, 0.1), self._attempt.rules.longest_wait))

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._attempt.tally.bytes_sent += len(block)
            yield block
