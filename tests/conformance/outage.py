"""A server that goes and comes back: waiting for both."""

from __future__ import annotations

import time
from typing import Final

from tests.conformance.case import Violation
from tests.conformance.hooks import HookFailed
from tests.conformance.messages import NoAnswer
from tests.conformance.target import Target

START: Final = 12.0
"""Seconds that a server may take to start."""


def serves(target: Target) -> bool:
    """Whether a new connection is answered now."""
    try:
        return target.request("GET", target.upload_path, patience=1).status == 200
    except NoAnswer:
        return False


def wait_until_up(target: Target) -> None:
    """Wait until the server answers.

    Raises:
        Violation: it does not come back.
    """
    deadline = time.monotonic() + START
    while not serves(target):
        if time.monotonic() > deadline:
            raise Violation(f"a server that answers {START:.0f} s after its start", "no answer")
        time.sleep(0.1)


def expect_alive_since(target: Target, moment: float) -> None:
    """Make sure that no session can have expired since ``moment`` (monotonic), or its loss would say nothing.

    Raises:
        HookFailed: the set-up leaves sessions too little time.
    """
    ttl = target.capabilities.get("sessionTtl")
    away = time.monotonic() - moment
    if isinstance(ttl, int | float) and away > ttl - 0.2:
        raise HookFailed(f"the server was away for {away:.1f} s, and its sessions live only {ttl} s")


def wait_until_deaf(target: Target, seconds: float) -> bool:
    """Wait until no new request is answered; False when it still is after ``seconds``."""
    deadline = time.monotonic() + seconds
    while serves(target):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
