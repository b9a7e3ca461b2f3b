"""Every call to S3 × everything that can happen to it × before or after its effect × once or for good.

By default a part of the product: every operation with every kind of fault, sides and servers in turn.
`make faults-s3` runs all of it, on each server.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import pytest
from _pytest.mark import ParameterSet

from shared.errors import StorageUnavailable
from shared.expiry import sweep
from tests.faults.faulty import GONE
from tests.faults.s3_arena import Arena, Arenas, arenas, come_again
from tests.oracle import Upload, begin_upload, files
from tests.raw_http import exchange_json
from tests.s3.endpoint import Endpoint
from tests.s3.faults import Fault, Kind, When
from tests.s3.operations import Operation
from tests.s3.plugin import EVERYTHING, cheap, on_store

KINDS: Final = (Kind.ERROR, Kind.SLOW_DOWN, Kind.HANG, Kind.RESET)
FOR_GOOD: Final = 1000
"""Times in a row: more than any client of S3 tries."""


def init(arena: Arena, fault: Fault) -> None:
    """The upload that nobody was told of is swept."""
    wish = {"fileName": "film.bin", "fileSize": 10}
    with arena.broken_by(fault):
        come_again(exchange_json(arena.level3.server.port, "POST", "/upload/init", wish), HTTPStatus.CREATED)
    arena.level3.oracle(arena.begin())


def chunk(arena: Arena, fault: Fault) -> None:
    upload = arena.begin()
    upload.put()
    with arena.broken_by(fault):
        come_again(upload.put(), HTTPStatus.OK)
    arena.level3.oracle(upload)


def completion(arena: Arena, fault: Fault) -> None:
    upload = arena.begin()
    upload.send_rest()
    complete(arena, fault, upload)


def completion_of_nothing(arena: Arena, fault: Fault) -> None:
    complete(arena, fault, arena.begin(size=0))


def complete(arena: Arena, fault: Fault, upload: Upload) -> None:
    with arena.broken_by(fault):
        answer = arena.request("POST", f"{upload.path}/complete")
        come_again(answer, HTTPStatus.OK, HTTPStatus.ACCEPTED)
    arena.level3.oracle(upload)


def cancelling(arena: Arena, fault: Fault) -> None:
    """The record goes first: whatever S3 says, for the client the upload is gone. A sweep finds the rest."""
    upload = arena.begin()
    upload.put()
    with arena.broken_by(fault):
        come_again(arena.request("DELETE", upload.path), HTTPStatus.NO_CONTENT)
    assert upload.status().status == HTTPStatus.NOT_FOUND
    arena.level3.no_orphans()


def sweeping(arena: Arena, fault: Fault) -> None:
    """A sweep that fails leaves its work to the next one."""
    upload = arena.begin()
    upload.put()
    with arena.level3.tomorrow() as uploads, arena.broken_by(fault), suppress(StorageUnavailable):
        sweep(uploads)
    arena.level3.no_orphans()


def discarding(arena: Arena, fault: Fault) -> None:
    """The result is stored by then: the client gets it, and the sweep gets the object."""
    upload = arena.begin()
    upload.send_rest()
    arena.level3.finished(upload)
    again = begin_upload(arena.level3.server, "again.bin", source=upload.source, chunk_size=upload.chunk_size)
    again.send_rest()
    with arena.broken_by(fault):
        come_again(arena.request("POST", f"{again.path}/complete"), HTTPStatus.OK, HTTPStatus.ACCEPTED)
    answer = again.complete()
    assert (answer.status, answer.json["duplicate"]) == (HTTPStatus.OK, True)
    arena.level3.no_orphans()


def downloading(arena: Arena, fault: Fault) -> None:
    """All the bytes, or an end that cannot be mistaken for them."""
    upload = arena.begin()
    upload.send_rest()
    arena.level3.finished(upload)
    path = f"/files/{files(arena.level3.server)[0]['fileId']}/content"
    with arena.broken_by(fault), suppress(*GONE):
        answer = arena.request("GET", path)
        assert come_again(answer, HTTPStatus.OK) or answer.body == upload.source
    assert arena.request("GET", path).body == upload.source


Scene = Callable[[Arena, Fault], None]
SCENES: Final[dict[str, tuple[Operation, Scene]]] = {
    "init: create": (Operation.CREATE, init),
    "chunk: part": (Operation.UPLOAD_PART, chunk),
    "complete: complete": (Operation.COMPLETE, completion),
    "complete: head": (Operation.HEAD, completion),
    "complete: get": (Operation.GET, completion),
    "complete nothing: put": (Operation.PUT, completion_of_nothing),
    "complete a duplicate: delete": (Operation.DELETE, discarding),
    "cancel: abort": (Operation.ABORT, cancelling),
    "cancel: list parts": (Operation.LIST_PARTS, cancelling),
    "sweep: list uploads": (Operation.LIST_UPLOADS, sweeping),
    "sweep: list objects": (Operation.LIST_OBJECTS, sweeping),
    "sweep: abort": (Operation.ABORT, sweeping),
    "download: get": (Operation.GET, downloading),
}


def cells() -> Iterator[ParameterSet]:
    """Server, scene, kind, side, how often."""
    names, sides = cheap(), tuple(When)
    for (i, scene), (j, kind) in itertools.product(enumerate(SCENES), enumerate(KINDS)):
        if not EVERYTHING and kind is (Kind.ERROR, Kind.SLOW_DOWN)[i % 2]:
            continue  # two words for one thing: the other one has this scene
        turn = ((i + j) % len(names), (i + j) % 2, (i // 2 + j) % 2)
        for cell in itertools.product(range(len(names)), range(2), range(2)):
            if EVERYTHING or cell == turn:
                yield on_store(names[cell[0]], scene, kind, sides[cell[1]], (1, FOR_GOOD)[cell[2]])


@pytest.fixture(scope="module")
def every_arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arenas]:
    with arenas(tmp_path_factory.mktemp("arenas")) as made:
        yield made


@pytest.fixture
def arena(s3_endpoint: Endpoint, every_arena: Arenas) -> Arena:
    return every_arena(s3_endpoint)


@pytest.mark.parametrize(("s3_name", "scene", "kind", "when", "times"), list(cells()))
def test_nothing_is_lost_and_nothing_left(
    arena: Arena, scene: str, kind: Kind, when: When, times: int
) -> None:
    operation, play = SCENES[scene]
    play(arena, Fault(operation, kind, when, times=times))
