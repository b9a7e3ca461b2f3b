"""A server that throws bytes away: whatever a client reaches here is the client's own ceiling.

`MSG_TRUNC` lets the kernel drop what a TCP socket has received without copying it anywhere, so nothing
written in C could be a cheaper counterpart. Run as ``python -m bench.sink``; prints its address.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import Final

BLOCK: Final = 1024 * 1024
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Sink:
    """Counts what it throws away.

    Attributes:
        received: bytes of request bodies so far.
    """

    def __init__(self) -> None:
        self.received = 0
        self._counting = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Answer every request with 200 until :meth:`close`."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _talk(self, connection: socket.socket) -> None:
        never_written = bytearray(BLOCK)  # Python wants a buffer; with MSG_TRUNC the kernel ignores it
        held = b""
        with connection, suppress(ConnectionError):
            while True:
                while b"\r\n\r\n" not in held:
                    more = connection.recv(4096)
                    if not more:
                        return
                    held += more
                head, _, early = held.partition(b"\r\n\r\n")
                promised = _LENGTH.search(head)
                length = int(promised[1]) if promised else 0
                arrived, held = min(len(early), length), early[length:]
                while arrived < length:
                    want = min(BLOCK, length - arrived)
                    count = connection.recv_into(never_written, want, socket.MSG_TRUNC)
                    if count == 0:
                        return
                    arrived += count
                with self._counting:
                    self.received += length
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def main() -> None:
    """Serve until terminated."""
    sink = Sink()
    print(f"the sink is ready at {sink.url}", flush=True)
    sink.serve()


if __name__ == "__main__":
    main()
