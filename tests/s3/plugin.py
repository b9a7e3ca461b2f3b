"""The one fixture for S3: every test that asks for it runs on each server of S3_UNDER_TEST.

    S3_UNDER_TEST=moto|rclone|ceph|localstack|minio|URL     several: separated by commas

Without it, those that can run here run. One that cannot is named in the summary with the reason; if somebody
asked for it by name, its tests are errors.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest
from _pytest.mark import ParameterSet

from tests.s3.ceph import why_no_ceph
from tests.s3.endpoint import Bucket, Endpoint, fresh_bucket
from tests.s3.processes import NotAvailable
from tests.s3.stores import OPENERS, VARIABLE, Stores, chosen

STORE: Final = "s3 store"
"""The report property that says on which server a test ran."""

EVERYTHING: Final = os.environ.get("S3_FAULTS") == "all"
"""Whether tests that take turns on the servers run on each of them (`make faults-s3`)."""

ONE_PROCESS: Final = ("ceph", "localstack", "minio")
"""Dear to start: all tests of one of these go to the same worker of pytest-xdist."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A parametrization of ``s3_name``, on which everything below stands."""
    marks = metafunc.definition.iter_markers("parametrize")
    if "s3_name" not in metafunc.fixturenames or any("s3_name" in mark.args[0] for mark in marks):
        return
    names = chosen(os.environ).names
    turn = metafunc.definition.get_closest_marker("s3_in_turn")
    if turn and not EVERYTHING and not chosen(os.environ).asked and turn.args:
        names = turn.args
    elif turn and not EVERYTHING:
        # By its name, so that a test does not move to another server when one is written before it.
        names = (cheap()[zlib.crc32(metafunc.definition.name.encode()) % len(cheap())],)
    metafunc.parametrize("s3_name", [on_store(name) for name in names])


def on_store(name: str, *values: object) -> ParameterSet:
    """One parameter set: ``s3_name``, and whatever else a test is parametrized by."""
    together = [pytest.mark.xdist_group(f"s3-{name}")] if name in ONE_PROCESS else []
    return pytest.param(name, *values, marks=together)


def in_turn(points: Sequence[str], more: Sequence[str] = ()) -> list[ParameterSet]:
    """``s3_name`` with each of ``points``, on one server after the other; or all and ``more`` on each."""
    names = cheap()
    if EVERYTHING:
        return [on_store(name, point) for point in (*points, *more) for name in names]
    return [on_store(names[i % len(names)], point) for i, point in enumerate(points)]


def cheap() -> Sequence[str]:
    """The servers for tests that run on one server in turn: each must be here.

    Ceph does a lot for each request, so it is among them only when all are asked for. Contract and
    conformance run over it always.
    """
    choice = chosen(os.environ)
    real = [] if why_no_ceph() or not EVERYTHING else ["ceph"]
    return choice.names if choice.asked else ("moto", "rclone", *real)


@pytest.fixture(scope="session")
def s3_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """The servers that run already."""
    with Stores(tmp_path_factory.mktemp("s3")) as stores:
        yield stores


@pytest.fixture
def s3_endpoint(s3_name: str, s3_stores: Stores, request: pytest.FixtureRequest) -> Endpoint:
    """A running S3 server."""
    request.node.user_properties.append((STORE, s3_name))
    try:
        return s3_stores.open(s3_name)
    except NotAvailable as reason:
        if chosen(os.environ).asked:
            pytest.fail(f"{VARIABLE} names {s3_name}: {reason}", pytrace=False)
        pytest.skip(f"NOT RUN on {s3_name}: {reason}")


@pytest.fixture
def bucket(s3_endpoint: Endpoint) -> Iterator[Bucket]:
    """An empty bucket of the test's own on that server."""
    with fresh_bucket(s3_endpoint) as bucket:
        yield bucket


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Which servers the tests ran on, and which not, and why."""
    outcomes: dict[str, Counter[str]] = {}
    reasons: dict[str, str] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            name = dict(getattr(report, "user_properties", ())).get(STORE)
            if name is None:
                continue
            outcomes.setdefault(name, Counter())[outcome] += 1
            if outcome == "skipped":
                reasons[name] = str(report.longrepr[2]).removeprefix("Skipped: ")
    if not outcomes:
        return
    terminalreporter.section("S3 servers")
    for name, counts in outcomes.items():
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        ran = f"ran: {told}" if set(counts) != {"skipped"} else reasons[name]
        terminalreporter.line(f"{name:<12}{ran}")
    for name in sorted(OPENERS.keys() - outcomes.keys()):
        how = "make test-localstack" if name == "localstack" else f"{VARIABLE}={name}"
        terminalreporter.line(f"{name:<12}not asked for: {how}")
