"""The OpenAPI document is valid, and has every route, every problem and every status of the code."""

from __future__ import annotations

import base64
import importlib
import re
from pathlib import Path
from typing import Any, Final

import pytest
from openapi_spec_validator import validate

from shared import errors
from shared.commands.serve import LEVELS
from shared.problems import STATUS
from shared.settings import settings_from
from tests.servers import REPOSITORY
from tests.system.openapi_document import DOCUMENT, PARTS, Part

NOBODY: Final = "http://127.0.0.1:9"
"""No S3 answers there; level 3 starts all the same."""

SECRET: Final = "whsec_" + base64.b64encode(b"s" * 32).decode()


def codes_in(part: Any) -> set[str]:
    """Every code that a part of the document allows a problem to have."""
    if isinstance(part, list):
        return set().union(*map(codes_in, part))
    if not isinstance(part, dict):
        return set()
    code = part.get("properties", {}).get("code", {}) if isinstance(part.get("properties"), dict) else {}
    return (
        set(code.get("enum", []))
        | ({code["const"]} if "const" in code else set())
        | codes_in([*part.values()])
    )


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_every_code_of_the_code_and_of_the_protocol_is_in_the_document() -> None:
    protocol = (REPOSITORY / "shared" / "PROTOCOL.md").read_text()
    table = re.search(r"^\| code \| status \| when \|\n(?:\|.*\n)+", protocol, re.MULTILINE)
    assert table is not None
    told = {
        code for row in table[0].splitlines()[2:] for code in re.findall(r"`([a-z-]+)`", row.split("|")[1])
    }
    raised = {kind.code for kind in STATUS} | {errors.UploadError.code}
    assert raised <= told
    schema = set(DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
    assert schema == told | {"shutting-down"}
    # The parser's and the framework's own, which any request may meet, are told in words.
    used = codes_in(DOCUMENT["components"]["responses"]) | codes_in(DOCUMENT["paths"])
    assert schema - used == {"method-not-allowed"}


def test_every_error_is_documented_with_its_status() -> None:
    statuses: dict[str, set[int]] = {}
    operations = [
        operation
        for item in DOCUMENT["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    for operation in operations:
        for status, response in operation["responses"].items():
            name = response.get("$ref", "").rpartition("/")[2]
            part = DOCUMENT["components"]["responses"][name] if name else response
            for code in codes_in(part.get("content", {})):
                statuses.setdefault(code, set()).add(int(status))
    for kind, status in STATUS.items():
        assert statuses[kind.code] == {int(status)}, kind


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_every_route_is_in_the_document_and_every_request_has_a_route(
    part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "nobody's")
    for variable in ("UPLOAD_TICKET_SECRETS", "UPLOAD_CALLBACK_SECRETS"):
        monkeypatch.setenv(variable, SECRET)
    given = {"data": str(tmp_path), "s3_endpoint": NOBODY} | ({"only": part.only} if part.only else {})
    app = importlib.import_module(LEVELS[str(part.level)]).create_app(settings_from({}, given))
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", lambda found: "{" + _camel(found[1]) + "}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        # What is for people is no part of the protocol; and what one server calls stands under `webhooks`.
        if rule.endpoint != "static" and not rule.endpoint.startswith("page.")
        if rule.rule != "/internal/finalize"
    }
    told = {
        (path, method)
        for path, item in part.document()["paths"].items()
        for method in item
        if method not in ("parameters", "head")
    }
    assert told == routes


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
