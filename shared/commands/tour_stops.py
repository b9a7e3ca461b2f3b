"""What the tour does at each level, and what it expects to see there.

A further level is a further row of ``STOPS``; levels that speak the same protocol share a stop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from shared.commands.server_process import ServerDidNotStart
from shared.commands.terminal import human_size
from shared.commands.tour_stage import MIB, Meter, Row, Stage, pace
from shared.relay import Relay
from shared.uploader.errors import ServerRefused

FILE_MIB: Final = 100
CHUNK: Final = 8 * MIB
CUT_INSIDE: Final = 5
KILL_INSIDE: Final = 9


@dataclass(frozen=True)
class Stop:
    """One level of the tour."""

    level: int
    title: str
    visit: Callable[[Stage], Row]


def single_request(stage: Stage) -> Row:
    """Level 1: too large is refused, small passes; nothing in between can be resumed."""
    with stage.sample(FILE_MIB) as (path, _), Meter(stage.console) as meter:
        meter.begin(path.name)
        status = 0
        try:
            stage.uploader(stage.server.url, meter).upload(path)
        except ServerRefused as refusal:
            status = refusal.status
            stage.say(f'the server says: "{refusal.detail}"')
        wanted = int(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        stage.expect(f"{FILE_MIB} MiB in one request: refused with 413", wanted, status)
    with stage.sample(40) as (path, digest), Meter(stage.console) as meter:
        meter.begin(path.name)
        result = stage.uploader(stage.server.url, meter).upload(path)
        stage.expect("40 MiB in one request: accepted", "sent", result.how)
        verified = stage.fetch_back(result.file.file_id, digest)
        return Row(1, "40 MiB", "1 request", "cannot", pace(40 * MIB, result.seconds), verified)


class _Saboteur(Meter):
    """Watches the upload through the relay, and breaks it inside the two chunks of the story."""

    def __init__(self, stage: Stage, relay: Relay, look: Callable[[], None]) -> None:
        super().__init__(stage.console)
        self._look = look
        self._stage = stage
        self._relay = relay

    def on_chunk(self, number: int, offset: int, length: int, seconds: float) -> None:
        super().on_chunk(number, offset, length, seconds)
        # Between two requests: 3 MiB further on is 3 MiB into the next chunk.
        if number == CUT_INSIDE - 1:
            self._relay.call_after(3 * MIB, self._tell_of_cut)
            self._relay.cut_after(3 * MIB)
        if number == KILL_INSIDE - 1:
            self._relay.call_after(3 * MIB, self._kill)

    def _tell_of_cut(self) -> None:
        self._look()
        self._stage.say(f"the connection is cut inside chunk {CUT_INSIDE}")

    def _kill(self) -> None:
        server = self._stage.server
        victim = server.pid
        server.kill()
        self._look()
        self._stage.say(f"the server (process {victim}) is killed with SIGKILL inside chunk {KILL_INSIDE}")
        try:
            server.start()
        except ServerDidNotStart as error:
            self._stage.surprises.append(str(error))
        else:
            self._stage.say(f"and started again (process {server.pid})")


def cut_and_killed(stage: Stage, look: Callable[[], None] = lambda: None) -> Row:
    """The protocol: an upload survives a cut connection and a killed server, and is not sent twice.

    Args:
        look: called each time something breaks.
    """
    level = stage.server.level
    with (
        stage.sample(FILE_MIB) as (path, digest),
        Relay(stage.server.port) as relay,
        _Saboteur(stage, relay, look) as saboteur,
    ):
        saboteur.begin(path.name)
        result = stage.uploader(relay.url, saboteur).upload(path)
        saboteur.end()
        confirmed = ((CUT_INSIDE - 1) * CHUNK, (KILL_INSIDE - 1) * CHUNK)
        stage.expect("13 chunks of 8 MiB, each confirmed once", 13, result.chunks)
        stage.expect(
            "resumed both times at the confirmed offset, "
            + " and ".join(human_size(offset) for offset in confirmed),
            confirmed,
            result.resumed_at,
        )
        twice = result.bytes_sent - FILE_MIB * MIB
        stage.expect(f"sent twice: only what broke off, {human_size(twice)}", True, 0 < twice <= 2 * CHUNK)
        verified = stage.fetch_back(result.file.file_id, digest)
        again = stage.uploader(stage.server.url, Meter(stage.console)).upload(path)
        stage.expect(
            "the same file again: recognised by its fingerprint, 0 bytes sent",
            ("already-there", 0, result.file.file_id),
            (again.how, again.bytes_sent, again.file.file_id),
        )
        resumed = ", ".join(human_size(offset) for offset in result.resumed_at)
        return Row(level, f"{FILE_MIB} MiB", str(result.chunks), resumed or "never", saboteur.speed, verified)


def onto_object_storage(stage: Stage) -> Row:
    """The same protocol and the same bad day; what differs is where the bytes are, and when they are seen."""
    objects = stage.server.data / "level3" / "s3" / "uploads" / "files"
    seen: list[int] = []
    row = cut_and_killed(stage, look=lambda: seen.append(_count(objects)))
    stage.expect(
        "the object was not there while its parts were, and is there since Complete",
        ([0, 0], 1),
        (seen, _count(objects)),
    )
    return row


def _count(folder: Path) -> int:
    """Files that a reader of ``folder`` would see; rclone hides what it is still writing."""
    return sum(not path.name.startswith(".") for path in folder.iterdir()) if folder.exists() else 0


def called_back(stage: Stage) -> Row:
    """The same bad day, with two processes to be killed; nothing stays staged once the application has it."""
    staged = stage.server.data / "level4" / "s3" / "uploads" / "staged"
    row = cut_and_killed(stage)
    stage.expect("nothing is left staged: the application has its own copy", 0, _count(staged))
    return row


STOPS: Final = (
    Stop(1, "a single request", single_request),
    Stop(2, "chunks on local disk", cut_and_killed),
    Stop(3, "chunks onto S3 (an embedded one, rclone)", onto_object_storage),
    Stop(4, "a dedicated service, which calls the application back", called_back),
)
"""Every level that exists, in order."""
