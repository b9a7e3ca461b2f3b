"""Where the two halves find each other: from the settings, never from a request."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from shared.settings import SettingError, Settings

LEVEL: Final = 4
CALLBACK_PATH: Final = "/internal/finalize"


def service_url(settings: Settings) -> str:
    """The service's public address, without a path.

    Raises:
        SettingError: it is none.
    """
    return _checked(settings.service_url or _own(settings, settings.port_for(LEVEL)), "service-url")


def application_url(settings: Settings) -> str:
    """The application's public address, without a path.

    Raises:
        SettingError: it is none.
    """
    return _checked(
        settings.application_url or _own(settings, settings.application_port_for(LEVEL)), "application-url"
    )


def callback_url(settings: Settings) -> str:
    """Where the service calls: the one address it ever connects to by itself, beside its stores.

    Raises:
        SettingError: it is none.
    """
    if not settings.callback_url:
        return application_url(settings) + CALLBACK_PATH
    parts = urlsplit(settings.callback_url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.username:
        raise SettingError("callback-url is an address like https://application.internal/internal/finalize")
    return settings.callback_url


def allowed_origins(settings: Settings) -> frozenset[str]:
    """The origins whose pages may talk to the service. No wildcard, and nothing that a request says.

    Raises:
        SettingError: one of them is no origin.
    """
    listed = [text.strip() for text in settings.allowed_origins.split(",") if text.strip()]
    return frozenset(_checked(text, "allowed-origins") for text in listed or [application_url(settings)])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own(settings: Settings, port: int) -> str:
    host = settings.host
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        raise SettingError("listening on every address, the halves need --service-url and --application-url")
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _checked(url: str, name: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.username is not None:
        raise SettingError(f"{name}: {url!r} is no address like https://upload.example.com")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise SettingError(f"{name}: {url!r} must end with the host or port")
    return f"{parts.scheme}://{parts.netloc.lower()}"
