"""The browser client: one page at `/`, its modules under `/client/`, the same at every level.

Nothing is built and nothing comes from elsewhere: what stands in `shared/client/` is what the browser runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, render_template, send_file, send_from_directory
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from shared.client_files import hash_library

CLIENT: Final = Path(__file__).parent / "client"
SERVED: Final = frozenset({".js", ".css", ".svg"})

OF_THE_WORKER: Final = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"
"""A worker has the policy of its own file, not that of the page that starts it. WebAssembly, which hashes, is
allowed to it alone."""


def page_blueprint(endpoint: str = "/upload", connect: Iterable[str] = ()) -> Blueprint:
    """The page and what it is made of.

    Args:
        endpoint: where `GET` finds the capabilities. Another origin is allowed; the page may then talk to it,
            and the server there must allow the page's origin.
        connect: further origins that the page may talk to, as ``https://host[:port]``.
    """
    routes = Blueprint("page", __name__, template_folder="client")
    policy = _policy((*_origin_of(endpoint), *connect))

    @routes.get("/")
    def show_page() -> ResponseReturnValue:
        return _guarded(Response(render_template("index.html", endpoint=endpoint)), policy)

    @routes.get("/client/<path:name>")
    def show_module(name: str) -> ResponseReturnValue:
        if PurePosixPath(name).suffix not in SERVED:
            raise NotFound
        return _guarded(send_from_directory(CLIENT, name), OF_THE_WORKER)

    @routes.get("/client/vendor/hash-wasm/sha256.umd.min.js")
    def show_hash_library() -> ResponseReturnValue:
        library = hash_library()
        if library is None:  # npm was missing at set-up; the worker does without
            raise NotFound
        return _guarded(send_file(library), OF_THE_WORKER)

    return routes


def _policy(origins: Iterable[str]) -> str:
    """Only what the page needs. No `unsafe-inline` anywhere: a file's name that became markup would still not
    run."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            " ".join(["connect-src 'self'", *origins]),
            "worker-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _origin_of(endpoint: str) -> tuple[str, ...]:
    parts = urlsplit(endpoint)
    return (f"{parts.scheme}://{parts.netloc}",) if parts.netloc else ()


def _guarded(response: Response, policy: str) -> Response:
    # Names of modules never change, so each is asked for again and answered 304 where nothing is new.
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return response
