"""HTTP ⇄ uploads: the seven requests of the protocol, each a few lines.

Nothing is decided here. A view reads the request with :mod:`shared.wire`, calls one use case and shows its
result; errors find their status in :mod:`shared.problems`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.routing import BaseConverter

from shared import wire
from shared.admission import EVERYBODY, Admission
from shared.body import VerifiedBody, chunk_body
from shared.capabilities import Capabilities
from shared.errors import InvalidRequest, UnsupportedMediaType, UploadError
from shared.finalization import Finalizations
from shared.ports import ChunkBody
from shared.session import Session, State
from shared.uploads import Uploads

POLL_SECONDS = 1


def upload_blueprint(
    uploads: Uploads,
    finalizations: Finalizations,
    capabilities: Callable[[], Capabilities],
    silence: float,
    admission: Callable[[], Admission] = lambda: EVERYBODY,
) -> Blueprint:
    """The routes of levels 2 to 4.

    Args:
        admission: who begins an upload; called inside the request, before its body is read.
        capabilities: called inside a request, where addresses can be built.
        silence: seconds a client may say nothing inside a body.
    """
    routes = Blueprint("upload", __name__)
    routes.record_once(lambda setup: setup.app.url_map.converters.update(session=SessionId))

    @routes.get("/upload")
    def show_capabilities() -> ResponseReturnValue:
        return jsonify(capabilities().as_json())

    @routes.post("/upload/init")
    def init() -> ResponseReturnValue:
        admitted = admission()
        session = uploads.init(admitted.admit(wire.parse_init(json_body())))
        response = jsonify(wire.init_json(session))
        response.status_code = HTTPStatus.CREATED
        response.headers["Location"] = url_for("upload.show_session", session_id=session.session_id)
        return fresh(response)

    @routes.put("/upload/<session:session_id>")
    def append(session_id: str) -> ResponseReturnValue:
        with telling_offset(uploads, session_id):
            with unknown_first(uploads, session_id):
                offset, body = chunk(silence)
            session = uploads.append(session_id, offset, body)
        return with_offset(jsonify(uploadedBytes=session.committed_offset), session)

    @routes.get("/upload/<session:session_id>")
    def show_session(session_id: str) -> ResponseReturnValue:
        session = uploads.status(session_id)
        return with_offset(jsonify(wire.session_json(session)), session)

    @routes.delete("/upload/<session:session_id>")
    def cancel(session_id: str) -> ResponseReturnValue:
        uploads.cancel(session_id)
        return Response(status=HTTPStatus.NO_CONTENT)

    @routes.post("/upload/<session:session_id>/complete")
    def complete(session_id: str) -> ResponseReturnValue:
        with telling_offset(uploads, session_id):
            with unknown_first(uploads, session_id):
                fingerprint = wire.parse_complete(json_body(optional=True))
            session = uploads.complete(session_id, fingerprint)
        if session.state is State.FINALIZING:
            session = finalizations.run(session_id)
        response = with_offset(jsonify(wire.completion_json(session)), session)
        if session.state is State.FINALIZING:
            response.status_code = HTTPStatus.ACCEPTED
            response.headers["Retry-After"] = str(math.ceil(POLL_SECONDS))
        return response

    return routes


class SessionId(BaseConverter):
    """A session id in a path. The names of other resources are none: a PUT to `/upload/init` is a method that
    does not exist there, and no unknown session."""

    regex = r"(?!(?:init|preflight)\Z)[^/]+"


def chunk(silence: float) -> tuple[int, ChunkBody]:
    """The request's offset (bytes) and body, checked as far as the request alone allows."""
    if request.headers.get("Content-Encoding"):
        raise UnsupportedMediaType("A chunk is taken as it is, without Content-Encoding.")
    if request.mimetype not in ("", "application/octet-stream"):
        raise UnsupportedMediaType("A chunk is application/octet-stream.")
    offset = wire.parse_offset(request.headers.get(wire.OFFSET_HEADER))
    length = wire.parse_length(request.headers.get("Content-Length"))
    body: ChunkBody = chunk_body(request.environ, length, silence)
    digest = wire.parse_digest(request.headers.get("Content-Digest"))
    return offset, body if digest is None else VerifiedBody(body, digest)


@contextmanager
def telling_offset(uploads: Uploads, session_id: str) -> Iterator[None]:
    """Within: every error says how many bytes the server has, so that the client need not ask."""
    try:
        yield
    except UploadError as error:
        if error.uploaded_bytes is None:
            with suppress(UploadError):
                error.uploaded_bytes = uploads.status(session_id).committed_offset
        raise


@contextmanager
def unknown_first(uploads: Uploads, session_id: str) -> Iterator[None]:
    """Within: whatever is wrong with the request, an unknown session is 404 first.

    Looked up only when something is wrong: a good request meets its session in the use case anyway.
    """
    try:
        yield
    except UploadError:
        uploads.status(session_id)
        raise


def json_body(*, optional: bool = False) -> dict[str, Any]:
    """The request's JSON object.

    The content type is required, because a page of another origin can send any other body without asking.

    Raises:
        UnsupportedMediaType, InvalidRequest.
    """
    if request.headers.get("Content-Encoding"):
        raise UnsupportedMediaType("JSON is taken as it is, without Content-Encoding.")
    try:
        # Through the stream, not get_data(): that believes Content-Length and would hold a huge body.
        raw = request.stream.read(wire.LARGEST_JSON + 1)
    except Exception as error:  # noqa: BLE001 - broken chunked framing: each server has exceptions of its own
        raise InvalidRequest(f"The body cannot be read: {type(error).__name__}.") from None
    if optional and not raw:
        return {}
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("The body must be application/json.")
    return wire.parse_json(raw)


def with_offset(response: Response, session: Session) -> Response:
    """Every answer about a session says where it stands."""
    response.headers[wire.OFFSET_HEADER] = str(session.committed_offset)
    return fresh(response)


def fresh(response: Response) -> Response:
    """An answer that is true now and must not be kept."""
    response.headers["Cache-Control"] = "no-store"
    return response
