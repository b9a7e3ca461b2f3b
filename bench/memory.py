"""What a server keeps in memory, and what it lets silent clients do to it."""

from __future__ import annotations

import resource
import select
import time
from typing import Final

from bench.client import Crew
from bench.connection import Connection
from bench.dialects import Chunked, Task
from bench.judge import Memory, Stalled
from bench.payload import MIB, Payload
from bench.processes import PeakMemory, Server

CHUNK: Final = 8 * MIB
FILE: Final = 64 * MIB
LARGER: Final = 8
IN_FLIGHT: Final = 64
STALLED: Final = 500
EARLY: Final = 100_000
"""Bytes of its chunk that a stalled connection sends before it falls silent."""


def memory_of(server: Server, crew: Crew) -> Memory:
    """Peaks of RSS: idle, with one file, with one eight times larger, with 64 uploads at once."""
    idle = server.rss()
    upload(server, crew, 1, 2 * FILE)  # what is loaded and allocated once, whoever comes first
    return Memory(
        idle=idle,
        one_file=_peak(server, crew, 1, FILE),
        larger_file=_peak(server, crew, 1, LARGER * FILE),
        in_flight=_peak(server, crew, IN_FLIGHT, 2 * CHUNK),
    )


def stalled(server: Server, crew: Crew, read_timeout: float) -> Stalled:
    """Stall 500 connections inside a PUT, upload beside them, and wait for them to be cut off.

    Args:
        read_timeout: seconds, as the server was told.
    """
    _allow_descriptors(STALLED + 100)
    alone = upload(server, crew, 1, FILE)
    with PeakMemory(server) as peak:
        silent = [_stall(server) for _ in range(STALLED)]
        since = time.monotonic()
        beside = upload(server, crew, 1, FILE)
        cut_off = _last_gone(silent, since, read_timeout + 10)
    for connection in silent:
        connection.close()
    return Stalled(STALLED, peak.bytes, alone, beside, read_timeout, cut_off)


def upload(server: Server, crew: Crew, uploads: int, file_size: int) -> float:
    """Upload; return MiB/s while chunks were sent."""
    timings = crew.upload(Chunked, Task(server.url, file_size, CHUNK), uploads)
    return timings.bytes / MIB / timings.send


def _peak(server: Server, crew: Crew, uploads: int, file_size: int) -> int:
    with PeakMemory(server) as peak:
        upload(server, crew, uploads, file_size)
    return peak.bytes


def _stall(server: Server) -> Connection:
    """Begin an upload and its first chunk, and say no more."""
    payload = Payload.in_memory()
    upload = Chunked(Task(server.url, CHUNK, CHUNK), payload)
    upload.start()
    upload.begin_chunk(0, CHUNK)
    payload.send(upload.connection.socket, EARLY, unique=False)
    payload.close()
    return upload.connection


def _last_gone(silent: list[Connection], since: float, patience: float) -> float | None:
    """Seconds from ``since`` until the server had hung up on every one of them."""
    poller = select.poll()
    waiting = {connection.socket.fileno(): connection for connection in silent}
    for fd in waiting:
        poller.register(fd, select.POLLIN)
    while waiting and (left := since + patience - time.monotonic()) > 0:
        for fd, _event in poller.poll(left * 1000):
            # An answer may come first (400, incomplete body); gone is who says nothing more.
            try:
                over = not waiting[fd].socket.recv(65536)
            except OSError:
                over = True
            if over:
                poller.unregister(fd)
                del waiting[fd]
    return None if waiting else time.monotonic() - since


def _allow_descriptors(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
