"""Level 4, the service: level 3 with another finalizer. It moves bytes and knows neither users nor files."""

from __future__ import annotations

import os

import urllib3
from flask import Flask

from level4_dedicated_service import addresses
from level4_dedicated_service.callback import CallbackFinalizer
from level4_dedicated_service.cross_origin import allow_origins
from level4_dedicated_service.keys import CALLBACK_VARIABLE, TICKET_VARIABLE, load_keys
from level4_dedicated_service.object_store import staging_place
from level4_dedicated_service.tickets import Tickets
from shared.background import BACKGROUND, Background
from shared.blueprint import upload_blueprint
from shared.capabilities import service_capabilities
from shared.finalization import Finalizations
from shared.measured import MeasuredFinalizer, MeasuredSessions, MeasuredStore
from shared.metrics import Metrics
from shared.operations import operate
from shared.problems import register_problems
from shared.sessions import open_session_store
from shared.settings import Settings
from shared.uploads import Uploads

LEVEL = addresses.LEVEL
CALLS_AT_ONCE = 16
"""Callbacks in flight. They wait for the application far more than they work."""


def create_service_app(settings: Settings) -> Flask:
    """Build the stores, build the uploads from them, register the routes."""
    ticket_keys = load_keys(TICKET_VARIABLE, os.environ, settings.ticket_secrets_file)
    callback_keys = load_keys(CALLBACK_VARIABLE, os.environ, settings.callback_secrets_file)
    folder = settings.data_folder(LEVEL)
    limits = settings.limits(smallest=settings.s3_min_part)
    metrics = Metrics()
    sessions = MeasuredSessions(open_session_store(settings.sessions, folder), metrics)
    place = staging_place(settings, folder)
    store = MeasuredStore(place.store, metrics)
    finalizer = CallbackFinalizer(
        addresses.callback_url(settings),
        callback_keys,
        settings.callback_timeout,
        place.key,
        urllib3.PoolManager(maxsize=CALLS_AT_ONCE),
    )
    tickets = Tickets(ticket_keys, settings.ticket_lifetime)
    measured = MeasuredFinalizer(finalizer, metrics)
    uploads = Uploads(sessions, store, measured, limits, settings.lifetimes(), sessions.clock)
    finalizations = Finalizations(uploads, patience=settings.complete_wait, threads=CALLS_AT_ONCE)
    capabilities = service_capabilities(
        LEVEL,
        limits,
        settings.session_ttl,
        durable=sessions.durable,
        shared=sessions.shared,
        application=addresses.application_url(settings),
    )

    app = Flask(__name__)
    app.register_blueprint(
        upload_blueprint(uploads, finalizations, capabilities, settings.read_timeout, tickets.of_request)
    )
    register_problems(app)
    allow_origins(app, addresses.allowed_origins(settings))
    # Whether the application answers is no part of being ready: uploads go on while it is away.
    operate(app, metrics, uploads, {})
    app.extensions[BACKGROUND] = Background(
        uploads, finalizations, settings.sweep_interval, settings.on_shutdown
    )
    return app
