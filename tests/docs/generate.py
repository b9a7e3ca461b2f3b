"""The parts of the documentation that are made from the code, between `<!-- name -->` and `<!-- /name -->`.

`make docs` writes them; `test_generated.py` fails when one of them is not what the code says.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import lessons
from shared.session import TRANSITIONS, State
from shared.settings import SETTINGS, Settings, environment_name
from tests.conformance_mutants import afternoon, mutations

ROOT: Final = Path(__file__).parents[2]


def transitions() -> str:
    """The session's life as a Mermaid diagram, drawn from the transition table."""
    ways: dict[tuple[State, str], list[str]] = {}
    for (state, event), target in TRANSITIONS.items():
        ways.setdefault((state, target or "[*]"), []).append(event)
    lines = [f"    {state} --> {target}: {' or '.join(events)}" for (state, target), events in ways.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> uploading: init", *lines, "```"])


def settings() -> str:
    """Every setting as a table."""
    defaults = Settings()
    rows = ["| option | variable | default | meaning |", "|---|---|---|---|"]
    for setting in SETTINGS:
        default = _shown(getattr(defaults, setting.name), setting.metadata["kind"])
        option = "--" + setting.name.replace("_", "-")
        meaning = setting.metadata["meaning"].split("  [")[0].replace("|", "\\|")
        rows.append(f"| `{option}` | `{environment_name(setting.name)}` | {default} | {meaning} |")
    return "\n".join(rows)


def _shown(value: object, kind: str) -> str:
    if value is None:
        return "800N"
    if value == "":
        return "–"
    if kind == "size" and isinstance(value, int):
        for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
            if value % size == 0:
                return f"{value // size}{unit}"
    if kind == "time" and isinstance(value, float):
        for unit, seconds in (("h", 3600), ("min", 60), ("s", 1)):
            if value % seconds == 0:
                return f"{value / seconds:g}{unit}"
    return f"{value}"


def difference(before: str, after: str) -> str:
    """What changes from one level's `app.py` to the next one's, as a diff without context."""
    old, new = ((ROOT / name).read_text().splitlines() for name in (before, after))
    lines = list(difflib.unified_diff(old, new, before, after, lineterm="", n=0))
    return "\n".join(["```diff", *lines, "```"])


GENERATED: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "shared/PROTOCOL.md": {"transitions": transitions},
    "README.md": {"settings": settings, "bench": lessons.readme},
    "bench/README.md": {"bench-reference": lessons.benchmark_readme},
    "level2_disk_chunks/README.md": {
        "diff": lambda: difference("level1_single_request/app.py", "level2_disk_chunks/app.py")
    },
    "level3_s3_multipart/README.md": {
        "diff": lambda: difference("level2_disk_chunks/app.py", "level3_s3_multipart/app.py")
    },
    "level4_dedicated_service/README.md": {
        "diff": lambda: difference("level3_s3_multipart/app.py", "level4_dedicated_service/upload_service.py")
    },
    "tests/conformance/README.md": {"afternoon": afternoon.chapter, "mutations": mutations.table},
}


def current(document: str) -> str:
    """``document`` with every generated part brought up to date.

    Raises:
        LookupError: a marker is missing.
    """
    text = (ROOT / document).read_text()
    for name, make in GENERATED[document].items():
        text = replace_part(text, name, make())
    return text


def replace_part(text: str, name: str, made: str) -> str:
    """``text`` with what stands between the markers of ``name`` replaced.

    Raises:
        LookupError: a marker is missing.
    """
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise LookupError(f"there are no markers for {name}")
    return pattern.sub(lambda found: f"{found[1]}{made}\n{found[2]}", text)


def main() -> None:
    """Write every generated part."""
    for document in GENERATED:
        (ROOT / document).write_text(current(document))


if __name__ == "__main__":
    main()
