"""The commands as processes: exit codes, streams, and what a person reads, against a misbehaving server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mishaps import answer, cut
from tests.moody_server import Handler, MoodyServer

COMMAND = [sys.executable, "-c", "from shared.cli import main; main()"]
DATA = bytes(range(256)) * 17


@pytest.fixture
def server() -> Iterator[MoodyServer]:
    with MoodyServer() as server:
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(DATA)
    return path


def start(tmp_path: Path, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "UPLOAD_STATE_DIR": str(tmp_path / "state")},
    )


def run(tmp_path: Path, *words: object) -> tuple[int, str, str]:
    with start(tmp_path, *words) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def stall(handler: Handler) -> bool:
    """Read nothing, answer nothing, for as long as the test may take."""
    time.sleep(30)
    return True


def wait_for(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.01)


def test_a_result_is_one_line_on_stdout(server: MoodyServer, source: Path, tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "put", "data.bin", "--to", server.url)
    assert (code, err) == (0, "")
    assert out.startswith("data.bin: sent (4.2 KiB in ")
    assert out.endswith("  file-0\n")


def test_json_is_one_object_a_file_and_nothing_else(
    server: MoodyServer, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "refused.bin").write_bytes(b"x")
    server.next("POST /upload/init", answer(413, {"code": "file-too-large", "detail": "Too large."}))
    words = ("put", "refused.bin", "data.bin", "--to", server.url, "--json")
    code, out, err = run(tmp_path, *words)
    refused, sent = map(json.loads, out.splitlines())
    assert (code, err) == (1, "")
    assert refused == {
        "path": "refused.bin",
        "problem": {"code": "file-too-large", "status": 413, "detail": "Too large."},
        "resumable": False,
    }
    assert (sent["path"], sent["how"], sent["chunks"]) == ("data.bin", "sent", 5)
    assert (sent["bytesSent"], sent["resumedAt"]) == (len(DATA), [])
    assert sent["file"]["fileId"] == "file-0"


def test_a_refusal_is_exit_1_and_the_other_files_still_go(
    server: MoodyServer, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "refused.bin").write_bytes(b"x")
    server.next("POST /upload/init", answer(422, {"code": "content-rejected", "detail": "No picture."}))
    code, out, err = run(tmp_path, "put", "refused.bin", "data.bin", "--to", server.url)
    assert code == 1
    assert "refused.bin: No picture." in err
    assert out.startswith("data.bin: sent")


def test_no_server_is_exit_3_and_says_how_to_go_on(server: MoodyServer, source: Path, tmp_path: Path) -> None:
    server.next("PUT", lambda handler: False, cut(), cut(), cut())
    code, out, err = run(tmp_path, "put", "data.bin", "--to", server.url)
    assert (code, out) == (3, "")
    assert "trying again in" in err
    assert err.rstrip().endswith("Run the same command to resume.")

    code, out, err = run(tmp_path, "put", "data.bin", "--to", server.url)
    assert code == 0
    assert "resumed at 1000 B" in out
    assert server.contents["file-0"] == DATA


def test_of_a_refused_and_an_unreachable_file_the_unreachable_one_counts(
    server: MoodyServer, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "refused.bin").write_bytes(b"x")
    server.next("PUT", cut(), cut(), cut())
    server.next("POST /upload/init", lambda handler: False, answer(422))
    code, _, err = run(tmp_path, "put", "data.bin", "refused.bin", "--to", server.url)
    assert "refused.bin: The server answered 422" in err
    assert code == 3


def test_ctrl_c_is_130_and_the_same_command_resumes(
    server: MoodyServer, source: Path, tmp_path: Path
) -> None:
    server.next("PUT", lambda handler: False, lambda handler: False, stall)
    with start(tmp_path, "put", "data.bin", "--to", server.url) as process:
        wait_for(lambda: server.count("PUT") == 3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "2.0 KiB are confirmed: run the same command to resume." in err

    code, out, _ = run(tmp_path, "put", "data.bin", "--to", server.url, "--json")
    assert code == 0
    assert json.loads(out)["resumedAt"] == [2000]
    assert [offset for offset, _ in server.confirmed] == [0, 1000, 2000, 3000, 4000]


@pytest.mark.parametrize(
    "words",
    [
        ("put", "data.bin"),
        ("put", "missing.bin", "--to", "http://127.0.0.1:1"),
        ("put", ".", "--to", "http://127.0.0.1:1"),
        ("put", "--to", "http://127.0.0.1:1"),
        ("put", "data.bin", "--to", "127.0.0.1:8002"),
        ("put", "data.bin", "--to", "http://127.0.0.1:port"),
        ("put", "data.bin", "--to", "http://127.0.0.1:1", "--chunk-size", "huge"),
        ("put", "data.bin", "--to", "http://127.0.0.1:1", "--chunk-size", "0"),
        ("get", "--at", "http://127.0.0.1:1"),
        ("ls",),
    ],
)
def test_wrong_usage_is_exit_2(source: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    code, out, err = run(tmp_path, *words)
    assert (code, out) == (2, "")
    assert "Error:" in err


def test_get_and_ls(server: MoodyServer, tmp_path: Path) -> None:
    server.add_file("red\x1b[31m.bin", DATA)
    code, out, _ = run(tmp_path, "ls", "--at", server.url)
    assert code == 0
    assert "\x1b" not in out
    assert out.split()[:3] == ["file-0", "4.2", "KiB"]

    code, out, err = run(tmp_path, "get", "file-0", "--at", server.url, "-o", "back.bin")
    assert (code, out, err) == (0, "back.bin: 4.2 KiB, SHA-256 verified\n", "")
    assert (tmp_path / "back.bin").read_bytes() == DATA

    code, out, err = run(tmp_path, "get", "file-0", "--at", server.url, "-o", "back.bin")
    assert (code, out) == (1, "")
    assert "--force" in err

    code, out, _ = run(tmp_path, "get", "file-0", "--at", server.url, "-o", "back.bin", "--force", "--json")
    assert (code, json.loads(out)["bytesReceived"]) == (0, len(DATA))

    code, out, _ = run(tmp_path, "get", "nothing", "--at", server.url, "--json")
    assert (code, json.loads(out)["problem"]["status"]) == (1, 404)


def test_ls_and_get_without_a_server_are_exit_3(tmp_path: Path) -> None:
    with MoodyServer() as server:
        pass
    assert run(tmp_path, "ls", "--at", server.url)[0] == 3


def test_options_are_variables_too(server: MoodyServer, source: Path, tmp_path: Path) -> None:
    variables = {"UPLOAD_TO": server.url, "UPLOAD_CHUNK_SIZE": "2KiB", "UPLOAD_FINGERPRINT": "0"}
    done = subprocess.run(
        [*COMMAND, "put", "data.bin"],
        cwd=tmp_path,
        env={**os.environ, "UPLOAD_STATE_DIR": str(tmp_path / "state"), **variables},
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert done.stderr == b""
    assert server.inits == [{"fileName": "data.bin", "fileSize": len(DATA), "chunkSize": 2048}]
