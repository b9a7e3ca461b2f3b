"""Runs a level under gunicorn: one process with many threads, and every limit a deployed server needs.

Why this server and this shape stands in ARCHITECTURE.md. In short: a thread per request is simple, the
transfer itself releases the interpreter lock, and gunicorn lets the body be read straight off its socket.
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import resource
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from prometheus_client import start_http_server

from shared.background import BACKGROUND, Background
from shared.body import discard_rest
from shared.errors import InsufficientStorage, StorageUnavailable
from shared.health import HEALTH, Health
from shared.logs import GunicornLog, set_up_logs
from shared.metrics import METRICS, Metrics
from shared.settings import SettingError, Settings
from shared.worker import UploadWorker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STACK: Final = 512 * 1024
APP_LOAD_ERROR: Final = 4
"""gunicorn's exit code for "do not try again"."""

TIDY_UP: Final = 1.5
"""Seconds after the grace period in which a worker may still abort sessions, before it is killed."""


def serve(create_app: Callable[[Settings], Flask], settings: Settings, level: int) -> None:
    """Serve until SIGTERM or Ctrl-C. Prints one line when ready.

    Args:
        create_app: a level's factory; called in the worker process.
    """
    set_up_logs(settings.log_format, settings.level_of_log())
    _check_free(settings.metrics_address())
    threading.stack_size(STACK)
    _Application(create_app, settings, level).run()


class _Application(BaseApplication):
    def __init__(self, create_app: Callable[[Settings], Flask], settings: Settings, level: int) -> None:
        self._create_app = create_app
        self._settings = settings
        self._level = level
        self._flask: Flask | None = None
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        descriptors = _raise_descriptor_limit()
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        for name, value in {
            "bind": f"{host}:{settings.listening_port(self._level)}",
            "worker_class": UploadWorker,
            "workers": 1,
            "threads": settings.threads,
            # A connection in a request needs its socket, a data file and a fence.
            "worker_connections": max(settings.threads + 8, min(8192, (descriptors - 256) // 3)),
            "keepalive": 75,
            "graceful_timeout": math.ceil(settings.grace + TIDY_UP),
            "loglevel": "warning",
            "logger_class": GunicornLog,
            "control_socket_disable": True,
            # No header of a proxy is believed, from wherever it comes: nothing here depends on the scheme or
            # the prefix that clients see, and gunicorn would trust every process of this machine.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "post_fork": self._forked,
            "post_worker_init": self._ready,
            "worker_exit": self._leaving,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:  # type: ignore[override] # the stub knows its own, equal, types
        try:
            self._flask = self._create_app(self._settings)
        except SettingError as error:
            print(f"Error: {error}", file=sys.stderr, flush=True)
            raise SystemExit(APP_LOAD_ERROR) from None
        except (StorageUnavailable, InsufficientStorage) as error:
            # The place is right, the moment is not. The arbiter starts another worker, which looks again.
            print(f"Not ready: {error.detail} Trying again.", file=sys.stderr, flush=True)
            time.sleep(1.0)
            os._exit(0)
        return _finishing_bodies(self._flask.wsgi_app)

    def _forked(self, _arbiter: Any, worker: Any) -> None:
        worker.cfg.set("graceful_timeout", math.ceil(self._settings.grace))  # the worker's own copy
        _die_with_parent()

    def _ready(self, worker: Any) -> None:
        for listener in worker.sockets:
            _limit_silence(listener.sock, self._settings.read_timeout)
        background = self._background()
        if background is not None:
            background.start()
        self._answer_operators(worker)
        host, port = worker.sockets[0].sock.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"level {self._level} is ready at http://{shown}:{port}", flush=True)

    def _leaving(self, _arbiter: Any, worker: Any) -> None:
        if worker.pid != os.getpid():
            return  # the arbiter calls this as well, about a worker that is gone
        if not worker.booted:
            return  # the exit code tells the arbiter why
        background = self._background()
        if background is not None:
            with suppress(Exception):
                background.stop()
        logging.shutdown()
        # Threads that still wait for a silent client would hold the interpreter back until it says something.
        os._exit(0)

    def _answer_operators(self, worker: Any) -> None:
        """Let `/readyz` know when the process is leaving, and show the metrics at an address of their own."""
        extensions = self._flask.extensions if self._flask else {}
        health: Health | None = extensions.get(HEALTH)
        if health is not None:
            health.leaving = lambda: not worker.alive
        metrics: Metrics | None = extensions.get(METRICS)
        address = self._settings.metrics_address()
        if metrics is not None and address is not None:
            # A server with threads of its own: when all of ours are taken, somebody wants to know.
            start_http_server(address[1], address[0], metrics.registry)

    def _background(self) -> Background | None:
        return self._flask.extensions.get(BACKGROUND) if self._flask else None


def _finishing_bodies(app: WSGIApplication) -> WSGIApplication:
    """Let a refused request end in peace: the answer first, then what is still being sent is read away."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return _ThenDiscard(app(environ, start_response), environ)

    return wrapped


class _ThenDiscard:
    """An answer after which the rest of the request is swallowed."""

    MOST: Final = 64 * 1024 * 1024
    PATIENCE: Final = 5.0

    def __init__(self, answer: Iterable[bytes], environ: WSGIEnvironment) -> None:
        self._answer = answer
        self._environ = environ

    def __iter__(self) -> Any:
        return iter(self._answer)

    def close(self) -> None:
        close = getattr(self._answer, "close", None)
        if close is not None:
            close()
        discard_rest(self._environ, self.MOST, self.PATIENCE)


def _check_free(address: tuple[str, int] | None) -> None:
    """Find out before the worker does: it could only die of it, and its successors as well.

    Raises:
        SettingError: nobody can listen there.
    """
    if address is None:
        return
    try:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        socket.create_server(address, family=family).close()
    except OSError as error:
        raise SettingError(
            f"metrics cannot be shown at {address[0]}:{address[1]}: {error.strerror}"
        ) from None


def _limit_silence(listener: socket.socket, seconds: float) -> None:
    """Bound every wait for a client: in headers, in bodies, and for one that reads its download slowly.

    Accepted sockets inherit the kernel's own timeouts from the listener (Linux), so no code path can forget
    them; Python's ``settimeout`` would have to be set anew after every request.
    """
    timeval = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)


def _die_with_parent() -> None:
    """A worker whose arbiter was killed would keep the port for a while and answer on it."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _raise_descriptor_limit() -> int:
    """Use as many file descriptors as the system allows this process; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return 65536
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft
