"""Requests that another site's page makes in somebody's browser are refused before anything happens.

JSON bodies already need a preflight that no foreign origin gets; level 1's form POST needs none, and neither
does a `complete` without a body. So whoever changes something and says where it comes from must come from
here.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, Response, request

from shared.problems import problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_foreign_origins(app: Flask, allowed: frozenset[str] = frozenset()) -> None:
    """Answer 403 to a changing request whose ``Origin`` is another host.

    Clients that are no browsers send no ``Origin`` and are not concerned. Only host and port are compared:
    behind a proxy that ends TLS the scheme differs.

    Args:
        allowed: further origins, as ``https://host[:port]``.
    """

    @app.before_request
    def check_origin() -> Response | None:
        origin = request.headers.get("Origin")
        if origin is None or request.method in SAFE_METHODS or origin in allowed:
            return None
        if _host(origin) == request.headers.get("Host", "").lower() != "":
            return None
        return problem(
            HTTPStatus.FORBIDDEN,
            "foreign-origin",
            "Pages of other origins may not upload here",
            "Add the origin to the allow-list if it is yours.",
        )


def _host(origin: str) -> str:
    """Host and port of an origin; none for what is no origin, and for ``null``."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
