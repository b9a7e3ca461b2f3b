"""Two questions of a service manager or a load balancer: do you live, and can you do your work?

They are two because the cures differ. Who does not live is started again. Who lives and cannot reach a store
is left alone, and given no requests, until it can: a restart would only break off the uploads in flight.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from shared.blueprint import fresh
from shared.errors import StorageUnavailable
from shared.problems import problem

log = logging.getLogger(__name__)

HEALTH: Final = "upload-levels.health"
"""Where an application keeps its health (``app.extensions``), for the server to say that it is leaving."""

Check = Callable[[], object]
"""Raises when what it asks for cannot be reached."""


@dataclass
class Health:
    """What has to be within reach, by name, and whether the process is on its way out."""

    checks: Mapping[str, Check]
    leaving: Callable[[], bool] = lambda: False


def health_blueprint(health: Health) -> Blueprint:
    """`/healthz` and `/readyz`. Nothing is remembered between two answers."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def alive() -> ResponseReturnValue:
        return fresh(jsonify(status="alive"))

    @routes.get("/readyz")
    def ready() -> ResponseReturnValue:
        if health.leaving():
            return shutting_down()
        away = [name for name, check in health.checks.items() if not within_reach(name, check)]
        if away:
            # The names are ours; what the store said of its addresses and paths is for the log.
            raise StorageUnavailable(f"Out of reach: {', '.join(away)}.", retry_after=1)
        return fresh(jsonify(status="ready"))

    return routes


def within_reach(name: str, check: Check) -> bool:
    """Whether ``check`` passes now."""
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever it is, no request should come here
        log.warning("not ready: %s: %s: %s", name, type(error).__name__, error)
        return False
    return True


def shutting_down() -> Response:
    """What is said between SIGTERM and the end."""
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "shutting-down",
        "This process is on its way out",
        "Requests in flight are finished; send new ones elsewhere.",
    )
