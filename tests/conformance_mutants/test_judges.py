"""The suite passes a server that keeps the protocol, and catches each that breaks one requirement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conformance.case import MUST, Case
from tests.conformance.cases import CASES
from tests.conformance.runner import Outcome, Result, exit_code, run, select
from tests.conformance_mutants.mutation import Mutation, Stale
from tests.conformance_mutants.mutations import MUTATIONS, SERVICE_MUTATIONS
from tests.conformance_mutants.tiny import TINY_SERVER, TINY_SERVICE, serve, serve_service

SOURCE, SERVICE_SOURCE = TINY_SERVER.read_text(), TINY_SERVICE.read_text()
TTL = 2.0
PATIENCE = 5.0
"""Seconds for an answer that a mistake may have swallowed."""

WITHOUT_A_MUTATION = {
    "complete/running": "the tiny server finalizes within the request",
    "cancel/finalizing": "the same",
    "limits/storage-full": "needs a disk that can be filled",
    "limits/storage-away": "needs a disk that can be taken away",
    "shutdown/bounded": "would take its ten seconds and more",
}
"""What no single line of the tiny server can break in front of the suite, and why."""


def _in_words(results: Sequence[Result]) -> str:
    return "\n".join(
        f"{result.case.slug} {result.outcome}: expected {result.expected}; got {result.actual}{result.reason}"
        for result in results
        if result.outcome is not Outcome.PASSED
    )


def test_the_tiny_server_passes_everything_it_claims(tmp_path: Path) -> None:
    with serve(tmp_path, SOURCE) as target:
        results = run(CASES, target)
        claims = target.claims
    outcomes = Counter(result.outcome for result in results)
    assert not outcomes[Outcome.FAILED], _in_words(results)
    assert not outcomes[Outcome.FAULT], _in_words(results)
    assert exit_code(results, strict=True) == 0
    unclaimed = {result.case.claim for result in results if result.outcome is Outcome.NOT_CLAIMED}
    assert not unclaimed & claims


def test_the_tiny_server_passes_what_shows_only_when_sessions_expire(tmp_path: Path) -> None:
    with serve(tmp_path, SOURCE, TTL) as target:
        results = run(select(CASES, ["expiry/*"]), target)
    assert {result.outcome for result in results} == {Outcome.PASSED}, _in_words(results)


@pytest.mark.parametrize(
    "mutation", MUTATIONS, ids=lambda mutation: f"{mutation.caught_by}: {mutation.mistake}"
)
def test_a_mistake_is_caught_by_the_case_that_names_it(mutation: Mutation, tmp_path: Path) -> None:
    (case,) = select(CASES, [mutation.caught_by])
    with serve(tmp_path, mutation.applied(SOURCE), mutation.ttl) as target:
        (result,) = run([case], replace(target, patience=PATIENCE))
    assert result.outcome is Outcome.FAILED, f"{result.outcome} {result.reason}"
    if case.word is MUST:
        assert exit_code([result]) == 1


def test_the_tiny_service_passes_everything_it_claims(tmp_path: Path) -> None:
    with serve_service(tmp_path, SERVICE_SOURCE, played=False) as target:
        results = run(CASES, target)
        claims = target.claims
    assert exit_code(results, strict=True) == 0, _in_words(results)
    unclaimed = {result.case.claim for result in results if result.outcome is Outcome.NOT_CLAIMED}
    assert not unclaimed & claims


def test_the_tiny_service_passes_what_shows_only_to_its_application(tmp_path: Path) -> None:
    with serve_service(tmp_path, SERVICE_SOURCE, TTL, played=True) as target:
        results = run(select(CASES, ["callback/*", "tickets/expired"]), target)
    assert {result.outcome for result in results} == {Outcome.PASSED}, _in_words(results)


@pytest.mark.parametrize(
    "mutation", SERVICE_MUTATIONS, ids=lambda mutation: f"{mutation.caught_by}: {mutation.mistake}"
)
def test_a_mistake_of_a_service_is_caught(mutation: Mutation, tmp_path: Path) -> None:
    (case,) = select(CASES, [mutation.caught_by])
    source = mutation.applied(SERVICE_SOURCE)
    played = "application" in case.needs
    with serve_service(tmp_path, source, mutation.ttl, played=played) as target:
        (result,) = run([case], replace(target, patience=PATIENCE))
    assert result.outcome is Outcome.FAILED, f"{result.outcome} {result.reason}"


def test_a_mutation_that_no_longer_fits_is_an_error() -> None:
    twice = Mutation("twice", "return", "yield", "chunk/accepted")
    gone = Mutation("gone", "there is no such line", "pass", "chunk/accepted")
    nothing = Mutation("nothing", MUTATIONS[0].line, MUTATIONS[0].line, "chunk/accepted")
    for stale in (twice, gone, nothing):
        with pytest.raises(Stale):
            stale.applied(SOURCE)


def test_no_mutation_stands_twice() -> None:
    changes = Counter((mutation.line, mutation.replacement, mutation.caught_by) for mutation in MUTATIONS)
    assert max(changes.values()) == 1
    assert len({mutation.mistake for mutation in MUTATIONS}) == len(MUTATIONS)


def _wanted(case: Case) -> bool:
    return case.word is MUST and case.section != "single-request"


def test_every_requirement_is_broken_by_some_mutation() -> None:
    caught = {mutation.caught_by for mutation in (*MUTATIONS, *SERVICE_MUTATIONS)}
    missing = {case.slug for case in CASES if _wanted(case)} - caught
    assert missing == set(WITHOUT_A_MUTATION)
