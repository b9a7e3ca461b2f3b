"""SHA-256 of whole files, without slowing the chunks down.

Where the processor has no instructions for it, SHA-256 takes several times what writing a chunk takes. So a
thread reads behind the writers, over bytes that are committed, and `complete` waits for the tail only. The
state is in memory: after a restart it is built again from the file, in the background like before.
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shared.errors import UploadLost

log = logging.getLogger(__name__)

BLOCK: Final = 1024 * 1024
TURN: Final = 16
"""Blocks hashed before the next upload gets its turn."""

POLITENESS: Final = 10
"""`nice` of the background thread: requests come first, also on a busy machine."""

LONGEST_WAIT: Final = 1.0
"""Seconds to wait for a moment without writers. A server that is never without them hashes on all the same,
a turn each time, so that `complete` does not find everything still to do."""


@dataclass
class _Prefix:
    path: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    hashed: int = 0
    committed: int = 0
    queued: bool = False


class PrefixHashes:
    """The running hashes of all uploads of this process."""

    def __init__(self) -> None:
        self._prefixes: dict[str, _Prefix] = {}
        self._lock = threading.Lock()
        self._turns: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._gap = threading.Condition()
        self._writers = 0

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Within: a chunk is being written, and hashing waits, a while at least.

        SHA-256 takes more of a core than writing does. Beside four uploads on two cores it would slow each of
        them, while most uploads come over lines that leave long gaps.
        """
        with self._gap:
            self._writers += 1
        try:
            yield
        finally:
            with self._gap:
                self._writers -= 1
                if not self._writers:
                    self._gap.notify_all()

    def advance(self, session_id: str, path: Path, committed: int) -> None:
        """Tell that the first ``committed`` bytes of ``path`` will not change any more."""
        if committed == 0:
            return
        with self._lock:
            prefix = self._prefixes.setdefault(session_id, _Prefix(path))
            prefix.committed = max(prefix.committed, committed)
            if not prefix.queued and prefix.hashed < prefix.committed:
                prefix.queued = True
                self._turns.put(session_id)
            if self._thread is None:
                # Started with the first upload and not with the object: a thread does not survive the fork
                # of a server that builds its application first.
                self._thread = threading.Thread(target=self._work, name="prefix-hash", daemon=True)
                self._thread.start()

    def finish(self, session_id: str, path: Path, size: int) -> str:
        """The SHA-256 of the ``size`` bytes of ``path``, in lower-case hex; what is missing is hashed now.

        Raises:
            UploadLost: the file is shorter.
        """
        with self._lock:
            prefix = self._prefixes.setdefault(session_id, _Prefix(path))
        with prefix.lock:
            prefix.path = path
            while prefix.hashed < size:
                if _hash_blocks(prefix, size, TURN) == 0:
                    raise UploadLost("The stored file is shorter than what was confirmed.")
            return prefix.digest.hexdigest()

    def forget(self, session_id: str) -> None:
        """The upload has ended."""
        with self._lock:
            self._prefixes.pop(session_id, None)

    def _work(self) -> None:
        with suppress(OSError, AttributeError):  # on Linux a thread has a nice value of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), POLITENESS)
        while True:
            session_id = self._turns.get()
            with self._gap:
                self._gap.wait_for(lambda: not self._writers, LONGEST_WAIT)
            self._take_turn(session_id)

    def _take_turn(self, session_id: str) -> None:
        with self._lock:
            prefix = self._prefixes.get(session_id)
        if prefix is None:
            return
        progress = 0
        try:
            with prefix.lock:
                progress = _hash_blocks(prefix, prefix.committed, TURN)
        except FileNotFoundError:
            pass  # completed or cancelled meanwhile; whoever finishes reads it under its new name
        except OSError:
            log.exception("hashing ahead failed; it is done at complete instead")
        with self._lock:
            prefix.queued = progress > 0 and prefix.hashed < prefix.committed
            if prefix.queued:
                self._turns.put(session_id)


def _hash_blocks(prefix: _Prefix, stop: int, blocks: int) -> int:
    """Hash up to ``blocks`` blocks on, no further than byte ``stop``; return the bytes hashed."""
    start = prefix.hashed
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    with prefix.path.open("rb", buffering=0) as file:
        file.seek(start)
        for _ in range(blocks):
            want = min(BLOCK, stop - prefix.hashed)
            count = file.readinto(view[:want]) if want > 0 else 0
            if not count:
                break
            prefix.digest.update(view[:count])
            prefix.hashed += count
    return prefix.hashed - start
