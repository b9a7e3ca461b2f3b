"""Every case as a pytest test. See conftest.py for the options."""

from __future__ import annotations

import pytest

from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.runner import Outcome, judge
from tests.conformance.target import Target


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    given = metafunc.config.getoption("--base-url", None)
    metafunc.parametrize("case", CASES if given else (), ids=lambda case: case.slug)


def test_requirement(case: Case, target: Target, run_name: str) -> None:
    result = judge(case, target.for_case(case.slug, run_name))
    match result.outcome:
        case Outcome.PASSED:
            return
        case Outcome.FAILED:
            pytest.fail(f"{case.slug}: expected {result.expected}; got {result.actual}", pytrace=False)
        case Outcome.FAULT:
            pytest.fail(f"fault of the suite: {result.reason}", pytrace=False)
        case _:
            pytest.skip(f"{result.outcome}: {result.reason}")
