"""Tests that want the machine for themselves, or one costly fixture for all of them, are marked as a group.

Nothing says so when a new release of pytest or pytest-xdist stops to honour the mark: the tests only become
slow, and fail now and then. So this one looks whether its own mark was seen.
"""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("groups")
def test_groups_are_seen(request: pytest.FixtureRequest) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return  # one process is one group
    assert request.node.nodeid.endswith("@groups")
