"""Two servers of level 3 behind nginx, and the stores that both share."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from level3_s3_multipart.cluster.nginx import Nginx
from level3_s3_multipart.cluster.postgresql import PostgreSqlServer
from level3_s3_multipart.cluster.redis import RedisServer
from level3_s3_multipart.cluster.service import Service, free_port
from shared.commands.server_process import LevelServer

STORES: Final[dict[str, type[RedisServer | PostgreSqlServer]]] = {
    "redis": RedisServer,
    "postgresql": PostgreSqlServer,
}


class Pair:
    """All of it, from :meth:`__enter__` to :meth:`__exit__`.

    With Redis the records of files lie in an SQLite file, which both servers can reach because they are on
    one machine; with PostgreSQL they lie there too, and the servers could be anywhere. The bytes lie in the
    embedded S3 store, which both share.

    Args:
        sessions: ``redis`` or ``postgresql`` starts one; or the URL of one that runs.
        data: folder for what the servers store and say.
        options: further words for both servers.
        port, server_ports: of nginx and of the servers; 0 takes a free one.

    Attributes:
        servers: the two.
        nginx: what stands before them.
        sessions: the URL of the session store.
    """

    def __init__(
        self,
        sessions: str,
        data: Path,
        options: tuple[str, ...] = (),
        port: int = 0,
        server_ports: tuple[int, int] = (0, 0),
    ) -> None:
        self._own: list[Service] = []
        self.sessions = sessions
        if sessions in STORES:
            started = STORES[sessions]()
            self._own, self.sessions = [started], started.url
        words: tuple[str, ...] = ("--sessions", self.sessions)
        if self.sessions.startswith("postgresql:"):
            words += ("--catalogue", self.sessions)
        ports = [given or free_port() for given in server_ports]
        self.servers = [LevelServer(3, data=data, port=own, options=words + options) for own in ports]
        self.nginx = Nginx(ports, port)
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for service in self._own:
                starting.enter_context(service)
            for server in self.servers:
                starting.enter_context(server)
            starting.enter_context(self.nginx)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """As a deployment leaves: nobody new comes in, requests in flight are finished, then all go."""
        self.nginx.send(signal.SIGQUIT)
        leaving = [threading.Thread(target=server.stop) for server in self.servers]
        for thread in leaving:
            thread.start()
        for thread in leaving:
            thread.join()
        self._running.close()

    @property
    def url(self) -> str:
        """The one address."""
        return f"http://127.0.0.1:{self.nginx.port}"

    def restart(self, number: int) -> float:
        """SIGTERM to one server, then a new process in its place; return the seconds until the old one was
        gone."""
        server = self.servers[number]
        started = time.monotonic()
        server.stop()
        gone = time.monotonic() - started
        server.start()
        return gone
