"""Level 3: the bytes move to object storage. Chunks become the parts of an S3 multipart upload."""

from __future__ import annotations

from flask import Flask

from level3_s3_multipart.bucket import open_bucket
from level3_s3_multipart.downloads import elsewhere
from level3_s3_multipart.parts import part_sender
from level3_s3_multipart.s3_store import S3Store
from shared.background import BACKGROUND, Background
from shared.blueprint import upload_blueprint
from shared.capabilities import chunked_capabilities
from shared.catalogue import open_catalogue
from shared.files_blueprint import files_blueprint, preflight_blueprint
from shared.finalization import Finalizations
from shared.finalizer import CatalogueFinalizer
from shared.measured import MeasuredFinalizer, MeasuredSessions, MeasuredStore
from shared.metrics import Metrics
from shared.operations import operate
from shared.origins import refuse_foreign_origins
from shared.page import page_blueprint
from shared.problems import register_problems
from shared.sessions import open_session_store
from shared.settings import Settings
from shared.uploads import Uploads

LEVEL = 3


def create_app(settings: Settings) -> Flask:
    """Build the stores, build the uploads from them, register the routes."""
    folder = settings.data_folder(LEVEL)
    limits = settings.limits(smallest=settings.s3_min_part)
    metrics = Metrics()
    sessions = MeasuredSessions(open_session_store(settings.sessions, folder), metrics)
    bucket = open_bucket(settings, folder)
    s3 = S3Store(bucket, part_sender(bucket, settings.s3_parts))
    store = MeasuredStore(s3, metrics)
    catalogue = open_catalogue(settings.catalogue, folder)
    finalizer = CatalogueFinalizer(catalogue, store.read, settings.type_allow_list(), sessions.clock)
    measured = MeasuredFinalizer(finalizer, metrics)
    uploads = Uploads(sessions, store, measured, limits, settings.lifetimes(), sessions.clock)
    finalizations = Finalizations(uploads, patience=settings.complete_wait)
    capabilities = chunked_capabilities(
        LEVEL, limits, settings.session_ttl, durable=sessions.durable, shared=sessions.shared
    )

    app = Flask(__name__)
    app.register_blueprint(upload_blueprint(uploads, finalizations, capabilities, settings.read_timeout))
    app.register_blueprint(preflight_blueprint(catalogue))
    app.register_blueprint(files_blueprint(catalogue, store.read, elsewhere(bucket, settings.downloads)))
    app.register_blueprint(page_blueprint())
    register_problems(app)
    refuse_foreign_origins(app)
    operate(app, metrics, uploads, {"catalogue": lambda: catalogue.owns("")})
    app.extensions[BACKGROUND] = Background(
        uploads, finalizations, settings.sweep_interval, settings.on_shutdown
    )
    return app
