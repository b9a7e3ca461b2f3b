"""The server under test, as one case sees it: its claims, its sizes, and the protocol's requests by name.

Blobs are sized by what the server advertises, so a server whose chunks start at 5 MiB needs no case of its
own. Every case gets a target of its own, with its own log and its own random bytes.
"""

from __future__ import annotations

import json as jsonlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from tests.conformance.case import NotApplicable
from tests.conformance.expect import expect, require, shown
from tests.conformance.hooks import Hooks
from tests.conformance.http import PATIENCE, Connection
from tests.conformance.messages import Address, Answer, Log, NoAnswer
from tests.conformance.tickets import NO_TICKETS, TicketPocket

OCTETS: Final = "application/octet-stream"
LARGEST_MINIMUM: Final = 256 * 1024 * 1024
FINALIZATION: Final = 20.0
"""Seconds that a small file may take from complete to completed."""


SMALL: Final = 1024
"""Bytes of a chunk where the server would take still smaller ones."""


@dataclass(frozen=True)
class Sizes:
    """Bytes: the smallest and largest chunk, the one taken without a wish, and the largest file."""

    minimum: int
    default: int
    maximum: int
    file: int


@dataclass(frozen=True)
class Upload:
    """One session of this case, and the bytes it is about.

    Attributes:
        path: the session's resource.
        chunk_size: bytes, as the server decided.
    """

    path: str
    session_id: str
    data: bytes
    chunk_size: int

    def chunk(self, number: int) -> bytes:
        """The bytes of chunk ``number``, from 0."""
        return self.data[number * self.chunk_size : (number + 1) * self.chunk_size]

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-len(self.data) // self.chunk_size)


@dataclass(frozen=True)
class Target:
    """One server, one case.

    Attributes:
        capabilities: the document of ``GET /upload``.
        headers: sent with every request (``--header``).
        hooks: what can be done to the server from outside.
        pocket: holds the ticket that goes with every request, where the server wants one.
        seed: makes this case's bytes its own, so that no two cases upload the same file.
    """

    address: Address
    capabilities: Mapping[str, Any]
    hooks: Hooks
    headers: Mapping[str, str] = field(default_factory=dict)
    pocket: TicketPocket = field(default_factory=TicketPocket)
    seed: str = ""
    log: Log = field(default_factory=Log)
    patience: float = PATIENCE

    def for_case(self, slug: str, run: str) -> Target:
        """A fresh target for one case of one run."""
        return replace(self, seed=f"{run}:{slug}", log=Log())

    # -- what the server says of itself ---------------------------------------------------------------

    @property
    def claims(self) -> frozenset[str]:
        """What it claims."""
        claims = self.capabilities.get("claims")
        return frozenset(c for c in claims if isinstance(c, str)) if isinstance(claims, list) else frozenset()

    @property
    def sizes(self) -> Sizes:
        """What it advertises.

        Raises:
            NotApplicable: it cuts nothing into chunks, or says so in no understandable way (which is for the
                capabilities section to judge).
        """
        chunk = self.capabilities.get("chunkSize")
        try:
            assert isinstance(chunk, dict)
            minimum, default, maximum = (int(chunk[name]) for name in ("minimum", "default", "maximum"))
            sizes = Sizes(minimum, default, maximum, file=int(self.capabilities["maxFileSize"]))
        except (AssertionError, KeyError, TypeError, ValueError, OverflowError):
            raise NotApplicable("the server advertises no chunk sizes") from None
        # The cases hold a few chunks in memory, and none can be made of fewer bytes than one.
        if not 1 <= minimum <= LARGEST_MINIMUM or not minimum <= default <= maximum or sizes.file < 0:
            raise NotApplicable("no case can be made of the sizes that the server advertises")
        return sizes

    @property
    def largest_file(self) -> int:
        """``maxFileSize``, which every level has.

        Raises:
            NotApplicable: it is no size (which is for the capabilities section to judge).
        """
        most = self.capabilities.get("maxFileSize")
        if type(most) is not int or most < 0:
            raise NotApplicable("the server does not say how large a file may be")
        return most

    @property
    def small(self) -> int:
        """The chunk size that cases wish for: the smallest one that still has a beginning and a middle."""
        return max(self.sizes.minimum, min(SMALL, self.sizes.maximum))

    def link(self, name: str) -> str:
        """The path of one of the advertised links; the whole address where another server answers.

        Raises:
            NotApplicable: it is not there.
        """
        links = self.capabilities.get("links")
        link = links.get(name) if isinstance(links, dict) else None
        if not isinstance(link, str):
            raise NotApplicable(f"the server advertises no {name!r} link")
        try:
            return urljoin(f"{self.address.prefix}/upload", link)
        except ValueError:
            raise NotApplicable(f"the server's {name!r} link is no address") from None

    @property
    def upload_path(self) -> str:
        """The resource everything hangs below."""
        return self.link("upload").rstrip("/")

    # -- bytes ----------------------------------------------------------------------------------------

    def blob(self, size: int, name: str = "") -> bytes:
        """``size`` random bytes that no other case has, the same at every call with the same ``name``."""
        return random.Random(f"{self.seed}:{name}:{size}").randbytes(size)

    # -- requests -------------------------------------------------------------------------------------

    def connect(self, path: str = "") -> Connection:
        """A connection to be rude on, to whoever answers at ``path``."""
        return Connection(self.whose(path)[0], self.log, self.patience)

    def base_headers(self, path: str = "") -> dict[str, str]:
        """What every honest request carries."""
        return {"Host": self.whose(path)[0].host_header, **self.ticket(), **self.headers}

    def whose(self, path: str) -> tuple[Address, str]:
        """Where ``path`` is answered, and what it is called there: links may lead to another server."""
        if not path.startswith(("http://", "https://")):
            return self.address, path
        parts = urlsplit(path)
        return Address.of(f"{parts.scheme}://{parts.netloc}"), urlunsplit(("", "", *parts[2:])) or "/"

    def ticket(self) -> dict[str, str]:
        """The header with a ticket that is good now, where the server claims to want one."""
        if "tickets" not in self.claims or "Authorization" in self.headers:
            return {}
        return self.pocket.header(self.ask_ticket)

    def without_ticket(self) -> Target:
        """The same target, for requests that carry none."""
        return replace(self, pocket=NO_TICKETS)

    def ask_ticket(self) -> Answer:
        """Ask for a ticket.

        Raises:
            NotApplicable: the server does not say where; NoAnswer.
        """
        address, path = self.whose(self.link("ticket"))
        with Connection(address, self.log, self.patience) as connection:
            fields = {"Host": address.host_header, "Connection": "close", "Content-Length": "0"}
            connection.send_head("POST", path, fields | dict(self.headers))
            return connection.answer()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float | None = None,
    ) -> Answer:
        """One honest request on a connection of its own.

        Raises:
            NoAnswer: which the runner reports as a failed case.
        """
        answer = self._once(method, path, body, headers, patience)
        sent = {} if "Authorization" in dict(headers or {}) else self.ticket()
        if answer.status == 401 and sent and "tickets" in self.claims:
            # As a client does: the ticket may have ended, or its secret with a restart. Once, with a new one.
            self.pocket.forget(sent)
            answer = self._once(method, path, body, headers, patience)
        return answer

    def _once(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        patience: float | None,
    ) -> Answer:
        with self.connect(path) as connection:
            fields = self.base_headers(path) | {"Connection": "close"}
            if body is not None:
                fields["Content-Length"] = str(len(body))
            connection.send_head(method, self.whose(path)[1], fields | dict(headers or {}))
            if body:
                connection.send(body)
            return connection.answer(patience)

    def post_json(self, path: str, document: object, headers: Mapping[str, str] | None = None) -> Answer:
        """POST a JSON document."""
        fields = {"Content-Type": "application/json"} | dict(headers or {})
        return self.request("POST", path, body=jsonlib.dumps(document).encode(), headers=fields)

    def post_init(self, **members: Any) -> Answer:
        """init with these members, as they are."""
        return self.post_json(f"{self.upload_path}/init", members)

    def begin(self, data: bytes | None = None, *, chunks: float = 2.5, **members: Any) -> Upload:
        """Open a session for ``data``, or for about ``chunks`` small chunks.

        The default, two whole chunks and a tail, is the smallest file that shows everything.
        """
        if data is None:
            data = self.blob(max(1, int(self.small * chunks)))
        answer = self.post_init(
            **{"fileName": "case.bin", "fileSize": len(data), "chunkSize": self.small} | members
        )
        expect(answer, status=201)
        session_id, size = answer.json.get("sessionId"), answer.json.get("chunkSize")
        require(isinstance(session_id, str) and session_id, "a sessionId", repr(session_id))
        require(type(size) is int and size > 0, "a chunkSize of at least 1", repr(size))
        assert isinstance(session_id, str)
        assert isinstance(size, int)
        return Upload(f"{self.upload_path}/{session_id}", session_id, data, size)

    def put(
        self, upload: Upload, offset: int | str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One chunk, honestly sent."""
        fields = {"x-upload-offset": str(offset), "Content-Type": OCTETS} | dict(headers or {})
        return self.request("PUT", upload.path, body=body, headers=fields)

    def put_chunks(self, upload: Upload, first: int = 0, stop: int | None = None) -> None:
        """Chunks ``first`` to ``stop`` (all that are left without it), each accepted."""
        for number in range(first, upload.chunks if stop is None else stop):
            body = upload.chunk(number)
            offset = number * upload.chunk_size
            expect(self.put(upload, offset, body), status=200, uploadedBytes=offset + len(body))

    def status(self, upload: Upload) -> Answer:
        """Where are we?"""
        return self.request("GET", upload.path)

    def expect_offset(self, upload: Upload, offset: int) -> None:
        """Hold the committed offset to a value.

        Raises:
            Violation
        """
        expect(self.status(upload), status=200, uploadedBytes=offset)

    def complete(self, upload: Upload, document: object | None = None) -> Answer:
        """Ask for completion, and poll while the server says that it is still finalizing."""
        path = f"{upload.path}/complete"
        deadline = time.monotonic() + FINALIZATION
        while True:
            answer = self.request("POST", path) if document is None else self.post_json(path, document)
            if answer.status != 202 or time.monotonic() > deadline:
                return answer
            time.sleep(0.2)

    def finish(self, upload: Upload, first: int = 0) -> dict[str, Any]:
        """Send what is left from chunk ``first`` on, complete, and return FILE."""
        self.put_chunks(upload, first)
        answer = self.complete(upload)
        expect(answer, status=200, state="completed")
        file = answer.json.get("file")
        require(isinstance(file, dict), "FILE in the answer to complete", repr(file))
        assert isinstance(file, dict)
        return file

    def cancel(self, upload: Upload) -> Answer:
        """Forget the upload."""
        return self.request("DELETE", upload.path)

    def content(self, file: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
        """The bytes of a finished file."""
        return self.request("GET", f"{self.link('files')}/{file.get('fileId')}/content", headers=headers)

    def all_files(self) -> list[dict[str, Any]]:
        """Every finished file, following the cursor."""
        found: list[dict[str, Any]] = []
        path = f"{self.link('files')}?limit=100"
        for _ in range(1000):
            answer = self.request("GET", path)
            expect(answer, status=200)
            page = answer.json.get("files")
            listed = isinstance(page, list) and all(isinstance(file, dict) for file in page)
            require(listed, "a list of FILE as files", shown(page))
            found += page or []
            cursor = answer.json.get("next")
            if cursor is None:
                return found
            path = f"{self.link('files')}?limit=100&after={cursor}"
        return found


__all__ = ["NoAnswer", "Sizes", "Target", "Upload"]
