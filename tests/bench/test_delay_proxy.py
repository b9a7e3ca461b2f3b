"""Is the line as long, as thin and as bad as it was asked to be? Measured, over a real process."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from bench.ceilings import ceilings
from bench.connection import Connection
from bench.payload import MIB, Payload
from bench.sink import Sink

SLACK = 0.012
"""Seconds that a round trip may take longer than asked on a busy machine, at its best."""


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    thread = threading.Thread(target=sink.serve, daemon=True)
    thread.start()
    yield sink
    sink.close()
    thread.join()


class Proxy:
    """The proxy as users start it; ``tally`` is what it prints when it ends."""

    def __init__(self, to: str, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.delay_proxy", "--to", to, *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]
        self.tally: dict[str, int] = {}

    def end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self.tally = json.loads(self._process.communicate(timeout=10)[0])
        assert self._process.returncode == 0


@contextmanager
def proxy(to: str, *options: str) -> Iterator[Proxy]:
    line = Proxy(to, *options)
    try:
        yield line
    finally:
        line.end()


def best_round_trip(url: str, times: int) -> float:
    connection = Connection(url)
    found = []
    for _ in range(times):
        began = time.monotonic()
        connection.ask("GET", "/", {})
        found.append(time.monotonic() - began)
    connection.close()
    return min(found)


@pytest.mark.parametrize(("asked", "times"), [(0, 20), (10, 20), (80, 8)])
def test_a_round_trip_takes_what_was_asked(sink: Sink, asked: int, times: int) -> None:
    with proxy(sink.url, "--rtt", f"{asked}ms") as line:
        found = best_round_trip(line.url, times)
    assert asked / 1000 <= found < asked / 1000 + SLACK


def test_bytes_are_delayed_and_not_held_up(sink: Sink) -> None:
    # 32 blocks of 256 KiB: a proxy that pauses between blocks would need 32 · 100 ms.
    with proxy(sink.url, "--rtt", "200ms") as line:
        connection = Connection(line.url)
        began = time.monotonic()
        connection.send("PUT", "/", {}, Payload.in_memory(), 8 * MIB, unique=True).expect(200)
        took = time.monotonic() - began
        connection.close()
    assert 0.2 <= took < 1.2


def test_bandwidth_is_what_was_asked(sink: Sink) -> None:
    with proxy(sink.url, "--bandwidth", "4MiB/s", "--rtt", "20ms") as line:
        connection = Connection(line.url)
        began = time.monotonic()
        connection.send("PUT", "/", {}, Payload.in_memory(), 3 * MIB).expect(200)
        took = time.monotonic() - began
        connection.close()
    assert 3 / 4 <= took < 3 / 4 * 1.3


def test_order_is_kept_whatever_the_jitter() -> None:
    data = os.urandom(2 * MIB)
    received = hashlib.sha256()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            client, _ = listener.accept()
            with client:
                while block := client.recv(65536):
                    received.update(block)
                client.sendall(b"all of it")

        server = threading.Thread(target=take)
        server.start()
        port = listener.getsockname()[1]
        with (
            proxy(f"127.0.0.1:{port}", "--jitter", "30ms", "--bandwidth", "8MiB/s") as line,
            socket.create_connection(("127.0.0.1", int(line.url.rpartition(":")[2]))) as client,
        ):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            # The end of one way does not end the other.
            assert client.recv(100) == b"all of it"
        server.join()
    assert received.digest() == hashlib.sha256(data).digest()
    assert line.tally["up"] == len(data)
    assert line.tally["cuts"] == 0


def cut_after(sink: Sink, *options: str) -> list[int]:
    """Bytes that each of six connections, one after another, carried before it was cut."""
    carried, payload = [], Payload.in_memory()
    with proxy(sink.url, "--cuts", "1/MiB", *options) as line:
        for _ in range(6):
            before = sink.received
            connection = Connection(line.url)
            sent = 0
            with suppress(OSError):
                while True:
                    connection.send("PUT", "/", {}, payload, 16 * 1024).expect(200)
                    sent = sink.received - before
            connection.close()
            carried.append(sent)
    assert line.tally["cuts"] == 6
    return carried


def test_cuts_come_at_random_and_again_with_the_same_seed(sink: Sink) -> None:
    first = cut_after(sink, "--seed", "1")
    assert first == cut_after(sink, "--seed", "1")
    assert first != cut_after(sink, "--seed", "2")
    assert len(set(first)) > 3
    # The mean of six exponentials of mean 1 MiB; the seed is fixed, so this does not vary.
    assert 0.3 * MIB < sum(first) / 6 < 3 * MIB


def _ask_for(connection: Connection, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        connection.ask("GET", "/", {})


def test_cuts_can_come_with_time(sink: Sink) -> None:
    with proxy(sink.url, "--cuts-per-second", "20") as line:
        connection = Connection(line.url)
        with pytest.raises(OSError, match=r"reset|hung up|Broken pipe"):
            _ask_for(connection, 10.0)
        connection.close()
    assert line.tally["cuts"] == 1


def test_a_server_that_is_away_is_a_reset_and_not_the_end(sink: Sink) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with proxy(f"127.0.0.1:{port}") as line:
        for _ in range(2):
            with pytest.raises(OSError, match=r"reset|hung up|Broken pipe"):
                best_round_trip(line.url, 1)
    assert line.tally["connections"] == 2


def test_the_instruments_are_fast_enough_to_measure_with() -> None:
    found = ceilings(16 * MIB)
    assert found["client, four uploads"] > 300
    assert found["delay proxy, one upload"] > 100


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "127.0.0.1"], "HOST:PORT"),
        (["--to", "127.0.0.1:1", "--rtt", "80"], "not a time"),
        ([], "Missing option '--to'"),
    ],
)
def test_bad_input_is_told(options: list[str], words: str) -> None:
    command = [sys.executable, "-m", "bench.delay_proxy", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert words in done.stderr
