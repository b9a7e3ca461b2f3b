"""Level 4: finalization moves to another process. Which of the two halves this one is, a setting says."""

from __future__ import annotations

from flask import Flask

from level4_dedicated_service.application import create_application_app
from level4_dedicated_service.upload_service import create_service_app
from shared.settings import Settings


def create_app(settings: Settings) -> Flask:
    """The half that ``settings.only`` names."""
    return (
        create_application_app(settings) if settings.only == "application" else create_service_app(settings)
    )
