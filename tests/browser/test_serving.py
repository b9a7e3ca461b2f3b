"""How the page is served: what it may do, what it may not, and what is not served at all."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from level1_single_request import app as level1
from level2_disk_chunks import app as level2
from shared.page import page_blueprint
from shared.settings import Settings


@pytest.fixture
def bare() -> FlaskClient:
    app = Flask(__name__)
    app.register_blueprint(page_blueprint())
    return app.test_client()


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return level2.create_app(Settings(data=str(tmp_path))).test_client()


def get(client: FlaskClient, path: str, **headers: str) -> TestResponse:
    """An answer that holds no file open."""
    return client.get(path, headers=headers, buffered=True)


@pytest.mark.parametrize("level", [level1, level2], ids=["level1", "level2"])
def test_every_level_serves_the_page(level: ModuleType, tmp_path: Path) -> None:
    client: FlaskClient = level.create_app(Settings(data=str(tmp_path))).test_client()
    answer = get(client, "/")
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert '<meta name="upload-endpoint" content="/upload">' in answer.text
    assert get(client, "/client/page.js").mimetype == "text/javascript"


def test_the_page_may_run_its_own_scripts_and_nothing_else(bare: FlaskClient) -> None:
    answer = get(bare, "/")
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for inline in ("<style", "style=", "onclick", "javascript:"):
        assert inline not in answer.text
    assert answer.text.count("<script") == answer.text.count('<script type="module" src=') == 1


def test_the_worker_alone_may_use_web_assembly(bare: FlaskClient) -> None:
    answer = get(bare, "/client/hash-worker.js")
    assert "'wasm-unsafe-eval'" in answer.headers["Content-Security-Policy"]
    assert "connect-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_modules_are_asked_for_again_and_sent_once(bare: FlaskClient) -> None:
    first = get(bare, "/client/page.css")
    assert first.headers["Cache-Control"] == "no-cache"
    again = get(bare, "/client/page.css", **{"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "index.html",
        "README.md",
        "package.json",
        "tsconfig.json",
        "..%2fpage.py",
        "../page.py",
        "%2e%2e/server.py",
        "vendor/hash-wasm/index.js",
        "/etc/passwd",
        "page",
        "",
    ],
)
def test_nothing_else_is_served(client: FlaskClient, path: str) -> None:
    assert get(client, f"/client/{path}").status_code == 404


def test_another_endpoint_is_told_to_the_page_and_allowed_to_it() -> None:
    app = Flask(__name__)
    app.register_blueprint(
        page_blueprint('https://uploads.example:8443/upload"><script>', ("https://s3.example",))
    )
    answer = get(app.test_client(), "/")
    assert 'content="https://uploads.example:8443/upload&#34;&gt;&lt;script&gt;"' in answer.text
    assert (
        "connect-src 'self' https://uploads.example:8443 https://s3.example;"
        in (answer.headers["Content-Security-Policy"])
    )
