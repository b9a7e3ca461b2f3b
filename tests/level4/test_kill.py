"""SIGKILL at every step between complete and the deletion of the staged object, on both sides.

A half that has a fault works beside one that has none. It dies, the other takes over what it has begun, and
there is one record and nothing staged.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Final

import pytest

from tests.faults.faulty import COMMIT, GONE, with_fault
from tests.level4.conftest import World
from tests.level4.halves import free_port, within

pytestmark = pytest.mark.xdist_group("level 4 is killed")

S3: Final = "level3_s3_multipart.s3_store:S3Store"
CALL: Final = "level4_dedicated_service.callback:CallbackFinalizer"
L4: Final = "level4_dedicated_service"

STORED: Final = f"before {S3}.discard 1"
"""Completed, and the staged object is still there."""

# In a service that is only asked to complete, 1 is the intent and 2 the claim; then the lease is renewed.
SERVICE: Final = (
    f"before {COMMIT} 1",
    f"after {COMMIT} 1",  # the intent is stored, nothing is assembled
    f"after {COMMIT} 2",
    f"after {S3}._complete 1",  # S3 has the object, nobody was told
    f"before {CALL}._post 1",
    f"after {CALL}._post 1",  # the application said yes, the session does not know
    "after shared.session:Session.accepted 1",  # about to be stored
    STORED,
    f"after {S3}.discard 1",
)

APPLICATION: Final = (
    f"after {L4}.delivery:verify 1",
    f"after {L4}.inbox:Inbox.claim 1",
    f"after {S3}.create 1",
    f"after {S3}.append 1",
    f"after {L4}.own_copy:OwnCopies.copy 1",
    f"after {L4}.own_copy:OwnCopies.keep 1",  # a whole copy, and no record
    f"after {L4}.inbox:Inbox.answer 1",  # inside the transaction that makes the record
    "after shared.catalogue:Catalogue.record 1",  # recorded, and nobody was answered
    f"after {L4}.intake:Intake.take 1",
)


@pytest.mark.parametrize("point", SERVICE)
def test_the_service_is_killed(world: World, point: str) -> None:
    halves = world.halves
    upload = halves.sent(world.service, f"{point}.bin".replace("/", "-"), seed=SERVICE.index(point))
    faulty = halves.service(**with_fault(f"{point} kill"))
    world.service.signal_all(signal.SIGSTOP)  # or it might take the work up first
    try:
        with suppress(*GONE):
            replace(upload, server=faulty).complete()
        faulty.wait_gone()
    finally:
        world.service.signal_all(signal.SIGCONT)
    if point == STORED:
        assert upload.complete().status == HTTPStatus.OK
        assert halves.staged() == [upload.session_id], "deleted before the result was stored"
        halves.sweep()
        assert halves.staged() == []
        assert [file["fileName"] for file in halves.files()].count(upload.name) == 1
    else:
        halves.oracle(upload)


@pytest.mark.parametrize("point", APPLICATION)
def test_the_application_is_killed(world: World, point: str) -> None:
    halves = world.halves
    upload = halves.sent(world.service, f"{point}.bin".replace("/", "-"), seed=100 + APPLICATION.index(point))
    faulty = halves.application(port=free_port(), **with_fault(f"{point} kill"))
    world.between.target = faulty.port
    upload.complete(patience=0.0)
    faulty.wait_gone()
    world.between.target = world.application.port
    halves.oracle(upload)
    halves.sweep()
    within(lambda: len(halves.kept()) == len(halves.files()), lambda: "a copy that is nobody's")
