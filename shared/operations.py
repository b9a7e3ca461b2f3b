"""What running a level takes beside the level: numbers, a line a request, and the two questions of health."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from flask import Flask

from shared.health import HEALTH, Check, Health, health_blueprint
from shared.metrics import METRICS, Metrics
from shared.observed import observe_requests
from shared.session import State
from shared.uploads import Uploads

COUNTED: Final = 100_000
"""Sessions of one state are counted no further: a scrape must not become work."""
LOOKED_AT: Final = 500
"""Sessions in finalization among which the oldest is looked for."""


def operate(app: Flask, metrics: Metrics, uploads: Uploads, further: Mapping[str, Check]) -> None:
    """Register the routes of health, trace the requests, and show how the sessions stand.

    Args:
        further: what has to be within reach beside the uploads' own two stores, by name.
    """
    show_sessions(metrics, uploads)
    observe_requests(app, metrics)
    stores: dict[str, Check] = {
        "sessions": lambda: uploads.sessions.count(State.UPLOADING, 1),
        "bytes": uploads.store.check,
    }
    health = Health(stores | dict(further))
    app.register_blueprint(health_blueprint(health))
    app.extensions[METRICS] = metrics
    app.extensions[HEALTH] = health


def show_sessions(metrics: Metrics, uploads: Uploads) -> None:
    """Show sessions by state, and how long the oldest one has been waiting for its finalization.

    The stores are asked when somebody looks: so the numbers are those of all processes that share them, and
    none is forgotten at a restart.
    """
    for state in State:
        metrics.gauge(
            "upload_sessions",
            f"Sessions by state, in the shared store; {COUNTED:,} stands for that many or more.",
            partial(uploads.sessions.count, state, COUNTED),
            state=state.value,
        )
    metrics.gauge(
        "upload_finalizing_oldest_seconds",
        "Since completion of the longest waiting session in finalization was asked for; 0: none waits.",
        lambda: oldest(uploads),
    )


def oldest(uploads: Uploads) -> float:
    """Seconds since completion was asked for of the session that has waited longest to be finalized."""
    waiting = uploads.sessions.in_state(State.FINALIZING, LOOKED_AT)
    return max((uploads.clock() - session.finalizing_since for session in waiting), default=0.0)
