"""The project's own servers before the conformance suite, and the table of what each one keeps.

`python -m tests.system.conformance_runs` runs them all and writes the table into the README.
"""

from __future__ import annotations

import base64
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Final

from tests import services
from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.hooks import Hooks
from tests.conformance.messages import Address
from tests.conformance.probe import find_target
from tests.conformance.runner import Outcome, Result, run, select
from tests.conformance.stand_in import listening
from tests.controlled_server import ControlledServer
from tests.faults.disks import small_disk
from tests.s3.endpoint import Endpoint, fresh_bucket
from tests.servers import COMMAND, REPOSITORY

TTL: Final = 3.0
"""Seconds. Expiry is checked in a run of its own: the other cases would meet expired sessions."""

DISK: Final = 16 * 1024 * 1024
"""Bytes of the disk that is filled up."""

MARKS: Final = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "**✗**",
    Outcome.NOT_CLAIMED: "–",
    Outcome.NOT_CHECKED: "?",
    Outcome.NOT_APPLICABLE: "∅",
    Outcome.FAULT: "**!**",
}


@dataclass(frozen=True)
class Run:
    """One server to judge.

    Attributes:
        title: the table's column.
        options: of ``upload-levels serve``.
        shared: the kind of store that two servers behind nginx share; empty: one server.
        nginx: requirements that do not hold because nginx answers by itself, and how.
    """

    title: str
    level: int
    options: tuple[str, ...] = ()
    shared: str = ""
    nginx: Mapping[str, str] = field(default_factory=dict)

    @property
    def on_disk(self) -> bool:
        """Whether its bytes lie in a folder of ours, which can be filled up and taken away."""
        return self.level == 2


BY_NGINX: Final = {
    "chunk/incomplete-body": "who half-closes the connection inside a chunk gets no answer",
    "errors/uploaded-bytes": "411 for a chunk without a length comes from nginx, which knows no session",
    "files/one": "an address with a NUL in it is 400",
}

RUNS: Final = (
    Run("1", 1),
    Run("2, sqlite", 2, ("--sessions", "sqlite")),
    Run("2, memory", 2, ("--sessions", "memory://")),
    Run("3", 3, ("--s3-min-part", "1")),
    Run("3, several servers, redis", 3, ("--s3-min-part", "1KiB"), "redis", BY_NGINX),
    Run("3, several servers, postgresql", 3, ("--s3-min-part", "1KiB"), "postgresql", BY_NGINX),
    Run("4", 4, ("--s3-min-part", "1")),
)


FULL: Final = ("limits/storage-full",)
"""Needs a disk of its own, and so root."""
SCARCE: Final = ("limits/too-many-sessions", "limits/storage-away")
"""In a run of their own: the other cases need more sessions at once than it allows."""


def judge_run(judged: Run, folder: Path) -> list[Result]:
    """Everything the suite finds about one server, except for what needs a full disk.

    In three runs of the server, because no one setting suits all cases.
    """
    with _bytes_of(judged) as placed:
        results = {result.case.slug: result for result in _most(placed, folder)}
        if judged.level > 1:
            results |= {result.case.slug: result for result in _expiry(placed, folder)}
            results |= {result.case.slug: result for result in _scarce(placed, folder)}
            if placed.level == 4:
                results |= {result.case.slug: result for result in _callbacks(placed, folder)}
    return [results[case.slug] for case in CASES]


@contextmanager
def _bytes_of(judged: Run) -> Iterator[Run]:
    """The same run, with an S3 store that several servers share and that replaces parts as S3 does.

    The embedded one replaces none: a part that was overtaken stands in the way, and the upload is lost.
    """
    if judged.level < 3:
        yield judged
        return
    from tests.s3.moto_server import moto_server  # noqa: PLC0415 - half a second, for those who use it

    before = dict(os.environ)
    with moto_server() as url, fresh_bucket(Endpoint("moto", url)) as bucket:
        os.environ |= bucket.endpoint.environment
        try:
            there = ("--s3-endpoint", url, "--s3-bucket", bucket.name, "--s3-addressing", "path")
            yield replace(judged, options=(*judged.options, *there))
        finally:
            os.environ.clear()
            os.environ |= before


def judge_full_disk(judged: Run, folder: Path) -> list[Result]:
    """What the suite finds when the server's disk is filled up, by root; for servers on a disk of ours."""
    disk = folder / "full" / "data"
    disk.parent.mkdir(parents=True)
    with small_disk(disk, DISK):
        fill = f"dd if=/dev/zero of={disk}/ballast bs=4k; test $(df --output=avail {disk} | tail -1) = 0"
        commands = {"fill": fill, "free": f"rm {disk}/ballast"}
        return _suite(
            judged, disk.parent, select(CASES, FULL), (), lambda there: Hooks({**there, **commands})
        )


def _most(judged: Run, folder: Path) -> list[Result]:
    cases = [case for case in CASES if judged.level == 1 or case.slug not in SCARCE]
    return _suite(judged, folder / "all", cases, ("--read-timeout", "4s"), Hooks)


def _scarce(judged: Run, folder: Path) -> list[Result]:
    store = folder / "scarce" / "data" / f"level{judged.level}" / "incoming"
    moving = {"away": f"mv {store} {store}.away", "back": f"mv {store}.away {store}"}
    commands = moving if judged.on_disk else {}
    options = ("--max-sessions", "8", "--complete-wait", "1s")
    cases = select(CASES, SCARCE)
    return _suite(judged, folder / "scarce", cases, options, lambda there: Hooks({**there, **commands}))


def _expiry(judged: Run, folder: Path) -> list[Result]:
    options = ("--session-ttl", f"{TTL}s", "--sweep-interval", "1s", "--ticket-lifetime", f"{TTL}s")
    cases = select(CASES, ["expiry/*", "tickets/expired"])
    return _suite(judged, folder / "expiry", cases, options, lambda commands: Hooks(commands, ttl=TTL))


def _callbacks(judged: Run, folder: Path) -> list[Result]:
    """Level 4's service calls the suite, which then plays its application."""
    secret, file, port = "whsec_" + base64.b64encode(b"s" * 32).decode(), folder / "secret", _free_port()
    file.write_text(secret)
    options: tuple[str, ...] = ("--callback-secrets-file", str(file), "--complete-wait", "1s")
    options += ("--callback-url", f"http://127.0.0.1:{port}/internal/finalize")
    cases = [case for case in select(CASES, ["callback/*"]) if "application" in case.needs]
    with listening(port, secret) as application:
        return _suite(
            judged, folder / "callbacks", cases, options, lambda commands: Hooks(commands, None, application)
        )


def _suite(
    judged: Run,
    folder: Path,
    cases: Sequence[Case],
    options: Sequence[str],
    hooks: Callable[[Mapping[str, str]], Hooks],
) -> list[Result]:
    folder.mkdir(parents=True, exist_ok=True)
    server = ControlledServer.create(folder, [*_command(judged, folder), *judged.options, *options])
    address = server.start()
    control = f"cd {REPOSITORY} && {sys.executable} -m tests.controlled_server {folder}"
    try:
        commands = {name: f"{control} {name}" for name in ("restart", "stop", "start")}
        return run(cases, find_target(Address.of(address), hooks(commands), {}))
    finally:
        server.kill()


def _command(judged: Run, folder: Path) -> list[str]:
    """The server, or two of them, up to where its options stand."""
    where = ["--port", str(_free_port()), "--data", str(folder / "data")]
    if judged.level == 4:
        where += ["--application-port", str(_free_port())]
    if not judged.shared:
        return [*COMMAND, "serve", str(judged.level), *where]
    # The store outlives them: what is killed and started again are the servers, and nginx.
    store = services.redis() if judged.shared == "redis" else services.postgresql()
    pair = [sys.executable, "-m", "level3_s3_multipart.cluster", "--sessions", store.url_for(folder)]
    return [*pair, *where, "--server-ports", "0", "0", "--"]


def _free_port() -> int:
    """A port that was free a moment ago: the server must come back to the same one after a restart."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def table(found: Mapping[str, Sequence[Result]]) -> str:
    """The levels × requirements table: a line a section, and folded below it a line a requirement."""
    titles = list(found)
    by_slug = {title: {result.case.slug: result for result in results} for title, results in found.items()}
    head = ["| | " + " | ".join(f"level {title}" for title in titles) + " |", "|---|" + "---|" * len(titles)]
    short, long = [*head], [*head]
    for section, group in groupby(CASES, key=lambda case: case.section):
        cases = list(group)
        cells = [_counted([by_slug[title][case.slug] for case in cases]) for title in titles]
        short.append(f"| {section} | " + " | ".join(cells) + " |")
        for case in cases:
            marks = [MARKS[by_slug[title][case.slug].outcome] for title in titles]
            link = f"[`{case.slug}`](shared/PROTOCOL.md#{case.slug})"
            long.append(f"| {link}{'' if case.word == 'MUST' else ' (SHOULD)'} | " + " | ".join(marks) + " |")
    by_nginx = "; ".join(f"`{slug}`: {how}" for slug, how in BY_NGINX.items())
    legend = "✓ held · – not claimed · ? not checked from outside · ∅ nothing to check within the time"
    folded = ["<details><summary>Every requirement</summary>", "", *long, "", legend, "", "</details>"]
    behind = (
        f"Several servers: two of level 3 behind nginx. Where they miss, nginx answers itself: {by_nginx}."
    )
    return "\n".join([*short, "", behind, "", *folded])


def _counted(results: Sequence[Result]) -> str:
    if all(result.outcome is Outcome.NOT_CLAIMED for result in results):
        return "–"
    held = sum(result.outcome is Outcome.PASSED for result in results)
    return f"{held} of {len(results)}"


def _judge_all(judged: Run, folder: Path) -> list[Result]:
    found = judge_full_disk(judged, folder) if judged.on_disk else []
    full = {result.case.slug: result for result in found}
    return [full.get(result.case.slug, result) for result in judge_run(judged, folder)]


def main() -> None:
    """Judge every server and write the table."""
    from tests.docs.generate import replace_part  # noqa: PLC0415 - needed here only

    if os.geteuid() != 0:
        raise SystemExit("The table has a full disk in it: root is needed, to mount a small one.")
    with tempfile.TemporaryDirectory() as folder:
        found = {judged.title: _judge_all(judged, Path(folder) / str(i)) for i, judged in enumerate(RUNS)}
    readme = REPOSITORY / "README.md"
    readme.write_text(replace_part(readme.read_text(), "conformance", table(found)))


if __name__ == "__main__":
    main()
