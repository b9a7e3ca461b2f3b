"""From rows to figures and sentences, without measuring anything."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from bench import lessons, publish
from bench.judge import Measurement
from bench.payload import MIB
from bench.peers import markdown
from bench.plan import quick, tiny
from bench.plot import FIGURES, draw
from bench.rivals import Rival
from bench.rows import write_json
from bench.summary import show
from tests.bench import synthetic

ROWS, NOTES = synthetic.run(quick([1, 2, 3, 4]))


def test_the_fit_finds_what_the_rows_were_made_from() -> None:
    fit = NOTES["summary"]["fits"]["2"]
    assert fit["per_chunk"] == pytest.approx(synthetic.COST.per_chunk, rel=1e-3)
    assert fit["speed"] == pytest.approx(synthetic.COST.speed, rel=1e-3)
    assert fit["worst_error"] < 1e-6
    assert set(NOTES["summary"]["fits"]) == {"2", "3", "4"}, "level 1 has no chunks to fit"


def test_a_run_teaches_five_sentences_with_its_own_figures() -> None:
    said = lessons.sentences(ROWS, NOTES)
    assert len(said) == 5
    # 8 MiB at 200 ms: 8 / (0.2 + 8/400 + 0.005) MiB/s; 16 MiB: 16 / (0.2 + 16/400 + 0.005).
    assert "65 MiB/s in chunks of 16 MiB" in said[0]
    assert "allows 5 and 80" in said[0]
    assert "89% at 200 ms" in said[1]
    assert "chunk / 400 MiB/s + 5 ms" in said[1]
    assert "64 cuts per GiB the model's best size is" in said[2]


def test_a_busy_machine_is_told() -> None:
    assert "the machine did nothing else" in lessons.conditions(NOTES)
    busy = lessons.conditions(NOTES | {"others": 0.4}).replace("\n", " ")
    assert "**other work used 40% of the machine**" in busy


def test_every_level_stands_in_the_tables() -> None:
    table = lessons.levels_table(ROWS)
    assert [line.split(" | ")[0] for line in table.splitlines()[4:]] == [
        f"| {level}" for level in (1, 1, 2, 2, 3, 3, 4, 4)
    ]
    rows = [line for line in lessons.model_table(ROWS, NOTES).splitlines() if re.match(r"\| [234] ", line)]
    assert "| 2 | 8 MiB | 40 | 35.6 | 35.6 |" in rows
    assert [line for line in rows if line.startswith("| 4 | 8 MiB")]


def test_a_run_is_shown() -> None:
    out = StringIO()
    show(Console(file=out, width=120), ROWS, NOTES | {"others": 0.4})
    assert "error: 0% typical, 0% at worst, 40 points" in out.getvalue()
    assert "40% busy with something else" in out.getvalue()


def test_a_run_of_one_level_without_most_parts_is_drawn_as_well(tmp_path: Path) -> None:
    rows, notes = synthetic.run(tiny([1]))
    assert len(draw(rows, notes, tmp_path)) == 2 * len(FIGURES)


def test_the_same_rows_make_the_same_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.plot.FIGURES", {"3-levels": FIGURES["3-levels"]})
    drawn = []
    for _ in range(2):
        draw(ROWS, NOTES, tmp_path)
        drawn.append((tmp_path / "3-levels.svg").read_bytes())
    assert drawn[0] == drawn[1]


def test_a_run_becomes_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "RESULTS", tmp_path / "results")
    monkeypatch.setattr("bench.plot.FIGURES", {"1-throughput": FIGURES["1-throughput"]})
    missing = CliRunner().invoke(publish.main, [str(tmp_path)])
    assert missing.exit_code == 2
    assert "there is no finished run" in missing.output
    write_json(tmp_path / "sweep.json", ROWS, NOTES)
    done = CliRunner().invoke(publish.main, [str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "results" / "sweep.csv").exists()
    assert (tmp_path / "results" / "1-throughput.svg").exists()


def test_peers_are_told_as_ratios_with_what_they_sync() -> None:
    def rival(name: str, words: str) -> Rival:
        return Rival(name, words, start=None, kind=None)  # type: ignore[arg-type]

    def measured(server: str, uploads: int, speed: float) -> Measurement:
        return Measurement(server, uploads, 0, speed, speed, 0.1, 1.5, 2.0)

    rivals = [rival("nginx", "DAV PUT | no"), rival("level 2", "the protocol | data and session, each chunk")]
    found = [measured("nginx", 1, 1000), measured("level 2", 1, 500), measured("level 2", 4, 500)]
    assert markdown(rivals, found).splitlines()[3] == (
        "| level 2 | the protocol | data and session, each chunk | 0.50 | – | – | 1.5 |"
    )


def test_the_eight_mebibytes_of_the_article_are_in_every_plan() -> None:
    assert any(
        row.point.chunk_size == 8 * MIB for row in ROWS if row.point.part == "rtt" and row.point.level == 3
    )
