"""The commands in the documentation are run, and what they print is compared with what the documentation
shows. See :mod:`tests.docs.console` for how."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.docs.console import Block, Drift, Shell, Step, blocks, matches, steps

DOCUMENTS: Final = (
    "README.md",
    "level1_single_request/README.md",
    "level2_disk_chunks/README.md",
    "level3_s3_multipart/README.md",
    "bench/README.md",
    "level4_dedicated_service/README.md",
)
OTHERS: Final = ("ARCHITECTURE.md", "shared/PROTOCOL.md")

NOT_RUN: Final = {
    "make demo": "stays until Ctrl-C; with ARGS=--once it is run",
    "make test": "this is `make test`",
}
"""Blocks of commands that are not run: all of the block, and why. Everything else marked `console` is."""

NO_COMMANDS: Final = {"diff", "mermaid", "text", "nginx", "ini", "json"}
"""Blocks in these languages hold nothing to run. Whoever adds commands marks them `console`."""

NEEDED: Final = ("bash", "curl", "ps")


def test_every_block_is_run_or_named_with_its_reason() -> None:
    found = [block for document in (*DOCUMENTS, *OTHERS) for block in blocks(document)]
    untold = {f"{block.document}:{block.line}" for block in found if not (_is_run(block) or _is_named(block))}
    assert untold == set()
    firsts = {_commands(block) for block in found}
    assert set(NOT_RUN) <= firsts, "a reason without a block"


@pytest.mark.parametrize(
    "document",
    # The tour wants the machine for itself: not beside another one.
    [
        pytest.param(name, marks=pytest.mark.xdist_group("tour" if name == "README.md" else name))
        for name in DOCUMENTS
    ],
)
@pytest.mark.timeout(300)
def test_commands_print_what_the_document_shows(document: str, tmp_path: Path) -> None:
    if missing := [program for program in NEEDED if shutil.which(program) is None]:
        pytest.skip(f"NOT RUN: the documents' commands need {', '.join(missing)}")
    with Shell(tmp_path) as shell:
        for block in blocks(document):
            if _is_run(block):
                for step in steps(block):
                    shell.run(step)


def test_a_changed_line_is_noticed(tmp_path: Path) -> None:
    with Shell(tmp_path, lingering=1.0) as shell:
        shell.run(Step("here:1", "echo one; echo two >&2", ("one", "two")))
        shell.run(Step("here:2", "false", ()))
        shell.run(Step("here:3", "echo $?", ("1",)))
        with pytest.raises(Drift, match="but it was\n  one\n  two"):
            shell.run(Step("here:4", "echo one; echo two", ("one", "three")))


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        (("a ... c",), ["a b c"], True),
        (("a", "...", "d"), ["a", "b", "c", "d"], True),
        (("a", "...", "d"), ["a", "d"], True),
        (("a  b",), ["a b"], True),
        (("a",), ["a", "b"], False),
        (("a", "b"), ["a"], False),
        (("a.c",), ["abc"], False),
        ((), ["surprise"], False),
    ],
)
def test_dots_stand_for_what_differs(expected: tuple[str, ...], found: list[str], same: bool) -> None:
    assert matches(expected, found) is same


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ("peak 95.5 of 127.0.0.1:80", True),
        ("peak 110 of 127.0.0.1:80", True),
        ("peak 50 of 127.0.0.1:80", False),
    ],
)
def test_measured_figures_may_move_a_little(found: str, same: bool) -> None:
    assert matches(("peak 95 of 127.0.0.1:80",), [found], roughly=True) is same


def _is_run(block: Block) -> bool:
    return block.language == "console" and not _is_named(block)


def _is_named(block: Block) -> bool:
    return block.language in NO_COMMANDS or _commands(block) in NOT_RUN


def _commands(block: Block) -> str:
    return block.text.strip().removeprefix("$ ")
