"""What an operator sees of a real server: numbers, health, and logs that keep the clients' secrets."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Serve
from tests.faults.faulty import Held, until
from tests.oracle import CHUNK, CHUNKS, Upload, begin_upload, finished
from tests.raw_http import Connection, exchange, exchange_json, head
from tests.servers import COMMAND, Server
from tests.system.conftest import ServeLevel

Numbers = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def address() -> str:
    """An address that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def numbers(address: str) -> Numbers:
    """Everything that is shown there, by name and labels."""
    answer = exchange(int(address.rpartition(":")[2]), "GET", "/metrics")
    assert answer.status == HTTPStatus.OK
    families = text_string_to_metric_families(answer.body.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


def number(found: Numbers, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def requests(found: Numbers, method: str, route: str, status: str, code: str = "") -> float:
    return number(found, "upload_requests_total", method=method, route=route, status=status, code=code)


@pytest.mark.parametrize(("level", "sessions"), [(2, "sqlite"), (2, "memory://"), (3, "sqlite")])
def test_the_metrics_tell_what_happened(
    serve_level: ServeLevel, address: str, level: int, sessions: str
) -> None:
    server = serve_level(level, "--sessions", sessions, "--metrics", address)
    assert number(numbers(address), "upload_committed_bytes_total") == 0
    upload, other = begin_upload(server), begin_upload(server, seed=2)
    upload.put()
    assert upload.put(offset=0).code == "offset-mismatch"
    with upload.begin(share=0.5) as cut:
        cut.half_close()
        assert cut.answer().code == "incomplete-body"
    upload.send_rest()
    assert upload.complete().status == HTTPStatus.OK
    exchange(server.port, "GET", f"/{upload.session_id}")
    session = "/upload/<session_id>"
    # A request is counted when its answer is out, so a moment after the client has it.
    until(lambda: requests(numbers(address), "GET", "none", "404", "not-found") == 1, "the last request")
    until(lambda: requests(numbers(address), "PUT", session, "200") == CHUNKS, "the last chunk")
    found = numbers(address)
    assert number(found, "upload_committed_bytes_total") == CHUNK * CHUNKS
    assert number(found, "upload_chunk_seconds_count") == CHUNKS
    assert number(found, "upload_store_seconds_count", store="bytes", operation="append") == CHUNKS + 1
    assert requests(found, "PUT", session, "409", "offset-mismatch") == 1
    assert requests(found, "PUT", session, "400", "incomplete-body") == 1
    assert number(found, "upload_finalizations_total", outcome="accepted") == 1
    assert number(found, "upload_sessions", state="uploading") == 1
    assert number(found, "upload_sessions", state="completed") == 1
    assert number(found, "upload_finalizing_oldest_seconds") == 0
    assert number(found, "process_resident_memory_bytes") > 0
    assert not any(upload.session_id in value for _, labels in found for _, value in labels)
    assert exchange(server.port, "GET", "/metrics").status == HTTPStatus.NOT_FOUND, "not for everybody"
    exchange(server.port, "DELETE", other.path)


def test_a_finalization_that_hangs_grows_old(serve: Serve, tmp_path: Path, address: str) -> None:
    held = Held(tmp_path, "before shared.finalizer:CatalogueFinalizer.finalize 1")
    server = serve("--metrics", address, "--complete-wait", "0", **held.fault)
    upload = begin_upload(server)
    upload.send_rest()
    assert exchange(server.port, "POST", f"{upload.path}/complete").status == HTTPStatus.ACCEPTED
    held.wait()
    until(lambda: number(numbers(address), "upload_finalizing_oldest_seconds") > 0.3, "its age")
    assert number(numbers(address), "upload_sessions", state="finalizing") == 1
    held.release()
    finished(upload)
    assert number(numbers(address), "upload_finalizing_oldest_seconds") == 0


def test_an_address_that_is_taken_is_said_at_the_start(address: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        words = [*COMMAND, "serve", "2", "--port", "0", "--data", str(tmp_path), "--metrics", address]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert f"metrics cannot be shown at {address}: Address already in use" in done.stderr


def test_ready_is_asked_anew_each_time(serve: Serve) -> None:
    server = serve()
    assert exchange(server.port, "HEAD", "/healthz").status == HTTPStatus.OK
    for folder in ("incoming", "objects"):
        assert exchange(server.port, "GET", "/readyz").status == HTTPStatus.OK
        there, away = server.level_folder / folder, server.level_folder / "away"
        there.rename(away)
        answer = exchange(server.port, "GET", "/readyz")
        assert (answer.status, answer.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "storage-unavailable")
        assert answer.json["detail"] == "Out of reach: bytes."
        assert answer.header("retry-after")
        assert exchange(server.port, "GET", "/healthz").status == HTTPStatus.OK, "it lives"
        away.rename(there)
    assert exchange(server.port, "GET", "/readyz").status == HTTPStatus.OK


@pytest.mark.parametrize(("database", "name"), [("sessions", "sessions"), ("catalogue", "catalogue")])
def test_a_broken_database_is_named(serve: Serve, database: str, name: str) -> None:
    server = serve()
    with (server.level_folder / f"{database}.sqlite3").open("r+b") as file:
        file.write(b"no database any more" * 1000)
        file.truncate()
    (server.level_folder / f"{database}.sqlite3-wal").write_bytes(b"")
    answer = exchange(server.port, "GET", "/readyz")
    assert (answer.status, answer.json["detail"]) == (503, f"Out of reach: {name}.")


def test_level_3_without_its_store_is_not_ready_and_lives(serve: Serve) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
    server = serve("--s3-endpoint", "http://127.0.0.1:9", level=3, environment=keys)
    answer = exchange(server.port, "GET", "/readyz")
    assert (answer.status, answer.json["detail"]) == (503, "Out of reach: bytes.")
    assert exchange(server.port, "GET", "/healthz").status == HTTPStatus.OK


def test_a_leaving_server_is_not_ready(serve: Serve) -> None:
    server = serve()
    upload = begin_upload(server)
    with upload.begin(share=0.5) as in_flight, Connection(server.port) as asking:
        request = head("GET", "/readyz", [("Connection", "close")])
        asking.send(request[:20])  # it has begun to speak, so it is served before the server leaves
        until(lambda: upload.had_writer, "the writer")
        server.terminate()
        until(lambda: _refused(server.port), "no new connections")
        answer = asking.send(request[20:]).answer()
        assert (answer.status, answer.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "shutting-down")
        in_flight.send(upload.chunk()[CHUNK // 2 :])
        assert in_flight.answer().status == HTTPStatus.OK
    server.wait_gone()


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def lines(server: Server) -> list[dict[str, object]]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def test_json_has_a_line_for_every_finished_request(serve: Serve) -> None:
    server = serve("--log-format", "json")
    upload = begin_upload(server)
    upload.send_rest()
    finished(upload)
    exchange(server.port, "GET", "/healthz")
    shown = f"{upload.session_id[:6]}…"
    until(lambda: any(line.get("path") == "/healthz" for line in lines(server)), "the last line")
    told = lines(server)
    chunks = [line for line in told if line.get("method") == "PUT"]
    assert len(chunks) == CHUNKS
    for line in chunks:
        assert (line["path"], line["status"], line["session"]) == ("/upload/<session_id>", 200, shown)
        assert line["received"] == CHUNK
        assert isinstance(line["seconds"], float)
        assert "code" not in line
    first = told[0]
    assert (first["path"], first["session"], first["message"]) == ("/upload/init", shown, "request")
    content = next(line for line in told if line.get("path") == "/files/<file_id>/content")
    assert content["sent"] == CHUNK * CHUNKS


def test_what_was_cut_off_is_told_as_far_as_it_came(serve: Serve) -> None:
    server = serve("--log-format", "json")
    upload = begin_upload(server)
    with upload.begin(share=0.25) as cut:
        until(lambda: upload.had_writer, "the writer")
        cut.half_close()
        cut.answer()
    until(lambda: "incomplete-body" in server.log.read_text(), "its line")
    line = lines(server)[-1]
    assert (line["code"], line["received"]) == ("incomplete-body", CHUNK // 4)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_log_lets_anybody_go_on_with_an_upload(serve: Serve, tmp_path: Path, log_format: str) -> None:
    """Also not when things go wrong: a traceback quotes paths, and the path of an upload is its id."""
    held = Held(tmp_path, "before shared.finalizer:CatalogueFinalizer.finalize 1")
    server = serve("--log-format", log_format, "--log-level", "debug", "--complete-wait", "0", **held.fault)
    upload = begin_upload(server, "diary of the lady next door.bin")
    ticket = "Bearer eyJvd25lciI6ImxhZHkifQ.Z0s4.kSecretSignature0123456789"
    exchange(server.port, "GET", upload.path, [("Authorization", ticket)])
    exchange(server.port, "GET", f"{upload.path}/nothing/here?{upload.session_id}")
    for wrong in ("HTTP/9.9\r\n\r\n", "HTTP/1.1\r\nno header\r\n\r\n"):
        with Connection(server.port) as connection:
            connection.send(f"GET {upload.path} {wrong}".encode()).answer()
    upload.put(offset=77)
    upload.send_rest()
    exchange(server.port, "POST", f"{upload.path}/complete")
    held.wait()
    (server.level_folder / "objects" / upload.session_id).unlink()  # its name is the id
    held.release()
    until(lambda: "FileNotFoundError" in server.log.read_text(), "the traceback")
    lost = begin_upload(server, seed=2)
    lost.put()
    (server.level_folder / "incoming" / lost.session_id).unlink()
    assert lost.put().code == "upload-lost"
    server.terminate()
    server.wait_gone()
    text = server.log.read_text()
    assert f"{upload.session_id[:6]}…" in text
    for secret in secrets_of(upload, lost) | {ticket.removeprefix("Bearer "), "diary"}:
        assert secret not in text


def test_level_3_keeps_its_keys_to_itself(serve_level: ServeLevel) -> None:
    server = serve_level(3, "--log-level", "debug", "--log-format", "json")
    upload = begin_upload(server)
    upload.send_rest()
    assert upload.complete().status == HTTPStatus.OK
    until(lambda: '"path": "/upload/<session_id>/complete"' in server.log.read_text(), "the last line")
    text = server.log.read_text()
    for secret in secrets_of(upload) | {server.environment["AWS_SECRET_ACCESS_KEY"], "AWS4-HMAC"}:
        assert secret not in text


def secrets_of(*uploads: Upload) -> set[str]:
    """What stands in no log: the ids but for their beginning."""
    return {upload.session_id[6:] for upload in uploads}


def test_text_says_nothing_of_requests_unless_asked(serve: Serve) -> None:
    quiet = serve()
    begin_upload(quiet)
    assert quiet.log.read_text() == ""
    talking = serve("--log-level", "info", name="talking", data=quiet.folder / "other")
    begin_upload(talking)
    told = "INFO shared.observed: request method=POST path=/upload/init status=201"
    until(lambda: told in talking.log.read_text(), "the line")


def test_a_label_is_never_made_of_what_a_client_sends(serve: Serve, address: str) -> None:
    server = serve("--metrics", address)
    for number_ in range(5):
        exchange(server.port, f"FOO{number_}", f"/bar{number_}")
        exchange_json(server.port, "POST", f"/upload/{number_}", {})
    until(lambda: requests(numbers(address), "other", "none", "404", "not-found") == 5, "all of them")
    routes = {dict(labels)["route"] for name, labels in numbers(address) if name == "upload_requests_total"}
    methods = {dict(labels)["method"] for name, labels in numbers(address) if name == "upload_requests_total"}
    assert routes <= {"none", "/upload/<session_id>"}
    assert methods <= {"other", "POST"}
