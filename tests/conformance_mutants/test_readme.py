"""The commands in the suite's README, run where a reader would run them: at the top of the repository."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.console import Shell, blocks, steps
from tests.docs.generate import ROOT

DOCUMENT = "tests/conformance/README.md"


def test_commands_print_what_the_readme_shows(tmp_path: Path) -> None:
    if missing := [program for program in ("bash", "curl") if shutil.which(program) is None]:
        pytest.skip(f"NOT RUN: the README's commands need {', '.join(missing)}")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    with Shell(tmp_path) as shell:
        for block in blocks(DOCUMENT):
            if block.language == "console":
                for step in steps(block):
                    shell.run(step)
