"""Redis, from Debian's package."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from level3_s3_multipart.cluster.service import Service


class RedisServer(Service):
    """A new server that keeps its log.

    Args:
        appendfsync: Redis' own setting: when the log is synced.
    """

    name = "redis"

    def __init__(self, *, appendfsync: str = "everysec") -> None:
        super().__init__()
        self.appendfsync = appendfsync

    def command(self) -> Sequence[str]:
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": self.appendfsync,
            "loglevel": "warning",
        }
        return ["redis-server", *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def answers(self) -> bool:
        try:
            with self.connect() as connection:
                return bool(connection.ping())
        except redis.RedisError:
            return False

    def connect(self) -> redis.Redis:
        """A connection of the tests' own."""
        once = Retry(NoBackoff(), 0)
        return redis.Redis(port=self.port, decode_responses=True, socket_timeout=5, retry=once)

    @property
    def url(self) -> str:
        """Its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def url_for(self, folder: Path) -> str:
        """An empty corner of it: a prefix of its own for every folder, the same for the same folder."""
        return f"{self.url}?prefix={hashlib.sha256(str(folder).encode()).hexdigest()[:16]}:"

    def stop(self) -> None:
        """What a restart of the service does: the log is written out."""
        self.end(signal.SIGTERM)
