"""What the documents point to exists, and what must be told is told."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import click
import pytest

from shared.cli import main
from shared.settings import SETTINGS, environment_name
from tests.docs.console import ROOT

DOCUMENTS: Final = (
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "shared/PROTOCOL.md",
    "shared/client/README.md",
    "level3_s3_multipart/cluster/README.md",
    "level1_single_request/README.md",
    "level2_disk_chunks/README.md",
    "level3_s3_multipart/README.md",
    "bench/README.md",
    "level4_dedicated_service/README.md",
)
LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE: Final = re.compile(r"`([^`\n]+)`")
FENCED: Final = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
ANCHOR: Final = re.compile(r'<a id="([^"]+)">')
PATH: Final = re.compile(r"(?:[\w*.-]+/)+(?:[\w*.-]+\.\w+)?|\w+\.(?:py|md|toml)")
TARGET: Final = re.compile(r"\bmake ([a-z][a-z0-9-]*)")
MAKEFILE_TARGET: Final = re.compile(r"^([a-z0-9 -]+):(?!=)", re.MULTILINE)
COMMAND: Final = re.compile(r"\bupload-levels ([a-z]+)\b")

FOLDERS: Final = ("shared", "level2_disk_chunks", "level3_s3_multipart", "level4_dedicated_service")

NOT_IN_THE_REPOSITORY: Final = ("incoming/", "objects/", "files/", "uploads/level2", "build/")
"""What servers and commands make, which the documents name as well."""

# In two halves, so that this file does not hold what it forbids.
FORBIDDEN: Final = {
    "a path of some machine": re.compile("/" + r"(?:work|home|root|Users)/\w"),
    "a package registry's host": re.compile(
        r"(?:files\.python" + r"hosted|pypi\." + r"(?:org|python)|registry\." + r"npmjs|proxy\." + r"golang)"
    ),
}


def prose(document: str) -> str:
    """A document without its blocks of code."""
    return FENCED.sub("", (ROOT / document).read_text())


def anchors(document: Path) -> set[str]:
    """Where a link may lead inside a document."""
    text = document.read_text()
    titles = (re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(text))
    return {*titles, *ANCHOR.findall(text)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for link in LINK.findall(prose(document)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.exists(), f"{document}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{document}: {link}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_are_named_exist(document: str) -> None:
    folders = (ROOT, (ROOT / document).parent, *(ROOT / folder for folder in FOLDERS))
    for code in CODE.findall(LINK.sub("", prose(document))):
        if not PATH.fullmatch(code) or code.startswith(NOT_IN_THE_REPOSITORY):
            continue
        assert any(list(folder.glob(code.rstrip("/"))) for folder in folders), f"{document}: `{code}`"


def test_every_file_has_its_line_in_the_layout() -> None:
    layout = prose("ARCHITECTURE.md").partition("## Layout")[2].partition("\n## ")[0]
    named = {path for code in CODE.findall(layout) for path in ROOT.glob(code.rstrip("/"))}
    files = {path for folder in FOLDERS for path in (ROOT / folder).glob("[!_]*.py")}
    assert {path.name for path in files if path not in named} - {"app.py"} == set()


def test_every_setting_is_documented() -> None:
    text = (ROOT / "README.md").read_text()
    for setting in SETTINGS:
        option = "--" + setting.name.replace("_", "-")
        assert f"| `{option}` | `{environment_name(setting.name)}` |" in text, "run `make docs`"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_and_commands_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = {name for line in MAKEFILE_TARGET.findall(makefile) for name in line.split()}
    assert set(TARGET.findall(_code_of(text))) <= targets
    assert set(COMMAND.findall(_code_of(text))) <= set(main.list_commands(click.Context(main)))


def test_make_demo_is_the_tour() -> None:
    """`tests.docs.console` runs the tour where the README says `make demo`. Under `make test` this make is
    the second one, and would say which directory it enters and leaves."""
    made = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ".venv/.installed", "demo", "ARGS=--once"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.split("bin/")[-1].strip() == "upload-levels tour --once"


def test_no_file_knows_this_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("NOT RUN: this is no git repository, so nothing says which files belong to it")
    for name in listed.stdout.split("\0")[:-1]:
        try:
            text = (ROOT / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        for what, pattern in FORBIDDEN.items():
            found = pattern.search(text)
            assert found is None, f"{name} names {what}: {found and found[0]}"


def _code_of(text: str) -> str:
    """What stands in code, of all kinds."""
    return "\n".join([*FENCED.findall(text), *CODE.findall(FENCED.sub("", text))])
