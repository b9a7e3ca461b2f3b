"""How each server wants its upload: the levels' protocol, tus, or a plain PUT a chunk.

Every dialect sends the same chunks over the same keep-alive connection, so what differs is the server.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urljoin, urlsplit

from bench.connection import Connection, Unexpected
from bench.payload import Payload
from bench.talk import ticket

POLL: Final = 0.05
"""Seconds between two questions whether a finalization has ended."""

JSON: Final = {"Content-Type": "application/json"}
TUS: Final = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Task:
    """One file to upload. Sizes in bytes."""

    url: str
    file_size: int
    chunk_size: int

    def chunks(self) -> Iterator[tuple[int, int]]:
        """(offset, length) of every chunk."""
        for offset in range(0, self.file_size, self.chunk_size):
            yield offset, min(self.chunk_size, self.file_size - offset)


class Upload(Protocol):
    """One upload over one connection, in three steps that are timed separately."""

    def __init__(self, task: Task, payload: Payload) -> None: ...

    def start(self) -> None:
        """Everything before the first chunk."""

    def send(self) -> None:
        """All chunks, one after the other."""

    def finish(self) -> None:
        """Everything after the last chunk, until the server calls the file complete; hang up."""


class PlainPut:
    """A file a chunk: nginx's DAV module, or the sink. No offsets, nothing to resume."""

    def __init__(self, task: Task, payload: Payload) -> None:
        self._task, self._payload = task, payload
        self._name = secrets.token_hex(8)

    def start(self) -> None:
        """See :class:`Upload`."""
        self._connection = Connection(self._task.url)

    def send(self) -> None:
        """See :class:`Upload`."""
        for offset, length in self._task.chunks():
            path = f"/{self._name}-{offset}"
            self._connection.send("PUT", path, {}, self._payload, length, unique=offset == 0).expect(
                200, 201, 204
            )

    def finish(self) -> None:
        """See :class:`Upload`."""
        self._connection.close()


class Tus:
    """tus 1.0: POST creates, PATCH appends at an offset. It has no "complete": the last byte is the end."""

    def __init__(self, task: Task, payload: Payload) -> None:
        self._task, self._payload = task, payload

    def start(self) -> None:
        """See :class:`Upload`."""
        self._connection = Connection(self._task.url)
        headers = {**TUS, "Upload-Length": str(self._task.file_size)}
        answer = self._connection.ask("POST", urlsplit(self._task.url).path, headers).expect(201)
        self._path = urlsplit(answer.headers["location"]).path

    def send(self) -> None:
        """See :class:`Upload`."""
        for offset, length in self._task.chunks():
            headers = {
                **TUS,
                "Upload-Offset": str(offset),
                "Content-Type": "application/offset+octet-stream",
            }
            self._connection.send(
                "PATCH", self._path, headers, self._payload, length, unique=offset == 0
            ).expect(204)

    def finish(self) -> None:
        """See :class:`Upload`."""
        self._connection.close()


class Chunked:
    """The protocol of levels 2 to 4: init, PUT at an offset, complete."""

    def __init__(self, task: Task, payload: Payload) -> None:
        self._task, self._payload = task, payload

    def start(self) -> None:
        """See :class:`Upload`."""
        self.connection = Connection(self._task.url)
        wish = {
            "fileName": "bench.bin",
            "fileSize": self._task.file_size,
            "chunkSize": self._task.chunk_size,
        }
        headers = JSON | self._ticket()
        answer = self.connection.ask("POST", "/upload/init", headers, json.dumps(wish).encode()).expect(201)
        if answer.json()["chunkSize"] != self._task.chunk_size:
            raise Unexpected(f"the server wants chunks of {answer.json()['chunkSize']:,} bytes")
        self.path = f"/upload/{answer.json()['sessionId']}"

    def send(self) -> None:
        """See :class:`Upload`."""
        for offset, length in self._task.chunks():
            self.begin_chunk(offset, length)
            self._payload.send(self.connection.socket, length, unique=offset == 0)
            self.connection.answer().expect(200)

    def _ticket(self) -> dict[str, str]:
        """The header that lets an upload begin, where the server wants one."""
        links = self.connection.ask("GET", "/upload", {}).expect(200).json()["links"]
        if not links.get("ticket"):
            return {}
        return {"Authorization": f"Bearer {ticket(urljoin(self._task.url, links['ticket']))}"}

    def begin_chunk(self, offset: int, length: int) -> None:
        """The head of a chunk's request; its body follows, or a silence."""
        headers = {"x-upload-offset": str(offset), "Content-Type": "application/octet-stream"}
        self.connection.begin("PUT", self.path, headers, length)

    def finish(self) -> None:
        """See :class:`Upload`."""
        state = self.connection.ask("POST", f"{self.path}/complete", JSON).expect(200, 202).json()["state"]
        while state == "finalizing":
            time.sleep(POLL)
            state = self.connection.ask("GET", self.path, {}).expect(200).json()["state"]
        if state != "completed":
            raise Unexpected(f"the upload ended as {state}")
        self.connection.close()
