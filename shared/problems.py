"""Errors on the wire: problem documents (RFC 9457), and the one table from errors to status codes."""

from __future__ import annotations

import json
import logging
import math
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from shared import errors
from shared.errors import InvalidRequest, UploadError
from shared.wire import OFFSET_HEADER

log = logging.getLogger(__name__)

STATUS: Final[dict[type[UploadError], HTTPStatus]] = {
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.InvalidOffset: HTTPStatus.BAD_REQUEST,
    errors.EmptyChunk: HTTPStatus.BAD_REQUEST,
    errors.WrongChunkSize: HTTPStatus.BAD_REQUEST,
    errors.IncompleteBody: HTTPStatus.BAD_REQUEST,
    errors.ChecksumMismatch: HTTPStatus.BAD_REQUEST,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.SessionNotFound: HTTPStatus.NOT_FOUND,
    errors.FileNotFound: HTTPStatus.NOT_FOUND,
    errors.OffsetMismatch: HTTPStatus.CONFLICT,
    errors.UploadIncomplete: HTTPStatus.CONFLICT,
    errors.WrongState: HTTPStatus.CONFLICT,
    errors.UploadLost: HTTPStatus.GONE,
    errors.LengthRequired: HTTPStatus.LENGTH_REQUIRED,
    errors.FileTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.ExceedsDeclaredSize: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.ContentRejected: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.FingerprintMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooManySessions: HTTPStatus.TOO_MANY_REQUESTS,
    errors.StorageFailure: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.FinalizationStalled: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.InsufficientStorage: HTTPStatus.INSUFFICIENT_STORAGE,
}

_CODES_WITHOUT_AN_ERROR: Final = {
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "file-too-large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported-media-type",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "range-not-satisfiable",
}
"""What Flask itself refuses: a path, a method, a body over the limit."""


def problem(status: int, code: str, title: str, detail: str, **more: Any) -> Response:
    """One problem document."""
    document = {"type": "about:blank", "title": title, "status": int(status), "detail": detail, "code": code}
    response = Response(json.dumps(document | more), status=int(status), mimetype="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def from_upload_error(error: UploadError) -> Response:
    """The document of one of our own errors, with ``uploadedBytes`` whenever the session is known."""
    more: dict[str, Any] = {}
    if error.uploaded_bytes is not None:
        more["uploadedBytes"] = error.uploaded_bytes
    if isinstance(error, InvalidRequest) and error.errors:
        more["errors"] = [{"member": e.member, "message": e.message} for e in error.errors]
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    response = problem(status, error.code, error.title, error.detail, **more)
    if error.uploaded_bytes is not None:
        response.headers[OFFSET_HEADER] = str(error.uploaded_bytes)
    if isinstance(error, errors.Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    return response


def from_http_exception(error: HTTPException) -> Response:
    """The document of what Flask refused before any view ran."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    code = _CODES_WITHOUT_AN_ERROR.get(status, "invalid-request")
    response = problem(status, code, status.phrase, error.description or status.description)
    for name, value in error.get_headers():
        if name.lower() in ("allow", "content-range"):
            response.headers[name] = value
    return response


def from_surprise(error: Exception) -> Response:
    """The document of a fault of ours. The stack trace goes to the log and nowhere else."""
    log.exception("unexpected error", exc_info=error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        UploadError.code,
        UploadError.title,
        "It has been logged; try again.",
    )


def register_problems(app: Flask) -> None:
    """Answer every error of ``app`` with a problem document."""
    # `/upload//init` would be redirected to an address made from the request's Host header, which anybody may
    # set to anything. A path that does not exist is 404.
    app.url_map.merge_slashes = False
    app.register_error_handler(UploadError, from_upload_error)
    app.register_error_handler(HTTPException, from_http_exception)
    app.register_error_handler(Exception, from_surprise)
