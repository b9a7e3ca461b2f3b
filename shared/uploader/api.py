"""The protocol's requests, one method each. No retries and no loops: those are in the transfer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from shared.uploader.errors import Interrupted
from shared.uploader.http import Http
from shared.uploader.tickets import Tickets
from shared.uploader.wire import (
    Capabilities,
    RemoteFile,
    RemoteSession,
    capabilities_from,
    confirmed_from,
    file_from,
    session_from,
)


def upload_address(server: str) -> str:
    """``http://host:8002`` → ``http://host:8002/upload``, where the capabilities are."""
    server = server.rstrip("/")
    return server if server.endswith("/upload") else server + "/upload"


def ask_capabilities(http: Http, address: str) -> Capabilities:
    """``GET /upload``.

    Raises:
        ServerRefused, Interrupted: as :meth:`Http.ask`, like every request in this file.
    """
    return capabilities_from(http.ask("GET", address).body, address)


@dataclass(frozen=True)
class Progress:
    """A session's state, and the seconds the server wants to be left alone before it is asked again."""

    session: RemoteSession
    retry_after: float | None


@dataclass(frozen=True)
class Completion:
    """The answer to ``complete``: the file, or ``None`` (202) while finalization still runs."""

    file: RemoteFile | None
    retry_after: float | None


@dataclass(frozen=True)
class UploadApi:
    """Levels 2 to 4, as this client sees them."""

    http: Http
    capabilities: Capabilities
    tickets: Tickets

    def preflight(self, fingerprint: str, file_size: int) -> RemoteFile | None:
        """Whether the server has these bytes already (article, "Fingerprinting and deduplication")."""
        if self.capabilities.preflight is None:
            return None
        body = self._ask_admitted(
            self.capabilities.preflight, {"fingerprint": fingerprint, "fileSize": file_size}
        )
        if body.get("exists") is not True:
            return None
        return file_from(_object(body, "file"))

    def init(
        self, file_name: str, file_size: int, *, fingerprint: str, chunk_size: int | None
    ) -> RemoteSession:
        """Open a session. Sizes in bytes; ``chunk_size`` is a wish, the answer has the decision."""
        declared: dict[str, object] = {"fileName": file_name, "fileSize": file_size}
        if fingerprint:
            declared["fingerprint"] = fingerprint
        if chunk_size is not None:
            declared["chunkSize"] = chunk_size
        return session_from(self._ask_admitted(f"{self.capabilities.upload}/init", declared))

    def status(self, session_id: str) -> Progress:
        """Where are we?"""
        answer = self.http.ask("GET", self._address(session_id))
        return Progress(session_from(answer.body), answer.retry_after)

    def append(self, session_id: str, offset: int, length: int, blocks: Iterable[bytes]) -> int:
        """Send one chunk of ``length`` bytes; the confirmed offset is returned.

        A server that refuses early, before it has read the chunk, is understood when its answer arrives
        before the connection breaks; otherwise it is an interruption like any other.
        """
        headers = {
            "x-upload-offset": str(offset),
            "Content-Length": str(length),
            "Content-Type": "application/octet-stream",
        }
        answer = self.http.ask("PUT", self._address(session_id), body=blocks, headers=headers)
        return confirmed_from(answer.body)

    def complete(self, session_id: str) -> Completion:
        """Ask for finalization; may be repeated, the answer stays the same."""
        answer = self.http.ask("POST", f"{self._address(session_id)}/complete")
        if answer.status == 202:  # noqa: PLR2004 - Accepted
            return Completion(None, answer.retry_after)
        return Completion(file_from(_object(answer.body, "file")), None)

    def _ask_admitted(self, address: str, document: Mapping[str, object]) -> Mapping[str, object]:
        """The two requests that begin something; level 4 wants a ticket with them."""
        return self.tickets.with_one(
            lambda headers: self.http.ask("POST", address, document=document, headers=headers).body
        )

    def _address(self, session_id: str) -> str:
        return f"{self.capabilities.upload}/{quote(session_id, safe='')}"


def _object(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise Interrupted(f"the server's answer lacks {name}")
    return value
