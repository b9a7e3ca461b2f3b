"""put, ls and get against real servers: what a person does, with the processes a person has."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.relay import Relay
from tests.conftest import Serve
from tests.servers import COMMAND

KIB = 1024
CHUNK = 64 * KIB
SIZE = 40 * CHUNK + 777
"""Forty chunks and a bit."""
BREAK = 20 * CHUNK
"""Bytes on the line when something dies. With some 5 KiB of headers among them, that is inside chunk 20, so
that nineteen are confirmed."""
CONFIRMED = 19 * CHUNK


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "holiday.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


def start(folder: Path, *words: object) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPLOAD_")}
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment | {"UPLOAD_STATE_DIR": str(folder / "state")},
    )


def run(folder: Path, *words: object) -> tuple[int, str, str]:
    with start(folder, *words) as process:
        out, err = process.communicate(timeout=90)
        return process.returncode, out, err


def put(folder: Path, address: str, *words: object) -> Mapping[str, object]:
    code, out, err = run(folder, "put", "holiday.bin", "--to", address, "--json", *words)
    assert code == 0, out + err
    told: Mapping[str, object] = json.loads(out)
    return told


def file_of(told: Mapping[str, object]) -> Mapping[str, object]:
    file = told["file"]
    assert isinstance(file, dict)
    return file


@pytest.mark.parametrize("level", [1, 2])
def test_there_and_back(serve: Serve, source: Path, tmp_path: Path, level: int) -> None:
    address = f"http://127.0.0.1:{serve(level=level).port}"

    sent = put(tmp_path, address)
    assert (sent["how"], sent["bytesSent"]) == ("sent", SIZE)
    file = file_of(sent)
    assert file["fingerprint"] == hashlib.sha256(source.read_bytes()).hexdigest()

    code, out, _ = run(tmp_path, "ls", "--at", address, "--json")
    assert (code, [json.loads(line) for line in out.splitlines()]) == (0, [file])

    code, _, err = run(tmp_path, "get", file["fileId"], "--at", address, "-o", "back.bin")
    assert code == 0, err
    assert (tmp_path / "back.bin").read_bytes() == source.read_bytes()


def test_the_same_file_again_is_not_sent(serve: Serve, source: Path, tmp_path: Path) -> None:
    server = serve()
    with Relay(server.port) as relay:
        first = put(tmp_path, relay.url)
        before = relay.upstream_bytes
        again = put(tmp_path, relay.url)
        assert (again["how"], again["bytesSent"]) == ("already-there", 0)
        assert file_of(again)["fileId"] == file_of(first)["fileId"]
        assert relay.upstream_bytes - before < 2 * KIB, "two small requests went over the line"


def test_a_killed_client_resumes_and_sends_nothing_confirmed_again(
    serve: Serve, source: Path, tmp_path: Path
) -> None:
    server = serve()
    words = ("--chunk-size", "64KiB")
    with Relay(server.port) as relay:
        with start(tmp_path, "put", "holiday.bin", "--to", relay.url, *words) as victim:
            relay.call_after(BREAK, lambda: victim.send_signal(signal.SIGKILL))
            relay.cut_after(BREAK)  # what the dead client's kernel still holds is not delivered
            victim.communicate(timeout=60)
        assert victim.returncode == -signal.SIGKILL
        before = relay.upstream_bytes

        told = put(tmp_path, relay.url, *words)

        assert told["resumedAt"] == [CONFIRMED]
        assert told["bytesSent"] == SIZE - CONFIRMED
        headers = 30 * KIB
        assert 0 <= relay.upstream_bytes - before - (SIZE - CONFIRMED) <= headers
    assert file_of(told)["fingerprint"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert list((tmp_path / "state").iterdir()) == []


def test_a_killed_server_is_exit_3_and_the_same_command_resumes(
    serve: Serve, source: Path, tmp_path: Path
) -> None:
    server = serve()
    with Relay(server.port) as relay:
        relay.call_after(BREAK, server.kill)
        words = ("put", "holiday.bin", "--to", relay.url, "--chunk-size", "64KiB")
        code, out, err = run(tmp_path, *words)
        assert (code, out) == (3, "")
        assert err.rstrip().endswith("Run the same command to resume.")

        server.start()
        told = put(tmp_path, relay.url)
    assert (told["resumedAt"], told["bytesSent"]) == ([CONFIRMED], SIZE - CONFIRMED)
    assert file_of(told)["fingerprint"] == hashlib.sha256(source.read_bytes()).hexdigest()


def test_what_the_server_refuses_is_exit_1_in_its_words(serve: Serve, source: Path, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{serve('--max-file-size', '1MiB').port}"
    small = tmp_path / "small.bin"
    small.write_bytes(b"small")
    code, out, err = run(tmp_path, "put", "holiday.bin", "small.bin", "--to", address)
    assert code == 1
    assert "larger than this server takes" in err or "takes at most" in err
    assert out.startswith("small.bin: sent")

    picture = tmp_path / "picture.png"
    picture.write_bytes(b"MZ this is a program")
    code, out, _ = run(tmp_path, "put", "picture.png", "--to", address, "--json")
    problem = json.loads(out)["problem"]
    assert (code, problem["code"], problem["status"]) == (1, "content-rejected", 422)


def test_level_1_says_413_before_it_has_read_the_file(serve: Serve, tmp_path: Path) -> None:
    server = serve(level=1)
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(300 * KIB * KIB)
    began = time.monotonic()
    code, out, _ = run(tmp_path, "put", "large.bin", "--to", f"http://127.0.0.1:{server.port}", "--json")
    assert (code, json.loads(out)["problem"]["status"]) == (1, 413)
    assert time.monotonic() - began < 30


def test_a_second_client_of_the_same_file_ends_well_too(serve: Serve, source: Path, tmp_path: Path) -> None:
    """Both find the same stored session: one of them hears 409 and follows."""
    server = serve()
    with Relay(server.port) as relay:
        relay.cut_after(20 * CHUNK)
        words = ("put", "holiday.bin", "--to", relay.url, "--chunk-size", "64KiB", "--json")
        with start(tmp_path, *words) as first:
            while relay.upstream_bytes < 10 * CHUNK:
                time.sleep(0.005)
            with start(tmp_path, *words) as second:
                results = [json.loads(process.communicate(timeout=60)[0]) for process in (first, second)]
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert [result["file"]["fingerprint"] for result in results] == [digest, digest]
