"""Requests that no HTTP library would send: begun and left, finished by somebody else, all at once."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Literal

from tests.conformance.messages import Answer, NoAnswer
from tests.conformance.target import OCTETS, Target, Upload


class Writer:
    """A PUT that is sent in pieces, on a connection of its own. A context manager.

    Args:
        body: what ``Content-Length`` promises, whether or not it is ever sent.
        headers: sent beside those of an honest chunk, or instead of them.
    """

    def __init__(
        self,
        target: Target,
        upload: Upload,
        offset: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = body
        self.sent = 0
        self.connection = target.connect()
        fields = {
            "x-upload-offset": str(offset),
            "Content-Type": OCTETS,
            "Content-Length": str(len(body)),
            **(headers or {}),
        }
        self.connection.send_head("PUT", upload.path, target.base_headers() | fields)

    def send(self, stop: int | None = None) -> Writer:
        """Send the body up to byte ``stop``; without it, all that is left."""
        end = len(self.body) if stop is None else stop
        self.connection.send(self.body[self.sent : end])
        self.sent = max(self.sent, end)
        return self

    def answer(self, patience: float | None = None) -> Answer:
        """Wait for the answer.

        Raises:
            NoAnswer
        """
        return self.connection.answer(patience)

    def outcome(self, patience: float) -> Answer | None:
        """The answer, or None: the server hung up, or says nothing for ``patience`` seconds."""
        with contextlib.suppress(NoAnswer):
            return self.connection.answer(patience)
        return None

    def leave(self, how: Literal["reset", "close"]) -> None:
        """Be gone in the middle: as a crashed machine, or as a closed program."""
        if how == "reset":
            self.connection.reset()
        else:
            self.connection.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()


def put_after_death(target: Target, upload: Upload, number: int) -> Answer:
    """Send chunk ``number`` after another connection died in it; the answer, whatever it is.

    Once more if need be: a loaded server may come to read the dead connection's request after this one, and
    then rightly prefers it. The second time this is the newcomer in any case.

    Raises:
        NoAnswer
    """
    offset = number * upload.chunk_size
    answer = target.put(upload, offset, upload.chunk(number))
    if answer.status == 409 and answer.json.get("uploadedBytes") == offset:
        answer = target.put(upload, offset, upload.chunk(number))
    return answer


def complete_at_once(target: Target, upload: Upload, times: int) -> list[Answer]:
    """Ask for completion ``times`` times in the same moment.

    Every request waits for its last byte, and the last bytes go out together: threads would start the
    requests one after the other, and a fast server would never see two of them.

    Raises:
        NoAnswer
    """
    fields = target.base_headers() | {"Content-Type": "application/json", "Content-Length": "2"}
    with ExitStack() as stack:
        connections = [stack.enter_context(target.connect()) for _ in range(times)]
        for connection in connections:
            connection.send_head("POST", f"{upload.path}/complete", fields)
            connection.send(b"{")
        for connection in connections:
            connection.send(b"}")
        return [connection.answer() for connection in connections]
