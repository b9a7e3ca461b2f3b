"""What the suite's README says about growing a server is what the suite says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.cases import CASES, SECTIONS
from tests.conformance.runner import Outcome, run, select
from tests.conformance_mutants.afternoon import STEPS, Step, in_general
from tests.conformance_mutants.tiny import TINY_SERVER, serve


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.section)
def test_without_a_step_the_suite_says_what_the_readme_shows(step: Step, tmp_path: Path) -> None:
    (case,) = select(CASES, [step.without.caught_by])
    assert case.section == step.section
    with serve(tmp_path, step.without.applied(TINY_SERVER.read_text()), step.without.ttl) as target:
        (result,) = run([case], target)
    assert result.outcome is Outcome.FAILED
    assert (in_general(result.expected), in_general(result.actual)) == (step.expected, step.got)


def test_the_steps_are_in_the_order_of_the_sections() -> None:
    order = [section.name for section in SECTIONS]
    places = [order.index(step.section) for step in STEPS]
    assert places == sorted(set(places))
