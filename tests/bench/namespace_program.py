"""Runs in a network of its own: prints MiB/s to a port behind a discipline, and to one that is not.

The discipline limits instead of delaying: many kernels have it and no netem.
"""

from __future__ import annotations

import threading
import time

from bench import netem
from bench.connection import Connection
from bench.payload import MIB, Payload
from bench.sink import Sink

LIMIT = 16


def speed(sink: Sink, payload: Payload) -> float:
    connection = Connection(sink.url)
    began = time.monotonic()
    connection.send("PUT", "/", {}, payload, 2 * MIB).expect(200)
    return 2 / (time.monotonic() - began)


def main() -> None:
    if not netem.inside():
        netem.start_inside("tests.bench.namespace_program", [])
    netem.run("ip link set lo up")
    sinks = [Sink(), Sink()]
    for sink in sinks:
        threading.Thread(target=sink.serve, daemon=True).start()
    port = int(sinks[0].url.rpartition(":")[2])
    netem.through([port], f"tbf rate {LIMIT}mbit burst 150kb latency 5s")
    payload = Payload.in_memory()
    print(*(f"{speed(sink, payload):.3f}" for sink in sinks))
    try:
        netem.NetemLines()
        print("netem")
    except netem.NoNetem as error:
        print(error)


if __name__ == "__main__":
    main()
