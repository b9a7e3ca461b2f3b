"""The application's side over HTTP: the list of files, one file, its bytes, and "do you have it already?"."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from http import HTTPStatus
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import Range
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from shared import wire
from shared.blueprint import fresh, json_body
from shared.catalogue import Catalogue
from shared.errors import FileNotFound, StorageFailure
from shared.files import FileRecord

Read = Callable[[str, int, int], Iterator[bytes]]
"""(location, start, stop) → the bytes in blocks; :meth:`shared.ports.ByteStore.read`."""

Address = Callable[[FileRecord, str], str]
"""(record, location) → where the bytes can be fetched for a while, without us in between."""

OWNER = ""
"""Levels 1 to 3 know no users: every file has the same owner."""

Owner = Callable[[], str]
"""Whose files a request is about; called inside the request."""


def everybody() -> str:
    """The owner where there are no users."""
    return OWNER


PROTECTED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""A file may be somebody's HTML or SVG: it is saved, never shown, and runs nothing."""


def files_blueprint(
    catalogue: Catalogue, read: Read, elsewhere: Address | None = None, owner: Owner = everybody
) -> Blueprint:
    """The routes under `/files`, at every level.

    Args:
        elsewhere: if given, downloads are sent there instead of through this server.
        owner: whose files a request is about.
    """
    routes = Blueprint("files", __name__)

    @routes.get("/files")
    def list_files() -> ResponseReturnValue:
        limit = wire.parse_limit(request.args.get("limit"))
        records, following = catalogue.page(owner(), limit, request.args.get("after"))
        return fresh(jsonify(files=[wire.file_json(record) for record in records], next=following))

    @routes.get("/files/<file_id>")
    def show_file(file_id: str) -> ResponseReturnValue:
        return jsonify(wire.file_json(found(file_id)[0]))

    @routes.get("/files/<file_id>/content")
    def download(file_id: str) -> ResponseReturnValue:
        record, location = found(file_id)
        if elsewhere is not None and request.method == "GET":
            # 307, and not kept: the address is good for minutes, the file for years.
            target = elsewhere(record, location)
            return fresh(Response(status=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": target}))
        return content_response(record, lambda start, stop: read(location, start, stop))

    def found(file_id: str) -> tuple[FileRecord, str]:
        entry = catalogue.get(file_id, owner())
        if entry is None:
            raise FileNotFound
        return entry

    return routes


def preflight_blueprint(catalogue: Catalogue, owner: Owner = everybody) -> Blueprint:
    """`POST /upload/preflight`: answered by whoever owns the records (article, "Deduplication")."""
    routes = Blueprint("preflight", __name__)

    @routes.post("/upload/preflight")
    def preflight() -> ResponseReturnValue:
        asker = owner()
        asked = wire.parse_preflight(json_body())
        record = catalogue.find(asker, asked.fingerprint, asked.file_size)
        if record is None:
            return fresh(jsonify(exists=False))
        return fresh(jsonify(exists=True, file=wire.file_json(record)))

    return routes


def content_response(record: FileRecord, read: Callable[[int, int], Iterator[bytes]]) -> Response:
    """The bytes of a file: 200, 206 for one range, 304, 416 (RFC 9110, sections 13 and 14).

    Several ranges in one request get the whole file, as the RFC allows: multipart answers buy little here.
    """
    size, etag = record.file_size, f'"{record.fingerprint}"'
    headers = {
        **PROTECTED,
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": attachment(record.file_name),
        "Cache-Control": "private, no-cache",
    }
    if request.if_none_match.contains_weak(record.fingerprint):
        return Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    start, stop, status = 0, size, HTTPStatus.OK
    wanted = request.range if request.headers.get("If-Range", etag) == etag else None
    if wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1:
        start, stop = bounds(wanted, size)
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    try:
        blocks = read(start, stop) if request.method != "HEAD" else iter(())
    except FileNotFoundError as error:
        raise StorageFailure("The file is recorded, but its bytes are gone.") from error
    response = Response(blocks, status=status, mimetype=record.mime_type, headers=headers)
    response.content_length = stop - start
    return response


def bounds(wanted: Range, size: int) -> tuple[int, int]:
    """The bytes of a file of ``size`` that a single range means: the first, and the one after the last.

    Raises:
        RequestedRangeNotSatisfiable: none of them.
    """
    first, _ = wanted.ranges[0]
    if first is not None and -first > size > 0:
        # "The last 2,000" of 1,000 bytes are all of them (RFC 9110, section 14.1.2); Werkzeug says none.
        return 0, size
    found = wanted.range_for_length(size)
    if found is None:
        raise RequestedRangeNotSatisfiable(size)
    return found


def attachment(file_name: str) -> str:
    """`Content-Disposition` with an ASCII fallback and the real name (RFC 6266, RFC 8187)."""
    plain = unicodedata.normalize("NFKD", file_name).encode("ascii", "ignore").decode()
    plain = "".join("_" if c in '"\\%' else c for c in plain) or "file"
    value = f'attachment; filename="{plain}"'
    if plain != file_name:
        value += f"; filename*=UTF-8''{quote(file_name, safe='')}"
    return value
