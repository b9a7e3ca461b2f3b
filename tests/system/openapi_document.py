"""The OpenAPI document, and the part of it that one server answers."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from shared.commands.serve import LEVELS
from tests.servers import REPOSITORY

PATH: Final = REPOSITORY / "shared" / "openapi.yaml"
DOCUMENT: Final[dict[str, Any]] = yaml.safe_load(PATH.read_text())
EVERYTHING: Final = frozenset(tag["name"] for tag in DOCUMENT["tags"])
APPLICATION: Final = frozenset({"files", "preflight", "tickets", "operation"})
"""What level 4's application answers. The document says it in words; the service has the rest."""


@dataclass(frozen=True)
class Part:
    """One server of one level.

    Attributes:
        only: which half of level 4; empty at the other levels.
        tags: whose requests it answers.
    """

    level: int
    only: str = ""
    tags: frozenset[str] = EVERYTHING

    def __str__(self) -> str:
        return f"{self.level} {self.only}".strip()

    def document(self) -> dict[str, Any]:
        """The document without what this server does not answer."""
        document = copy.deepcopy(DOCUMENT)
        for path, item in list(document["paths"].items()):
            for method, operation in list(item.items()):
                if method != "parameters" and not self._answers(operation):
                    del item[method]
            if set(item) <= {"parameters"}:
                del document["paths"][path]
        return document

    def write(self, folder: Path) -> Path:
        """The same as a JSON file in ``folder``."""
        path = folder / "openapi.json"
        path.write_text(json.dumps(self.document()))
        return path

    def _answers(self, operation: dict[str, Any]) -> bool:
        return self.level in operation["x-levels"] and bool(self.tags & set(operation["tags"]))


SERVICE_PART: Final = Part(4, "service", EVERYTHING - APPLICATION | {"operation"})
APPLICATION_PART: Final = Part(4, "application", APPLICATION)
PARTS: Final = tuple(
    part for part in (Part(1), Part(2), Part(3), SERVICE_PART, APPLICATION_PART) if str(part.level) in LEVELS
)
