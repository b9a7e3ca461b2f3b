"""SIGKILL at every step of init, append, complete and cancel. The client comes back and finds all it was
promised; what nobody was promised is gone after the lifetime."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus

import pytest

from tests.conftest import Serve
from tests.faults.faulty import COMMIT, GONE, with_fault
from tests.oracle import begin_upload, files, finished, no_orphans, oracle
from tests.raw_http import exchange
from tests.servers import COMMAND, Server

STORE = "level2_disk_chunks.disk_store:DiskStore"

INIT = (
    f"before {STORE}.create 1",
    "after level2_disk_chunks.disk_store:raise_fence 1",  # the fence is there, the file is not
    f"after {STORE}.create 1",
    "after shared.sessions.sql:SqlSessionStore.insert 1",
)

# Chunk 2 of 4. Each chunk replaces the session twice: 1 and 2 are chunk 1's claim and commit.
APPEND = (
    f"before {COMMIT} 3",
    f"after {COMMIT} 3",  # claimed, nothing written
    "after level2_disk_chunks.fence:Fence.take_over 2",
    "after os:pwrite 4",  # 3 was the fence's
    "before os:fdatasync 2",
    "after os:fdatasync 2",
    f"before {COMMIT} 4",  # durable, not committed
    f"after {COMMIT} 4",  # committed, and the answer is lost
)

# Four chunks made eight replacements; the intent, the claim and the result follow.
COMPLETE = (
    f"before {COMMIT} 9",
    f"after {COMMIT} 9",  # the intent is stored, nobody works on it
    f"after {COMMIT} 10",
    "after level2_disk_chunks.disk_store:revoke 1",
    "before pathlib:Path.rename 1",
    "after pathlib:Path.rename 1",
    f"after {STORE}.complete 1",
    "before shared.catalogue:Catalogue.record 1",
    "after shared.catalogue:Catalogue.record 1",  # the file is there, the session does not know
    f"after {COMMIT} 11",
)

CANCEL = (
    "before shared.sessions.sql:SqlSessionStore.delete 1",
    "after shared.sessions.sql:SqlSessionStore.delete 1",  # bytes without a record
    f"before {STORE}.abort 1",
    "after pathlib:Path.unlink 1",
    f"after {STORE}.abort 1",
)


def come_back(server: Server) -> None:
    """The server was killed by its fault, and not by us; start it again without one."""
    server.wait_gone()
    server.restart(command=COMMAND)


@pytest.mark.parametrize("point", INIT)
def test_killed_inside_init(serve: Serve, point: str) -> None:
    server = serve(**with_fault(f"{point} kill"))
    with pytest.raises(GONE):
        begin_upload(server)
    come_back(server)
    oracle(begin_upload(server))


@pytest.mark.parametrize("point", [f"{point} kill" for point in APPEND] + ["before os:pwrite 4 half"])
def test_killed_inside_a_chunk(serve: Serve, point: str) -> None:
    server = serve(**with_fault(point))
    upload = begin_upload(server)
    assert upload.put().status == HTTPStatus.OK
    with pytest.raises(GONE):
        upload.put()
    come_back(server)
    oracle(upload)


@pytest.mark.parametrize("point", COMPLETE)
def test_killed_inside_complete(serve: Serve, point: str) -> None:
    server = serve("--lease", "1s", **with_fault(f"{point} kill"))
    upload = begin_upload(server)
    upload.send_rest()
    with pytest.raises(GONE):
        upload.complete()
    come_back(server)
    oracle(upload)


@pytest.mark.parametrize("point", CANCEL)
def test_killed_inside_cancel(serve: Serve, point: str) -> None:
    server = serve(**with_fault(f"{point} kill"))
    upload = begin_upload(server)
    upload.put()
    with pytest.raises(GONE):
        exchange(server.port, "DELETE", upload.path)
    come_back(server)
    if upload.status().status == HTTPStatus.OK:  # killed before anything was cancelled
        oracle(upload)
    else:
        no_orphans(server)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_the_discarding_of_a_duplicate(serve: Serve, when: str) -> None:
    server = serve(**with_fault(f"{when} {STORE}.discard 1 kill"))
    first, second = begin_upload(server), begin_upload(server, name="again.bin")
    first.send_rest()
    second.send_rest()
    finished(first)
    with pytest.raises(GONE):
        second.complete()
    come_back(server)
    answer = second.complete()
    assert (answer.status, answer.json["duplicate"]) == (HTTPStatus.OK, True)
    no_orphans(server)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_the_discarding_of_a_refused_file(serve: Serve, when: str) -> None:
    server = serve(**with_fault(f"{when} {STORE}.discard 1 kill"))
    upload = begin_upload(server, name="no-image.jpg")
    upload.send_rest()
    with suppress(*GONE):
        upload.complete()
    come_back(server)
    answer = upload.complete()
    assert (answer.status, answer.code) == (HTTPStatus.UNPROCESSABLE_ENTITY, "content-rejected")
    assert files(server) == []
    no_orphans(server)
