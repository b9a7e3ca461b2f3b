"""Level 1: the whole file in one POST. Naive on purpose: it works, and its README shows how it breaks."""

from __future__ import annotations

import hashlib
import secrets
import time

from flask import Flask, Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from shared.capabilities import Capabilities, Links
from shared.catalogue import open_catalogue
from shared.content import HEAD_SIZE, check_content
from shared.durable import disk_errors, read_range
from shared.errors import FileTooLarge, InvalidRequest, LengthRequired, MemberError
from shared.files_blueprint import OWNER, files_blueprint
from shared.limits import MIB
from shared.origins import refuse_foreign_origins
from shared.page import page_blueprint
from shared.problems import register_problems
from shared.settings import Settings
from shared.wire import clean_file_name, file_json

LEVEL = 1
LIMIT = 50 * MIB
FORM_OVERHEAD = 64 * 1024  # the boundaries and headers around the file


def create_app(settings: Settings) -> Flask:
    """One route that takes a file, and the routes that list and return it."""
    folder = settings.data_folder(LEVEL)
    objects = folder / "objects"
    objects.mkdir(mode=0o700, exist_ok=True)
    catalogue = open_catalogue(settings.catalogue, folder)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LIMIT + FORM_OVERHEAD

    @app.get("/upload")
    def capabilities() -> ResponseReturnValue:
        links = Links(upload=url_for("upload"), files=url_for("files.list_files"))
        return jsonify(Capabilities(LEVEL, ("single-request", "files"), LIMIT, links).as_json())

    @app.post("/upload")
    def upload() -> ResponseReturnValue:
        if request.content_length is None:  # chunked transfer: how large it is shows only at the end
            raise LengthRequired
        if request.content_length > LIMIT + FORM_OVERHEAD:  # Flask would refuse it as well, in fewer words
            raise FileTooLarge(f"The form has {request.content_length:,} bytes; files may have {LIMIT:,}.")
        sent = request.files.get("file")
        name = sent and clean_file_name(sent.filename or "")
        if not sent or not name:
            raise InvalidRequest(errors=[MemberError("file", "a form needs one file with a name")])
        data = sent.read()  # all of it, in memory: this is what level 2 is for
        if len(data) > LIMIT:  # the form as a whole may still be within its own, roomier limit
            raise FileTooLarge(f"The file has {len(data):,} bytes; this server takes at most {LIMIT:,}.")
        mime_type = check_content(data[:HEAD_SIZE], name, sent.mimetype, settings.type_allow_list())
        upload_id = secrets.token_urlsafe(24)
        with disk_errors():
            (objects / upload_id).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        file, duplicate = catalogue.record(
            OWNER, upload_id, name, len(data), mime_type, digest, upload_id, time.time()
        )
        if duplicate:
            (objects / upload_id).unlink()
        response: Response = jsonify(file_json(file))
        response.headers["Location"] = url_for("files.show_file", file_id=file.file_id)
        return response, 201

    app.register_blueprint(
        files_blueprint(catalogue, lambda at, start, stop: read_range(objects / at, start, stop))
    )
    app.register_blueprint(page_blueprint())
    register_problems(app)
    refuse_foreign_origins(app)
    return app
