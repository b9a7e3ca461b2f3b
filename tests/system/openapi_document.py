"""The OpenAPI document, and the part of it that one level answers."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Final

import yaml

from tests.servers import REPOSITORY

PATH: Final = REPOSITORY / "shared" / "openapi.yaml"
DOCUMENT: Final[dict[str, Any]] = yaml.safe_load(PATH.read_text())


def of_level(level: int, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The document without what ``level`` does not answer.

    Args:
        without: tags of what another server of the level answers.
    """
    document = copy.deepcopy(DOCUMENT)
    for path, item in list(document["paths"].items()):
        for method, operation in list(item.items()):
            if method != "parameters" and (
                level not in operation["x-levels"] or without & set(operation["tags"])
            ):
                del item[method]
        if set(item) <= {"parameters"}:
            del document["paths"][path]
    return document


def write_of_level(level: int, folder: Path, without: frozenset[str] = frozenset()) -> Path:
    """The same as a JSON file in ``folder``."""
    path = folder / "openapi.json"
    path.write_text(json.dumps(of_level(level, without)))
    return path
