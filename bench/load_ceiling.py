"""How fast a load client is by itself: the same sockets and the same bytes, into a server that drops them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import gevent

from bench.connection import Connection
from bench.payload import MIB, Payload


def ceiling(payload: Payload, chunk_size: int, users: int, seconds: float) -> float:
    """MiB/s of ``users`` greenlets that send chunks into the sink, for ``seconds``."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-m", "bench.sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as sink:
        try:
            assert sink.stdout is not None
            url = sink.stdout.readline().split()[-1]
            began = time.monotonic()
            greenlets = [gevent.spawn(_send, url, payload, chunk_size, began + seconds) for _ in range(users)]
            gevent.joinall(greenlets, raise_error=True)
            sent: int = sum(greenlet.value for greenlet in greenlets)
            return sent / MIB / (time.monotonic() - began)
        finally:
            sink.terminate()


def _send(url: str, payload: Payload, chunk_size: int, until: float) -> int:
    connection, sent = Connection(url), 0
    while time.monotonic() < until:
        connection.send("PUT", "/", {}, payload, chunk_size).expect(200)
        sent += chunk_size
    connection.close()
    return sent
