"""Who wants to hear how an upload goes."""

from __future__ import annotations


class Observer:
    """Every method does nothing; a subclass overrides what it cares for. Sizes and offsets in bytes."""

    def on_fingerprint_progress(self, hashed: int, total: int) -> None:
        """``hashed`` of ``total`` bytes went into the SHA-256."""

    def on_progress(self, confirmed: int, total: int) -> None:
        """The server has confirmed ``confirmed`` bytes. Bytes merely sent are never reported."""

    def on_chunk(self, number: int, offset: int, length: int, seconds: float) -> None:
        """Chunk ``number`` (from 1) was confirmed ``seconds`` after its request began."""

    def on_retry(self, wait: float, reason: str) -> None:
        """A try failed for ``reason``; the next one starts in ``wait`` seconds."""

    def on_resume(self, offset: int) -> None:
        """The server was asked where we are; the upload goes on from its answer, ``offset``."""

    def on_state_lost(self, reason: str) -> None:
        """The session could not be stored; the upload goes on, but another run could not resume it."""
