"""What the client remembers between two runs: which session a file was being sent in.

The browser has ``sessionStorage`` for this (article, "Where the browser keeps the session ID"); a command
line has a folder with one small JSON file per upload. The key is the article's:
``upload-session:<endpoint>:<filename>:<filesize>:<lastModified>``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final, Protocol

import platformdirs

from shared.uploader.source import SourceFile

STATE_DIR_VARIABLE: Final = "UPLOAD_STATE_DIR"


@dataclass(frozen=True)
class StoredSession:
    """One upload that has begun.

    Attributes:
        path: the local file. The key has only its name; the same name, size and time in another folder must
            not go on with this file's bytes.
        fingerprint: SHA-256 of the whole file, so that resuming need not read it all again; or ``""``.
    """

    session_id: str
    path: str
    fingerprint: str = ""


class StateStore(Protocol):
    """Where sessions are remembered."""

    def load(self, key: str) -> StoredSession | None:
        """The session stored under ``key``; ``None`` when there is none, or none that can be read."""

    def save(self, key: str, session: StoredSession) -> None:
        """Store durably. Raises ``OSError`` when that is impossible."""

    def remove(self, key: str) -> None:
        """Forget; nothing happens when there is nothing."""


def session_key(endpoint: str, source: SourceFile) -> str:
    """The article's key. ``lastModified`` is in nanoseconds here, where a browser has milliseconds."""
    return f"upload-session:{endpoint}:{source.name}:{source.size}:{source.modified_ns}"


def default_state_folder() -> Path:
    """``UPLOAD_STATE_DIR``, or the platform's folder for program state."""
    given = os.environ.get(STATE_DIR_VARIABLE)
    return Path(given) if given else Path(platformdirs.user_state_dir("upload-levels", appauthor=False))


class SessionFiles:
    """One JSON file per session in ``folder``, readable by its owner only: a session id is a key to the
    upload."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str) -> StoredSession | None:
        try:
            stored = json.loads(self._file(key).read_bytes())
            # The key is stored too: it names the upload to a person, and proves the file to be no other's.
            values = {field.name: stored[field.name] for field in fields(StoredSession)}
            if stored["key"] != key or not all(isinstance(value, str) for value in values.values()):
                return None
            return StoredSession(**values)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            # A damaged or foreign file costs a fresh start, never the upload.
            return None

    def save(self, key: str, session: StoredSession) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps({"key": key, **asdict(session)}, indent=1)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._file(key))
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        self._sync_folder()

    def remove(self, key: str) -> None:
        # Left behind, the file costs the next run one question to the server; so a failure is no failure.
        with contextlib.suppress(OSError):
            self._file(key).unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / f"{digest[:32]}.json"

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
