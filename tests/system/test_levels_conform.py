"""Every level over every session store, judged by the conformance suite as a process of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conformance.cases import CASES, SECTIONS
from tests.conformance.runner import Outcome, Result, failed
from tests.servers import REPOSITORY
from tests.system.conformance_runs import FULL, MARKS, RUNS, Run, judge_full_disk, judge_run

README = (REPOSITORY / "README.md").read_text()
PROTOCOL = (REPOSITORY / "shared" / "PROTOCOL.md").read_text()
LONGEST_RUN = 90.0
LONGEST_RUN_OF_TWO = 150.0


def _together(judged: Run) -> str:
    return "conformance of several servers" if judged.shared else "conformance"


@pytest.mark.parametrize(
    "judged",
    # The longest of all tests: in groups, which pytest-xdist begins with.
    [pytest.param(run, marks=pytest.mark.xdist_group(_together(run)), id=run.title) for run in RUNS],
)
@pytest.mark.timeout(240)
def test_level_conforms_and_the_readme_says_so(judged: Run, tmp_path: Path) -> None:
    started = time.monotonic()
    results = judge_run(judged, tmp_path)
    seconds = time.monotonic() - started
    elsewhere = FULL if judged.on_disk else ()
    _hold(judged, [result for result in results if result.case.slug not in elsewhere])
    assert seconds < (LONGEST_RUN_OF_TWO if judged.shared else LONGEST_RUN), f"the suite took {seconds:.0f} s"


@pytest.mark.root
@pytest.mark.parametrize("judged", [run for run in RUNS if run.on_disk], ids=lambda judged: judged.title)
def test_a_full_disk_is_told_and_loses_nothing(judged: Run, tmp_path: Path) -> None:
    _hold(judged, judge_full_disk(judged, tmp_path))


def _hold(judged: Run, results: Sequence[Result]) -> None:
    """Nothing is broken but what nginx answers by itself, and the README's table says what was found."""
    broken = {
        result.case.slug: f"expected {result.expected}; got {result.actual}{result.reason}"
        for result in results
        if result.outcome in (Outcome.FAILED, Outcome.FAULT)
    }
    assert broken.keys() == judged.nginx.keys(), broken
    assert not [r for r in failed(results, strict=True) if r.case.slug not in judged.nginx]
    wrong = [
        result.case.slug for result in results if MARKS[result.outcome] != _shown(judged, result.case.slug)
    ]
    assert not wrong, f"run `make conformance-table`: {wrong}"


def _shown(judged: Run, slug: str) -> str:
    """What the README's table says about one requirement of one server."""
    row = re.search(rf"^\| \[`{slug}`\].*$", README, re.MULTILINE)
    assert row is not None, f"{slug} is not in the README's table; run `make conformance-table`"
    return row[0].strip("| ").split(" | ")[1 + [run.title for run in RUNS].index(judged.title)]


def test_every_requirement_has_a_case_and_every_case_a_requirement() -> None:
    stated = dict(re.findall(r'^- <a id="([a-z/-]+)"></a>`\1` \((MUST|SHOULD)\)', PROTOCOL, re.MULTILINE))
    # The rules for clients cannot be seen from a server's outside; the clients' own tests hold them.
    stated = {slug: word for slug, word in stated.items() if not slug.startswith("client/")}
    assert {case.slug: str(case.word) for case in CASES} == stated


def test_every_section_file_is_listed() -> None:
    files = {path.stem for path in (REPOSITORY / "tests/conformance/sections").glob("[a-z]*.py")}
    assert {section.name.replace("-", "_") for section in SECTIONS} <= files


def test_the_suite_imports_nothing_of_the_product() -> None:
    product = re.compile(r"^\s*(?:from|import) (?:shared|level\d\w*|bench)\b", re.MULTILINE)
    for path in (REPOSITORY / "tests" / "conformance").rglob("*.py"):
        assert not product.search(path.read_text()), path.name
