"""Which chunk size is recommended, and what must be respected."""

from __future__ import annotations

import json
import math

import pytest
from click.testing import CliRunner

from bench.advise import ENOUGH, Impossible, Wishes, advise, main
from bench.model import Line, ServerCost, expect
from bench.payload import MIB

GIB = 1024 * MIB
COST = ServerCost(0.01)
HOME = Line(0.08, 50e6 / 8, 0.5 / GIB)


def chosen(line: Line, wishes: Wishes = Wishes()) -> float:  # noqa: B008 - frozen
    return advise(line, COST, wishes).chosen.chunk_size


def test_a_home_line_wants_the_articles_chunk() -> None:
    assert chosen(HOME) == 8 * MIB


def test_a_fast_long_line_wants_more_and_a_breaking_one_less() -> None:
    assert chosen(Line(0.2, 1e9 / 8)) > 8 * MIB
    assert chosen(Line(0.08, 50e6 / 8, 50 / GIB)) < 8 * MIB
    assert chosen(Line(0.02, 2e6 / 8)) < MIB


def test_the_smallest_size_that_is_nearly_best_is_chosen() -> None:
    advice = advise(HOME, COST, Wishes())
    assert advice.chosen.goodput >= ENOUGH * advice.best.goodput
    assert expect(advice.chosen.chunk_size / 2, HOME, COST).goodput < ENOUGH * advice.best.goodput


def test_wishes_are_respected() -> None:
    assert chosen(HOME, Wishes(memory=4 * MIB)) == 4 * MIB
    assert chosen(Line(0.02, 2e6 / 8), Wishes(smallest=5 * MIB)) == 5 * MIB
    assert chosen(Line(0.02, 2e6 / 8), Wishes(file_size=100 * GIB)) == 16 * MIB


def test_wishes_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(Impossible):
        advise(HOME, COST, Wishes(memory=MIB, smallest=5 * MIB))


def said(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_shows_the_size_first_and_the_curve_behind_it() -> None:
    output = said("--rtt", "80ms", "--bandwidth", "50Mbit", "--loss", "0.5/GiB", "--server", "10ms")
    assert output.splitlines()[0] == "8 MiB"
    rows = [line for line in output.splitlines() if "█" in line]
    assert len(rows) == 11
    assert [row.split()[0] for row in rows if "◄" in row] == ["8"]


def test_json_has_the_same_figures() -> None:
    found = json.loads(said("--rtt", "80ms", "--bandwidth", "50Mbit", "--server", "10ms", "--json"))
    eight = next(row for row in found["curve"] if row["chunkSize"] == 8 * MIB)
    expected = expect(8 * MIB, Line(0.08, 50e6 / 8), ServerCost(0.01))
    assert eight["goodput"] == round(expected.goodput)
    assert math.isclose(eight["progress"], expected.progress, rel_tol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rtt", "80"], "not a time like 80ms"),
        (["--rtt", "1s", "--bandwidth", "fast"], "not a rate like"),
        (["--rtt", "1s", "--bandwidth", "0Mbit"], "nothing at all"),
        (["--rtt", "1s", "--loss", "5"], "0.5/GiB"),
        (["--rtt", "1s", "--s3", "--memory", "1MiB"], "no size"),
        ([], "Missing option '--rtt'"),
    ],
)
def test_bad_input_is_told(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert words in result.output
