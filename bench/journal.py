"""The rows of a run so far, in a file: an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.plan import Step
from bench.rows import Row


class Journal:
    """Keeps rows at once, each on a line.

    Attributes:
        rows: by their points' keys.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: dict[str, Row] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            return
        whole = [
            line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"
        ]
        # A line without its end was being written when the run died; the next one must not be glued to it.
        path.write_text("".join(whole), encoding="utf-8")
        for line in whole:
            row = Row.from_json(json.loads(line))
            self.rows[row.point.key] = row

    def add(self, rows: Sequence[Row]) -> None:
        """Keep rows."""
        with self._path.open("a", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row.as_json()) + "\n")
                self.rows[row.point.key] = row

    def has(self, step: Step) -> bool:
        """Whether every point of a step is there."""
        return all(point.key in self.rows for point in step)

    def forget(self) -> None:
        """The run is over: the next one begins anew."""
        self._path.unlink(missing_ok=True)
