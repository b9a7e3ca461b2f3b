"""HTTP/1.1 over a plain socket: as tidy or as rude as a case wants, and everything is written down.

An HTTP library would refuse to send what the interesting cases consist of: bodies that end early, lengths
sent twice, two requests in one packet. And it trusts the server; this one gives every answer a deadline and
a size, because the server under test may hang, babble or send for ever.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Final

from tests.conformance.messages import Address, Answer, Exchange, Headers, Log, NoAnswer, shown

PATIENCE: Final = 15.0
"""Seconds for an answer; no case may take longer than 30."""
LARGEST_ANSWER: Final = 256 * 1024 * 1024
LARGEST_HEAD: Final = 64 * 1024


class Connection:
    """One TCP (or TLS) connection. A context manager; the log keeps what goes over it."""

    def __init__(self, address: Address, log: Log, patience: float = PATIENCE) -> None:
        self._log = log
        self._patience = patience
        self._held = b""
        self._asked = ""
        self._method = ""
        # Its own, not the log's last: cases hold several connections open, and answers come in any order.
        self._exchange = Exchange("")
        try:
            plain = socket.create_connection((address.host, address.port), timeout=patience)
        except OSError as error:
            raise NoAnswer(f"no connection to {address.host}:{address.port} ({error})") from error
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.scheme == "https":
            context = ssl.create_default_context()
            self.socket: socket.socket = context.wrap_socket(plain, server_hostname=address.host)
        else:
            self.socket = plain

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send_head(self, method: str, path: str, headers: Headers) -> None:
        """Send a request line and headers, exactly as given, and nothing of a body."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs)]
        self._asked, self._method = lines[0].removesuffix(" HTTP/1.1"), method
        head = "\r\n".join(lines)
        self._exchange = Exchange(head)
        self._log.exchanges.append(self._exchange)
        self.send((head + "\r\n\r\n").encode("utf-8", "surrogateescape"), note=False)

    def send(self, data: bytes, *, note: bool = True) -> bool:
        """Send bytes; False when the server has hung up, which is for the answer to explain."""
        if note and data:
            self._note_sent(data)
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def half_close(self) -> None:
        """Say that nothing more will come, and go on listening."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return
        self._note("[the client closed its side]")

    def reset(self) -> None:
        """Go away without a word, as a crashed machine's peer would see it."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.close()
        self._note("[the client reset the connection]")

    def close(self) -> None:
        """Close; harmless when closed."""
        self.socket.close()

    def answer(self, patience: float | None = None) -> Answer:
        """Wait for one answer (interim 1xx ones are passed over).

        Raises:
            NoAnswer
        """
        started = time.monotonic()
        deadline = started + (self._patience if patience is None else patience)
        exchange = self._exchange
        try:
            while True:
                status, headers = self._head(deadline)
                if status >= 200:
                    break
            body = self._body(status, headers, deadline)
        except NoAnswer as nothing:
            exchange.received = f"[{nothing}]"
            raise
        exchange.received = shown(status, headers, body)
        return Answer(self._asked, status, headers, body, time.monotonic() - started)

    def rest(self, patience: float) -> bytes:
        """Whatever else arrives until the server closes the connection, or patience ends."""
        deadline = time.monotonic() + patience
        heard, self._held = bytearray(self._held), b""
        with contextlib.suppress(NoAnswer):
            while (data := self._receive(deadline)) and len(heard) <= LARGEST_HEAD:
                heard += data
        return bytes(heard)

    def ended(self, patience: float) -> bool:
        """Whether the server ends the connection within ``patience`` seconds, whatever it sends before."""
        deadline = time.monotonic() + patience
        try:
            while self._receive(deadline):
                pass
        except NoAnswer:
            return time.monotonic() < deadline
        return True

    def _head(self, deadline: float) -> tuple[int, tuple[tuple[str, str], ...]]:
        raw = self._until(b"\r\n\r\n", deadline, LARGEST_HEAD)
        first, *rest = raw.decode("latin-1").split("\r\n")
        parts = first.split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdecimal():
            raise NoAnswer(f"the server sent no HTTP: {first[:80]!r}")
        pairs = (line.partition(":") for line in rest if line)
        return int(parts[1]), tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)

    def _body(self, status: int, headers: tuple[tuple[str, str], ...], deadline: float) -> bytes:
        fields = dict(reversed(headers))
        if self._method == "HEAD" or status in (204, 304):
            return b""
        if "chunked" in fields.get("transfer-encoding", "").lower():
            return self._chunked(deadline)
        length = fields.get("content-length")
        if length is None:
            return self._to_the_end(deadline)
        if not length.isdecimal():
            raise NoAnswer(f"Content-Length is no number: {length[:40]!r}")
        return self._exactly(int(length), deadline)

    def _chunked(self, deadline: float) -> bytes:
        body = bytearray()
        while True:
            size = self._until(b"\r\n", deadline, LARGEST_HEAD).partition(b";")[0]
            try:
                count = int(size, 16)
            except ValueError:
                raise NoAnswer(f"a chunk size that is no number: {size[:40]!r}") from None
            body += self._exactly(count, deadline)
            if len(body) > LARGEST_ANSWER:
                raise NoAnswer("the answer does not end")
            self._until(b"\r\n", deadline, LARGEST_HEAD)
            if count == 0:
                return bytes(body)

    def _to_the_end(self, deadline: float) -> bytes:
        body = bytearray(self._held)
        self._held = b""
        while data := self._receive(deadline):
            body += data
            if len(body) > LARGEST_ANSWER:
                raise NoAnswer("the answer does not end")
        return bytes(body)

    def _exactly(self, count: int, deadline: float) -> bytes:
        if count > LARGEST_ANSWER:
            raise NoAnswer(f"the answer announces {count:,} bytes")
        body = bytearray(self._held[:count])
        self._held = self._held[count:]
        while len(body) < count:
            data = self._receive(deadline)
            if not data:
                raise NoAnswer(f"the answer ended after {len(body):,} of {count:,} bytes")
            take = count - len(body)
            body += data[:take]
            self._held = data[take:]
        return bytes(body)

    def _until(self, mark: bytes, deadline: float, most: int) -> bytes:
        held = bytearray(self._held)
        while (at := held.find(mark)) < 0:
            if len(held) > most:
                raise NoAnswer("the answer's head does not end")
            data = self._receive(deadline)
            if not data:
                raise NoAnswer(
                    "the server closed the connection without an answer"
                    if not held
                    else "the server closed the connection inside its answer"
                )
            held += data
        self._held = bytes(held[at + len(mark) :])
        return bytes(held[:at])

    def _receive(self, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise NoAnswer("the server did not answer in time")
        try:
            self.socket.settimeout(left)
            return self.socket.recv(256 * 1024)
        except TimeoutError:
            raise NoAnswer("the server did not answer in time") from None
        except OSError as error:
            raise NoAnswer(f"the connection broke ({error.strerror or error})") from None
        finally:
            with contextlib.suppress(OSError):
                self.socket.settimeout(self._patience)

    def _note_sent(self, data: bytes) -> None:
        if len(data) <= 400:
            self._note(data.decode("utf-8", "backslashreplace"))
        else:
            self._note(f"[{len(data):,} bytes]")

    def _note(self, text: str) -> None:
        exchange = self._exchange
        exchange.sent += ("\n" if exchange.sent.count("\n\n") else "\n\n") + text
