"""Two servers of level 3 behind nginx: any request to any, killed and restarted; the client goes on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from level3_s3_multipart.cluster.load import Load
from level3_s3_multipart.cluster.nginx import RIGHT, WRONG, Nginx
from level3_s3_multipart.cluster.pair import STORES, Pair
from shared.uploader.errors import ServerRefused
from shared.uploader.listing import list_files
from shared.uploader.state import SessionFiles
from shared.uploader.upload import Uploader
from tests.contract.steps import at_once
from tests.oracle import some_bytes
from tests.raw_http import Answer, Connection, NoAnswer, exchange, exchange_json, head

pytestmark = [pytest.mark.xdist_group("cluster"), pytest.mark.timeout(300)]

CHUNK: Final = 64 * 1024
SMALL_PARTS: Final = ("--s3-min-part", "1", "--min-chunk-size", "1")
MIB: Final = 1024 * 1024
GONE_WITHIN: Final = 10.0


@pytest.fixture(scope="module", params=STORES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Pair(request.param, tmp_path_factory.mktemp(request.param), SMALL_PARTS) as running:
        yield running


@dataclass
class Sent:
    """An upload whose chunks may go to any port."""

    session_id: str
    source: bytes
    acknowledged: int = 0

    @classmethod
    def begin(cls, port: int, chunks: int, seed: int) -> Sent:
        source = some_bytes(chunks * CHUNK - 7, seed)
        wish = {"fileName": f"{seed}.bin", "fileSize": len(source), "chunkSize": CHUNK}
        answer = exchange_json(port, "POST", "/upload/init", wish)
        assert answer.status == 201, answer
        return cls(answer.json["sessionId"], source)

    @property
    def path(self) -> str:
        return f"/upload/{self.session_id}"

    def request(self, data: bytes | None = None) -> tuple[bytes, bytes]:
        body = self.source[self.acknowledged :][:CHUNK] if data is None else data
        headers = [
            ("x-upload-offset", str(self.acknowledged)),
            ("Content-Type", "application/octet-stream"),
            ("Content-Length", str(len(body))),
        ]
        return head("PUT", self.path, headers), body

    def put(self, port: int) -> Answer:
        """Send the next chunk; a server that cannot take it just now is asked again."""
        deadline = time.monotonic() + 30
        while True:
            top, body = self.request()
            with Connection(port) as connection:
                answer = connection.send(top + body).answer()
            if answer.status == 200:
                assert answer.json["uploadedBytes"] == self.acknowledged + len(body)
                self.acknowledged += len(body)
            elif answer.status in (502, 503) and time.monotonic() < deadline:
                time.sleep(0.2)
                if self.ask(port) == self.acknowledged:
                    continue
            return answer

    def ask(self, port: int) -> int:
        told: int = exchange(port, "GET", self.path).json["uploadedBytes"]
        assert told >= self.acknowledged, "the offset fell"
        return told

    def finish(self, *ports: int) -> None:
        """Send what is missing to these ports in turn, then complete at each."""
        self.acknowledged = self.ask(ports[0])
        turn = 0
        while self.acknowledged < len(self.source):
            assert self.put(ports[turn % len(ports)]).status == 200
            turn += 1
        files = set()
        for port in ports:
            answer = exchange(port, "POST", f"{self.path}/complete")
            while answer.status in (202, 503):
                time.sleep(0.1)
                answer = exchange(port, "POST", f"{self.path}/complete")
            assert answer.status == 200, answer
            files.add(answer.json["file"]["fileId"])
            content = exchange(port, "GET", f"/files/{answer.json['file']['fileId']}/content").body
            assert hashlib.sha256(content).digest() == hashlib.sha256(self.source).digest()
        assert len(files) == 1, "two records of one upload"


def race(to: tuple[int, int], requests: list[bytes], number: int) -> Answer:
    with Connection(to[number]) as connection:
        return connection.send(requests[number]).answer()


def ports(pair: Pair) -> tuple[int, int]:
    return pair.servers[0].port, pair.servers[1].port


def test_chunks_of_one_upload_go_to_both_in_turn(pair: Pair) -> None:
    one, other = ports(pair)
    upload = Sent.begin(one, chunks=6, seed=1)
    for number in range(3):
        assert upload.put((other, one)[number % 2]).status == 200
        assert upload.ask(one) == upload.ask(other) == upload.acknowledged
    upload.finish(one, other)


def test_what_one_is_told_to_forget_the_other_does_not_know(pair: Pair) -> None:
    one, other = ports(pair)
    upload = Sent.begin(one, chunks=2, seed=2)
    assert upload.put(one).status == 200
    assert exchange(other, "DELETE", upload.path).status == 204
    assert exchange(one, "GET", upload.path).status == 404


@pytest.mark.parametrize("same_bytes", [True, False])
def test_of_the_same_offset_at_both_one_is_accepted(pair: Pair, same_bytes: bool) -> None:
    """With other bytes the upload may also be given up, and both say so: the embedded store does not replace
    a part that it has, and S3 would keep the one that came last."""
    one, other = ports(pair)
    upload = Sent.begin(one, chunks=4, seed=3 + same_bytes)
    for _ in range(3):
        bodies = [upload.source[upload.acknowledged :][:CHUNK]] * 2
        if not same_bytes:
            bodies[1] = bytes(byte ^ 0xFF for byte in bodies[0])
        requests = [b"".join(upload.request(body)) for body in bodies]
        statuses = [answer.status for answer in at_once(partial(race, (one, other), requests), 2)]
        if not same_bytes and 410 in statuses:
            assert [exchange(port, "GET", upload.path).status for port in (one, other)] == [404, 404]
            return
        assert set(statuses) <= {200, 409, 503}, statuses
        assert statuses.count(200) <= 1, "both were accepted"
        there = upload.ask(one)
        assert there == upload.ask(other)
        assert (there > upload.acknowledged) == (200 in statuses)
        if 200 in statuses and statuses.index(200) == 1 and not same_bytes:
            start_at = upload.acknowledged
            upload.source = upload.source[:start_at] + bodies[1] + upload.source[start_at + CHUNK :]
        upload.acknowledged = there
    upload.finish(one, other)


def test_killed_inside_a_chunk_the_other_goes_on(pair: Pair) -> None:
    one, other = ports(pair)
    upload = Sent.begin(one, chunks=5, seed=5)
    assert upload.put(one).status == 200
    top, body = upload.request()
    with Connection(one) as connection:
        connection.send(top + body[: CHUNK // 2])
        time.sleep(0.1)
        pair.servers[0].kill()
        with pytest.raises(NoAnswer):
            connection.answer()
    assert upload.ask(other) == CHUNK
    assert upload.put(other).status == 200
    pair.servers[0].start()
    assert upload.ask(one) == 2 * CHUNK
    pair.restart(1)
    upload.finish(one, other)


def test_a_client_behind_nginx_does_not_notice_a_kill_and_a_restart(pair: Pair, tmp_path: Path) -> None:
    with Load(pair.url, tmp_path, uploads=3, chunks=40, chunk_size=CHUNK) as load:
        load.until_moving()
        pair.servers[0].kill()
        time.sleep(0.3)
        pair.servers[0].start()
        load.until_moving()
        assert pair.restart(1) < GONE_WITHIN
    load.check(list_files(pair.url))


def test_rolling_restarts_under_load(pair: Pair, tmp_path: Path) -> None:
    """A short one; `make rolling-restarts` does it twenty times."""
    with Load(pair.url, tmp_path, uploads=4, chunks=None, chunk_size=CHUNK) as load:
        for number in range(5):  # each comes before nginx has had time to forgive the other
            load.until_moving()
            assert pair.restart(number % 2) < GONE_WITHIN
    load.check(list_files(pair.url))


# --- what nginx's lines are for: the exercise in README.md ---


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """With the usual smallest part, so that chunks are as large as ever."""
    with Pair("redis", tmp_path_factory.mktemp("usual")) as running:
        yield running


def film(folder: Path) -> Path:
    path = folder / "film.bin"
    path.write_bytes(some_bytes(20 * MIB))
    return path


def test_nginx_as_it_comes_refuses_every_chunk(usual: Pair, tmp_path: Path) -> None:
    with Nginx([server.port for server in usual.servers], configuration=WRONG) as nginx:
        uploader = Uploader(nginx_url(nginx), state=SessionFiles(tmp_path / "state"))
        with pytest.raises(ServerRefused) as caught:
            uploader.upload(film(tmp_path))
    assert caught.value.status == 413
    result = Uploader(usual.url, state=SessionFiles(tmp_path / "other state")).upload(tmp_path / "film.bin")
    assert result.chunks == 3


def test_with_buffering_a_refusal_comes_after_the_last_byte(usual: Pair) -> None:
    """The offset handshake needs the head alone. Buffering, nginx shows nobody the head before the body."""
    session = exchange_json(
        usual.servers[0].port, "POST", "/upload/init", {"fileName": "a", "fileSize": 20 * MIB}
    ).json["sessionId"]
    top = head(
        "PUT",
        f"/upload/{session}",
        [
            ("x-upload-offset", str(8 * MIB)),  # the server has nothing yet
            ("Content-Type", "application/octet-stream"),
            ("Content-Length", str(8 * MIB)),
        ],
    )
    buffered = [("proxy_request_buffering off;", "proxy_request_buffering on;")]
    with Nginx([server.port for server in usual.servers], configuration=RIGHT, edits=buffered) as nginx:
        with Connection(usual.nginx.port, timeout=20) as connection:
            assert connection.send(top).answer().status == 409
        with Connection(nginx.port, timeout=1.0) as connection:
            with pytest.raises(TimeoutError):
                connection.send(top + bytes(4 * MIB)).answer()
            connection.socket.settimeout(20)
            assert connection.send(bytes(4 * MIB)).answer().status == 409


def test_with_buffering_a_bar_runs_ahead_of_the_server(usual: Pair, tmp_path: Path) -> None:
    """What is sent is at nginx, and the server has not seen a byte of it: nobody has claimed the session."""

    def epochs(port: int) -> int:
        session = exchange_json(
            usual.servers[0].port, "POST", "/upload/init", {"fileName": "a", "fileSize": 8 * MIB}
        ).json["sessionId"]
        top = head(
            "PUT",
            f"/upload/{session}",
            [
                ("x-upload-offset", "0"),
                ("Content-Type", "application/octet-stream"),
                ("Content-Length", str(8 * MIB)),
            ],
        )
        with Connection(port) as connection:
            connection.send(top + bytes(6 * MIB))
            time.sleep(0.5)
            return claims(usual, session)

    buffered = [("proxy_request_buffering off;", "proxy_request_buffering on;")]
    with Nginx([server.port for server in usual.servers], edits=buffered) as nginx:
        assert epochs(nginx.port) == 0
    assert epochs(usual.nginx.port) == 1


def claims(pair: Pair, session_id: str) -> int:
    """How many writers have begun."""
    from shared.sessions.redis import RedisSessionStore  # noqa: PLC0415

    store = RedisSessionStore(pair.sessions)
    try:
        session = store.get(session_id)
        assert session is not None
        return session.writer_epoch
    finally:
        store.close()


def nginx_url(nginx: Nginx) -> str:
    return f"http://127.0.0.1:{nginx.port}"
