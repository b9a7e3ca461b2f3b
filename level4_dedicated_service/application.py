"""Level 4, the application: owners, tickets, files. It sees the bytes of an upload once, at the end."""

from __future__ import annotations

import os
from http import HTTPStatus

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue

from level4_dedicated_service import addresses, delivery
from level4_dedicated_service.downstream import Downstream
from level4_dedicated_service.inbox import Inbox
from level4_dedicated_service.intake import Intake
from level4_dedicated_service.keys import CALLBACK_VARIABLE, TICKET_VARIABLE, load_keys
from level4_dedicated_service.object_store import files_place, staging_place
from level4_dedicated_service.own_copy import OwnCopies
from level4_dedicated_service.thumbnail import THUMBNAILS
from level4_dedicated_service.tickets import Tickets
from level4_dedicated_service.upkeep import Upkeep
from shared import wire
from shared.admission import Admission
from shared.background import BACKGROUND
from shared.blueprint import fresh
from shared.catalogue import Catalogue, catalogue_url
from shared.errors import FileNotFound, InvalidRequest
from shared.files_blueprint import PROTECTED, files_blueprint, preflight_blueprint
from shared.health import HEALTH, Health, health_blueprint
from shared.metrics import METRICS, Metrics
from shared.observed import observe_requests
from shared.origins import refuse_foreign_origins
from shared.page import page_blueprint
from shared.problems import register_problems
from shared.settings import Settings

LEVEL = addresses.LEVEL


def create_application_app(settings: Settings) -> Flask:
    """Build the stores, build the intake from them, register the routes."""
    callback_keys = load_keys(CALLBACK_VARIABLE, os.environ, settings.callback_secrets_file)
    tickets = Tickets(
        load_keys(TICKET_VARIABLE, os.environ, settings.ticket_secrets_file), settings.ticket_lifetime
    )
    folder = settings.data_folder(LEVEL)
    database = catalogue_url(settings.catalogue, folder)
    catalogue = Catalogue(database)
    inbox = Inbox(database, settings.lease)
    staged = staging_place(settings, folder)
    own = files_place(settings, folder)
    copies = OwnCopies(staged, own)
    downstream = Downstream(database, THUMBNAILS, own.store.read)
    intake = Intake(
        inbox, catalogue, staged, copies, downstream, settings.owner_quota, settings.type_allow_list()
    )

    def owner() -> str:
        """Whom this request comes from. Here your login goes; the demo has none."""
        return settings.demo_owner

    app = Flask(__name__)

    @app.post("/tickets")
    def give_ticket() -> ResponseReturnValue:
        who = owner()
        room = max(0, settings.owner_quota - catalogue.used(who))
        ticket = tickets.issue(Admission(who, settings.max_file_size, room))
        answer = jsonify(ticket=ticket.text, expiresAt=wire.timestamp(ticket.expires_at))
        answer.status_code = HTTPStatus.CREATED
        return fresh(answer)

    @app.post(addresses.CALLBACK_PATH)
    def finalize() -> ResponseReturnValue:
        raw = request.stream.read(wire.LARGEST_JSON + 1)
        if len(raw) > wire.LARGEST_JSON:
            raise InvalidRequest("No callback is as large as that.")
        message_id = delivery.verify(raw, request.headers, callback_keys)
        answer = intake.take(delivery.parse(raw, message_id))
        mime_type = "application/json" if answer.status == HTTPStatus.OK else "application/problem+json"
        return fresh(Response(answer.document, answer.status, mimetype=mime_type))

    @app.get("/files/<file_id>/thumbnail")
    def show_thumbnail(file_id: str) -> ResponseReturnValue:
        picture = downstream.result(file_id) if catalogue.get(file_id, owner()) else None
        if picture is None:
            raise FileNotFound("There is no thumbnail, or not yet.")
        return fresh(Response(picture, mimetype="image/jpeg", headers=PROTECTED))

    health = Health(
        {"catalogue": lambda: catalogue.owns(""), "staged": staged.store.check, "files": own.store.check}
    )
    app.register_blueprint(page_blueprint(addresses.service_url(settings) + "/upload"))
    app.register_blueprint(health_blueprint(health))
    app.register_blueprint(preflight_blueprint(catalogue, lambda: tickets.of_request().owner))
    app.register_blueprint(files_blueprint(catalogue, own.store.read, owner=owner))
    register_problems(app)
    refuse_foreign_origins(app)
    metrics = Metrics()
    observe_requests(app, metrics)
    app.extensions[METRICS], app.extensions[HEALTH] = metrics, health
    app.extensions[BACKGROUND] = Upkeep(
        downstream, copies, inbox, catalogue, settings.sweep_interval, settings.session_ttl, inbox.clock
    )
    return app
