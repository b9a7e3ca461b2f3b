"""Level 4 as processes: services and applications started apart, on one embedded store, and what must be so
at the end."""

from __future__ import annotations

import hashlib
import json
import secrets
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest

from level4_dedicated_service.app import create_app
from shared.background import BACKGROUND
from shared.expiry import sweep
from shared.settings import settings_from
from tests.oracle import Upload, some_bytes
from tests.raw_http import Answer, exchange
from tests.servers import Server

CHUNK: Final = 16 * 1024
OPTIONS: Final = ("--s3-min-part", "1", "--lease", "1s", "--complete-wait", "2s")


def a_secret() -> str:
    """A secret in the form that the halves take."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


def free_port() -> int:
    """A port that was free a moment ago: the halves must know each other's before they start."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Halves:
    """Services and applications over one data folder.

    Attributes:
        callback: where the services call, if not at the first application.
        service_port: of the first service, which the application's page uploads to.
        keys: the environment with both secrets.
        environment: more of it, for all of them.
    """

    folder: Path
    callback: str = ""
    application_port: int = field(default_factory=free_port)
    service_port: int = field(default_factory=free_port)
    keys: dict[str, str] = field(
        default_factory=lambda: {
            "UPLOAD_TICKET_SECRETS": a_secret(),
            "UPLOAD_CALLBACK_SECRETS": a_secret(),
        }
    )
    environment: Mapping[str, str] = field(default_factory=dict)
    servers: list[Server] = field(default_factory=list)

    def service(self, *options: str, **attributes: Any) -> Server:
        """Start a service."""
        url = f"http://127.0.0.1:{self.application_port}"
        there = ["--only", "service", "--application-url", url]
        there += ["--callback-url", self.callback] if self.callback else []
        if not any(server.name.startswith("service") for server in self.servers):
            attributes.setdefault("port", self.service_port)
        return self._start("service", [*there, *options], attributes)

    def application(self, *options: str, port: int = 0, **attributes: Any) -> Server:
        """Start an application; the first one is the one that services call."""
        words = ["--only", "application", "--application-port", str(port or self.application_port)]
        words += ["--service-url", f"http://127.0.0.1:{self.service_port}"]
        return self._start("application", [*words, *options], attributes)

    def _start(self, name: str, options: Iterable[str], attributes: Mapping[str, Any]) -> Server:
        number = len(self.servers)
        given = dict(attributes)
        environment = self.keys | dict(self.environment) | dict(given.pop("environment", {}))
        server = Server(
            self.folder,
            level=4,
            options=(*OPTIONS, *options),
            environment=environment,
            name=f"{name}-{number}",
            **given,
        )
        self.servers.append(server)
        server.start()
        # The embedded store outlives whichever half has started it: it is nobody's child, and not waited for.
        server.leave_out("embedded_s3", "rclone")
        return server

    def close(self) -> None:
        """All of them are gone afterwards."""
        for server in self.servers:
            server.close()

    # -- what clients do ------------------------------------------------------------------------------------

    def ticket(self, port: int = 0) -> str:
        """A ticket from the application."""
        answer = exchange(port or self.application_port, "POST", "/tickets")
        assert answer.status == 201, answer
        text = answer.json["ticket"]
        assert isinstance(text, str)
        return text

    def begin(
        self,
        service: Server,
        name: str = "film.bin",
        data: bytes | None = None,
        *,
        ticket: str = "",
        seed: int = 1,
    ) -> Upload:
        """Init."""
        source = some_bytes(2 * CHUNK + 100, seed) if data is None else data
        wish = {"fileName": name, "fileSize": len(source), "chunkSize": CHUNK}
        answer = init(service, wish, ticket or self.ticket())
        assert answer.status == 201, answer
        return Upload(service, answer.json["sessionId"], source, name, CHUNK)

    def sent(self, service: Server, name: str = "film.bin", data: bytes | None = None, **more: Any) -> Upload:
        """An upload of which all bytes are there."""
        upload = self.begin(service, name, data, **more)
        upload.send_rest()
        return upload

    # -- what must be so ------------------------------------------------------------------------------------

    def files(self) -> list[dict[str, Any]]:
        """All records, as the application lists them."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = exchange(self.application_port, "GET", f"/files?limit=500{after}").json
            found += page["files"]
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    def staged(self) -> list[str]:
        """What lies below the staging prefix: the embedded store's objects are plain files."""
        return self._names("staged")

    def kept(self) -> list[str]:
        """What lies in the application's own place."""
        return self._names("files")

    def _names(self, prefix: str) -> list[str]:
        folder = self.folder / "data" / "level4" / "s3" / "uploads" / prefix
        return sorted(path.name for path in folder.glob("[!.]*")) if folder.exists() else []

    def oracle(self, *uploads: Upload) -> None:
        """Every upload ended in one record of exactly its bytes, and nothing else is left."""
        for upload in uploads:
            answer = upload.complete()
            assert (answer.status, answer.json["state"]) == (200, "completed"), answer
            file = answer.json["file"]
            assert file["fingerprint"] == hashlib.sha256(upload.source).hexdigest()
            assert file["fileName"] == upload.name
            content = exchange(self.application_port, "GET", f"/files/{file['fileId']}/content")
            assert content.body == upload.source
        listed = [file["fingerprint"] for file in self.files()]
        for upload in uploads:
            assert listed.count(hashlib.sha256(upload.source).hexdigest()) == 1
        within(lambda: self.staged() == [], lambda: f"still staged: {self.staged()}")

    def sweep(self) -> None:
        """What both halves remove on their timers, with a clock that is two days ahead."""
        given: dict[str, str | None] = {"data": str(self.folder / "data"), "s3_min_part": "1", "port": "1"}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.keys.items():
                patch.setenv(name, value)
            service, application = (
                create_app(settings_from({}, given | {"only": half})).extensions[BACKGROUND]
                for half in ("service", "application")
            )
        sweep(replace(service.uploads, clock=in_two_days))
        replace(application, clock=in_two_days).sweep()
        service.uploads.sessions.close()
        application.stop()


def in_two_days() -> float:
    """Later than every lifetime."""
    return time.time() + 2 * 24 * 3600.0


def init(service: Server, wish: Mapping[str, object], ticket: str | None) -> Answer:
    """Init, with a ticket or without."""
    headers = [("Content-Type", "application/json")]
    headers += [("Authorization", f"Bearer {ticket}")] if ticket is not None else []
    return exchange(service.port, "POST", "/upload/init", headers, json.dumps(wish).encode())


def within(holds: Callable[[], bool], otherwise: Callable[[], str], patience: float = 30.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)
