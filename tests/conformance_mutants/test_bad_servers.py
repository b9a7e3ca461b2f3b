"""Whatever is at the other end, every case gets its verdict in time, and none is a fault of the suite."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import Any, Final

import pytest
from click.testing import CliRunner

from tests.conformance.cases import CASES
from tests.conformance.command import conformance
from tests.conformance.hooks import Hooks
from tests.conformance.messages import NoAnswer
from tests.conformance.probe import find_target
from tests.conformance.runner import Outcome, exit_code, run
from tests.conformance.target import Target
from tests.conformance_mutants.bad_servers import SILENT, TALKING, Behaviour, serve

PATIENCE: Final = 0.25
LONGEST_RUN: Final = 30.0
CLAIMS_EVERYTHING: Final[dict[str, Any]] = {
    "protocol": 1,
    "level": 4,
    "claims": sorted({case.claim for case in CASES if case.claim}),
    "maxFileSize": 1 << 30,
    "chunkSize": {"minimum": 1024, "default": 4096, "maximum": 65536},
    "sessionTtl": 60,
    "links": {"upload": "/upload", "files": "/files", "preflight": "/upload/preflight", "ticket": None},
}
"""What makes every case run, and meet the server."""

MUST_ANSWER: Final = {"init", "chunk", "offset", "resume", "integrity", "complete", "finalize", "files"}


@pytest.mark.parametrize("behaviour", [*SILENT.values(), *TALKING.values()], ids=[*SILENT, *TALKING])
def test_every_case_gets_a_verdict(behaviour: Behaviour) -> None:
    started = time.monotonic()
    with serve(behaviour) as address:
        target = Target(address, CLAIMS_EVERYTHING, Hooks(), patience=PATIENCE)
        results = run(CASES, target, workers=8)
    assert [result.case.slug for result in results] == [case.slug for case in CASES]
    faults = [f"{result.case.slug}: {result.reason}" for result in results if result.outcome is Outcome.FAULT]
    assert not faults, "\n".join(faults)
    assert exit_code(results) == 1
    held = [r.case.slug for r in results if r.outcome is Outcome.PASSED and r.case.section in MUST_ANSWER]
    assert not held, "a server that keeps no promise must not be said to keep these"
    assert time.monotonic() - started < LONGEST_RUN


STRANGE_CAPABILITIES: Final[dict[str, Any]] = {
    "claims is a number": {"claims": 5},
    "claims are no names": {"claims": [None, 5, {}, ["chunked"]]},
    "no chunk sizes": {"chunkSize": None},
    "chunk sizes are texts": {"chunkSize": {"minimum": "small", "default": "m", "maximum": "large"}},
    "chunks of zero bytes": {"chunkSize": {"minimum": 0, "default": 0, "maximum": 0}},
    "chunks of negative size": {"chunkSize": {"minimum": -5, "default": -5, "maximum": -1}},
    "chunks without end": {"chunkSize": {"minimum": 10**30, "default": 10**30, "maximum": 10**30}},
    "no links": {"links": {}},
    "links are a list": {"links": ["/upload"]},
    "links to elsewhere": {"links": {"upload": "http://[", "files": "//", "preflight": "\r\nX: y"}},
    "files of negative size": {"maxFileSize": -1},
    "files of a size in words": {"maxFileSize": "1 GiB"},
    "files of half a byte": {"maxFileSize": 0.5},
    "files of any size": {"maxFileSize": None},
    "a lifetime without end": {"sessionTtl": 1e308},
    "a lifetime in words": {"sessionTtl": "a day"},
}


@pytest.mark.parametrize("strange", STRANGE_CAPABILITIES.values(), ids=STRANGE_CAPABILITIES)
def test_strange_capabilities_are_judged_and_not_tripped_over(strange: dict[str, Any]) -> None:
    with serve(TALKING["says null"]) as address:
        target = Target(address, CLAIMS_EVERYTHING | strange, Hooks(), patience=PATIENCE)
        results = run(CASES, target, workers=8)
    faults = [f"{result.case.slug}: {result.reason}" for result in results if result.outcome is Outcome.FAULT]
    assert not faults, "\n".join(faults)
    assert exit_code(results) == 1


@pytest.mark.parametrize("behaviour", [SILENT[name] for name in ("resets", "hangs up", "answers garbage")])
def test_who_does_not_answer_is_no_server(behaviour: Behaviour) -> None:
    with serve(behaviour) as address:
        outcome = CliRunner().invoke(conformance, [f"http://{address.host_header}"])
    assert outcome.exit_code == 2


def test_where_nobody_listens_is_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert CliRunner().invoke(conformance, [f"http://127.0.0.1:{port}"]).exit_code == 2


def test_who_answers_something_else_is_a_server_that_keeps_nothing() -> None:
    with serve(TALKING["redirects in circles"]) as address:
        outcome = CliRunner().invoke(conformance, [f"http://{address.host_header}"])
    assert outcome.exit_code == 1


def test_a_probe_waits_no_longer_than_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Target, "request", _impatient(Target.request))
    with serve(SILENT["hangs"]) as address, pytest.raises(NoAnswer, match="in time"):
        find_target(address, Hooks(), {})


def _impatient(request: Any) -> Any:
    def ask(target: Target, *words: Any, **more: Any) -> Any:
        return request(replace(target, patience=PATIENCE), *words, **more)

    return ask
