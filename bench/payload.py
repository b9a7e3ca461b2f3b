"""The bytes that are uploaded: pages of memory that the kernel sends without copying them into Python."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024
LARGEST: Final = 8 * MIB
"""Bytes of the one piece of memory that every chunk is cut from."""

UNIQUE: Final = 16
"""Random bytes at the start of an upload: enough that no server has seen the file before."""


@dataclass(frozen=True)
class Payload:
    """Random bytes in memory, as a file.

    Attributes:
        fd: a file of :data:`LARGEST` bytes that has no name and goes with the process.
    """

    fd: int

    @classmethod
    def in_memory(cls) -> Payload:
        """Fill a new one. Random, so that no disk or file system can compress it."""
        fd = os.memfd_create("payload")
        os.write(fd, os.urandom(LARGEST))
        return cls(fd)

    def send(self, sock: socket.socket, length: int, *, unique: bool) -> int:
        """Send ``length`` bytes; ``unique`` makes the first few differ from anything sent before.

        Returns:
            bytes sent.
        """
        start = 0
        if unique:
            start = min(UNIQUE, length)
            sock.sendall(os.urandom(start), socket.MSG_MORE)
        sent = start
        while sent < length:
            # A blocking socket: the call returns when everything is with the kernel, and holds no lock.
            sent += os.sendfile(sock.fileno(), self.fd, sent % LARGEST, min(length - sent, LARGEST))
        return sent

    def close(self) -> None:
        """Give the memory back."""
        os.close(self.fd)
