"""PostgreSQL, from Debian's package. It refuses to be run by root, so it is run by the package's user."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from level3_s3_multipart.cluster.service import Service, clean_environment


class PostgreSqlServer(Service):
    """A new database cluster.

    Args:
        durable: whether it syncs its log, as it does by default. Without, tests are faster.
    """

    name = "postgresql"
    user = "postgres"

    def __init__(self, *, durable: bool = True) -> None:
        super().__init__()
        self._durable = durable
        self._binaries = _binaries()
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.user)
        subprocess.run(
            [
                *self.as_user(),
                *(self._binaries / "initdb", "--no-sync", "-A", "trust", "-U", "uploads", "-E", "UTF8"),
                *("--locale=C", "-D", self.folder / "data"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            env=clean_environment(),
        )

    def command(self) -> Sequence[str]:
        sync = "on" if self._durable else "off"
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": sync,
            "full_page_writes": sync,
            "shared_buffers": "32MB",
            "max_connections": "200",
            "timezone": "UTC",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        data = str(self.folder / "data")
        return [str(self._binaries / "postgres"), "-D", data, "-p", str(self.port), *options]

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the tests' own."""
        return psycopg.connect(self.url, autocommit=True, connect_timeout=2)

    @property
    def url(self) -> str:
        """Its one database."""
        return f"postgresql://uploads@127.0.0.1:{self.port}/postgres"

    def url_for(self, folder: Path) -> str:
        """An empty corner of it: a schema of its own for every folder, the same for the same folder."""
        schema = "s" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        return f"{self.url}?options=-csearch_path%3D{schema}"

    def kill(self) -> None:
        """SIGKILL to all of it: recovery from the log at the next start."""
        # Backends are in sessions of their own; on their own they would notice a moment later.
        family = psutil.Process(self._process.pid).children(recursive=True) if self._process else []
        super().kill()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        while any(process.is_running() for process in family):
            time.sleep(0.005)
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """What a restart of the service does: connections are cut, transactions taken back ("fast")."""
        self.end(signal.SIGINT)


def _binaries() -> Path:
    """The newest installed version's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("postgres")
    assert there is not None, "PostgreSQL is not installed; on Debian: apt install postgresql"
    return Path(there).parent
