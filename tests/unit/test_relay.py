"""The bad line itself: it forwards every byte, and breaks at the very byte it was told to."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from shared.relay import Cut, Relay


class Sink:
    """Accepts connections, keeps what arrives, answers ``reply`` to each end of a stream."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.received = bytearray()
        self.endings: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    while data := connection.recv(65536):
                        self.received += data
                    self.endings.append("fin")
                    connection.sendall(b"reply")
                except OSError as error:
                    self.endings.append(type(error).__name__)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def wait_for_endings(self, count: int) -> list[str]:
        deadline = time.monotonic() + 10
        while len(self.endings) < count and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.endings


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


def connect(relay: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), timeout=10)


def test_everything_passes_both_ways(sink: Sink) -> None:
    data = os.urandom(3_000_000)
    with Relay(sink.port) as relay, connect(relay) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b"reply"
        assert bytes(sink.received) == data
        assert (relay.upstream_bytes, relay.connections) == (len(data), 1)


def test_a_reset_after_exactly_that_many_bytes(sink: Sink) -> None:
    with Relay(sink.port) as relay, connect(relay) as client:
        relay.cut_at(100_000, Cut.RESET)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            client.sendall(bytes(50_000_000))
        assert sink.wait_for_endings(1) == ["ConnectionResetError"]
        assert relay.upstream_bytes == 100_000
        assert len(sink.received) <= 100_000, "a reset may overtake bytes, never add any"


def test_an_ordinary_end_after_exactly_that_many_bytes(sink: Sink) -> None:
    with Relay(sink.port) as relay, connect(relay) as client:
        relay.cut_at(100_000, Cut.FINISH)
        client.sendall(bytes(200_000))
        assert client.recv(100) == b"", "an end, no reset, and nothing of the server's answer"
        assert sink.wait_for_endings(1) == ["fin"]
        assert len(sink.received) == 100_000


def test_a_cut_can_be_placed_in_the_next_request(sink: Sink) -> None:
    with Relay(sink.port) as relay:
        with connect(relay) as first:
            first.sendall(bytes(5000))
            first.shutdown(socket.SHUT_WR)
            assert first.recv(100) == b"reply"
        relay.cut_after(3000, Cut.FINISH)
        with connect(relay) as second:
            second.sendall(bytes(9000))
            assert second.recv(100) == b""
        sink.wait_for_endings(2)
        assert len(sink.received) == 8000
        with connect(relay) as third:
            third.sendall(bytes(10))
            third.shutdown(socket.SHUT_WR)
            assert third.recv(100) == b"reply", "a cut happens once"


def test_a_function_is_called_at_its_byte_and_the_line_goes_on(sink: Sink) -> None:
    seen: list[int] = []
    with Relay(sink.port) as relay, connect(relay) as client:
        relay.call_after(70_000, lambda: seen.append(relay.upstream_bytes))
        relay.call_after(70_000, lambda: seen.append(-1))
        client.sendall(bytes(200_000))
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b"reply"
    assert seen == [70_000, -1]
    assert len(sink.received) == 200_000


def test_a_byte_that_has_gone_by_cannot_be_cut_at(sink: Sink) -> None:
    with Relay(sink.port) as relay, connect(relay) as client:
        client.sendall(bytes(10))
        client.shutdown(socket.SHUT_WR)
        client.recv(100)
        with pytest.raises(ValueError, match="gone by"):
            relay.cut_at(9)


def test_no_server_behind_it_is_a_closed_connection(sink: Sink) -> None:
    sink.close()
    with Relay(sink.port) as relay, connect(relay) as client:
        assert client.recv(100) == b""


def test_leaving_ends_what_is_still_open(sink: Sink) -> None:
    with Relay(sink.port) as relay:
        client = connect(relay)
        client.sendall(b"x")
        deadline = time.monotonic() + 10
        while not sink.received and time.monotonic() < deadline:
            time.sleep(0.005)
    with client:
        assert client.recv(100) == b""
    assert sink.wait_for_endings(1) == ["fin"]
