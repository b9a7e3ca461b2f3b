"""Where sessions live: one module per kind of store, one function to choose."""

from __future__ import annotations

from pathlib import Path

from shared.ports import SessionStore
from shared.settings import SettingError


def open_session_store(url: str, folder: Path) -> SessionStore:
    """The session store that the setting ``sessions`` names.

    Args:
        url: ``memory://``; ``sqlite`` (a file in ``folder``) or ``sqlite:///PATH``, on a disk of this
            machine, because SQLite's log cannot be shared over a network file system; ``postgresql://…`` or
            ``redis://…``, which several servers may share.
        folder: the level's data folder.

    Raises:
        SettingError: no such kind of store, or the database cannot be used.
    """
    # Imported when asked for: who keeps sessions in memory needs no database driver.
    if url == "memory://":
        from shared.sessions.memory import MemorySessionStore  # noqa: PLC0415

        return MemorySessionStore()
    if url == "sqlite" or url.startswith(("sqlite:///", "postgresql://")):
        from shared.sessions.sql import SqlSessionStore  # noqa: PLC0415

        return SqlSessionStore(
            f"sqlite:///{folder.absolute() / 'sessions.sqlite3'}" if url == "sqlite" else url
        )
    if url.startswith(("redis://", "rediss://", "unix://")):
        from shared.sessions.redis import RedisSessionStore  # noqa: PLC0415

        return RedisSessionStore(url)
    raise SettingError(
        f"sessions is memory://, sqlite, sqlite:///PATH, postgresql://… or redis://…, not {url!r}"
    )
