"""The page comes from one origin and the bytes go to another: which pages may, and what they may see."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from flask import Flask, Response
from flask_cors import CORS

from shared.origins import refuse_foreign_origins
from shared.wire import OFFSET_HEADER

SENT: Final = ("Authorization", "Content-Type", "Content-Digest", OFFSET_HEADER)
SEEN: Final = (OFFSET_HEADER, "Location", "Retry-After", "WWW-Authenticate")
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
REMEMBERED: Final = timedelta(hours=2)
"""For how long a browser need not ask again before a PUT; more than two hours Chromium does not remember.
Without it every chunk would cost a second round trip."""


def allow_origins(app: Flask, allowed: frozenset[str]) -> None:
    """Let pages of these origins talk to the service (flask-cors), and no others.

    No wildcard and no cookies: what a page may do it proves by a ticket or a session id. A page of another
    origin gets no header that would let it read an answer, and its changing requests are refused before
    anything happens, because a browser sends some of them (a ``complete`` without a body) without asking.
    """
    CORS(
        app,
        origins=sorted(allowed),
        methods=list(METHODS),
        allow_headers=list(SENT),
        expose_headers=list(SEEN),
        max_age=REMEMBERED,
        supports_credentials=False,
        send_wildcard=False,
        always_send=False,
    )

    @app.after_request
    def say_what_it_depends_on(response: Response) -> Response:
        response.vary.add("Origin")  # the library leaves it out where one origin is allowed
        return response

    refuse_foreign_origins(app, allowed)
