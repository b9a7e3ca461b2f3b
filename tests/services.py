"""Real PostgreSQL and Redis servers for the tests, on ports of their own, gone when the tests are.

:func:`postgresql` and :func:`redis` are shared by all tests of one process and started by the first that
asks. A test that kills or stops a server starts one of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from level3_s3_multipart.cluster.postgresql import PostgreSqlServer
from level3_s3_multipart.cluster.redis import RedisServer

_running = ExitStack()
_shared: dict[type, object] = {}


def postgresql() -> PostgreSqlServer:
    """The PostgreSQL server that tests share. Nothing in it survives a power cut: it syncs nothing."""
    if PostgreSqlServer not in _shared:
        _shared[PostgreSqlServer] = _running.enter_context(PostgreSqlServer(durable=False))
    server = _shared[PostgreSqlServer]
    assert isinstance(server, PostgreSqlServer)
    return server


def redis() -> RedisServer:
    """The Redis server that tests share."""
    if RedisServer not in _shared:
        _shared[RedisServer] = _running.enter_context(RedisServer())
    server = _shared[RedisServer]
    assert isinstance(server, RedisServer)
    return server


def stop_all() -> None:
    """Called once the last test of this process has ended."""
    _running.close()
    _shared.clear()


STORES: Final[dict[str, Callable[[Path], str]]] = {
    "memory": lambda folder: "memory://",
    "sqlite": lambda folder: "sqlite",
    "sqlite file": lambda folder: f"sqlite:///{folder}/a folder/that % is? not there.db",
    "postgresql": lambda folder: postgresql().url_for(folder),
    "redis": lambda folder: redis().url_for(folder),
}
"""The URL of an empty session store of each kind, given a folder."""
