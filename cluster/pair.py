"""Two servers of level 3 behind nginx, and the stores that both share."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal, Self

from cluster.nginx import Nginx
from cluster.postgresql import PostgreSqlServer
from cluster.redis import RedisServer
from cluster.service import free_port
from shared.commands.server_process import LevelServer

Store = Literal["redis", "postgresql"]
STORES: Final[tuple[Store, ...]] = ("redis", "postgresql")


class Pair:
    """All of it, from :meth:`__enter__` to :meth:`__exit__`.

    With Redis the records of files lie in an SQLite file, which both servers can reach because they are on
    one machine; with PostgreSQL they lie there too, and the servers could be anywhere. The bytes lie in the
    embedded S3 store, which both share.

    Args:
        store: where the sessions live.
        data: folder for what the servers store and say.
        options: further words for both servers.
        port: nginx listens here, the servers on the next two; 0 takes free ones.

    Attributes:
        servers: the two.
        nginx: what stands before them.
        shared: the session store's server.
    """

    def __init__(self, store: Store, data: Path, options: tuple[str, ...] = (), port: int = 0) -> None:
        self.shared = RedisServer() if store == "redis" else PostgreSqlServer()
        own: tuple[str, ...] = ("--sessions", self.shared.url)
        if store == "postgresql":
            own += ("--catalogue", self.shared.url)
        ports = [port + 1, port + 2] if port else [free_port(), free_port()]
        self.servers = [LevelServer(3, data=data, port=own_port, options=own + options) for own_port in ports]
        self.nginx = Nginx(ports, port)
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for part in (self.shared, *self.servers, self.nginx):
                starting.enter_context(part)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
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
