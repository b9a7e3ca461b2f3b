"""The suite for people who use pytest: `pytest tests/conformance --base-url http://127.0.0.1:8002`.

Without `--base-url` there is nothing to judge and nothing is collected; the project's own servers are judged
by tests/system.
"""

from __future__ import annotations

import secrets

import pytest

from tests.conformance.command import parse_headers, parse_hooks
from tests.conformance.hooks import Hooks
from tests.conformance.messages import Address, NoAnswer
from tests.conformance.probe import find_target
from tests.conformance.target import Target


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "conformance of an upload server")
    group.addoption("--base-url", help="the server to judge")
    group.addoption("--header", action="append", default=[], help="'Name: value', sent with every request")
    group.addoption("--hook", action="append", default=[], help="NAME=COMMAND; see the suite's README")
    group.addoption("--ttl", type=float, help="the server's session lifetime in seconds, if short")


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """The server under test."""
    option = request.config.getoption
    hooks = Hooks(parse_hooks(option("--hook")), option("--ttl"))
    try:
        return find_target(Address.of(option("--base-url")), hooks, parse_headers(option("--header")))
    except (ValueError, NoAnswer) as error:
        pytest.exit(f"No server to judge: {error}", returncode=2)


@pytest.fixture(scope="session")
def run_name() -> str:
    """Makes this run's bytes its own."""
    return secrets.token_hex(4)
