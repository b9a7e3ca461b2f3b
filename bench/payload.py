"""The bytes that are uploaded: pages of memory that the kernel sends without copying them into Python."""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024
LARGEST: Final = 8 * MIB
"""Bytes of the one piece of memory that every chunk is cut from."""

PATIENCE: Final = 60
"""Seconds of silence after which a server is given up."""

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
        return sum(self.pieces(sock, length, unique=unique))

    def pieces(self, sock: socket.socket, length: int, *, unique: bool) -> Iterator[int]:
        """The same, told piece by piece: how many bytes the kernel has taken each time."""
        sent = 0
        if unique:
            sent = min(UNIQUE, length)
            sock.sendall(os.urandom(sent), *(() if isinstance(sock, ssl.SSLSocket) else (socket.MSG_MORE,)))
            yield sent
        while sent < length:
            some = self._some(sock, sent % LARGEST, min(length - sent, LARGEST))
            sent += some
            yield some

    def _some(self, sock: socket.socket, start: int, length: int) -> int:
        if isinstance(sock, ssl.SSLSocket):  # these bytes must be encrypted, so they must be copied
            return sock.send(os.pread(self.fd, min(length, MIB), start))
        while True:
            try:
                # A blocking socket: the call returns when all is with the kernel, and holds no lock.
                return os.sendfile(sock.fileno(), self.fd, start, length)
            except BlockingIOError:  # gevent's sockets do not block; its select lets others run meanwhile
                if not select.select([], [sock], [], PATIENCE)[1]:
                    raise TimeoutError("the server takes no more bytes") from None

    def close(self) -> None:
        """Give the memory back."""
        os.close(self.fd)
