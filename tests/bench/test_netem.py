"""The kernel's delay goes to the measured port alone, and to nobody outside the namespace."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.bench.namespace_program import LIMIT


@pytest.mark.root
def test_only_the_measured_port_goes_through_the_discipline() -> None:
    command = [sys.executable, "-m", "tests.bench.namespace_program"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if "may not make a network namespace" in done.stderr or "there is no `" in done.stderr:
        pytest.skip(f"NOT RUN: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    speeds, said = done.stdout.strip().splitlines()
    through, past = map(float, speeds.split())
    assert through < LIMIT / 8 * 1.2
    assert past > through * 10
    # This kernel has netem, or whoever asks for it is told so.
    assert said == "netem" or "without --netem the delay proxy is used" in said
