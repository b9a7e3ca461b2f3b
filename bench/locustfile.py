"""Load from locust: users who upload as real clients do, with init, the offset handshake, retries by the
client's rules, and complete.

    locust -f bench/locustfile.py --host http://127.0.0.1:8002 --chunk-size 1MiB,8MiB --file-size 64MiB

Chunk sizes in a list are dealt out to the users in turn. Works with any server that speaks the protocol, and
with level 1, where a whole file is one request. Everything locust can do stays: the web UI, `--headless`,
`--processes`, workers on other machines.
"""

from __future__ import annotations

import itertools
import json
import sys
from argparse import Namespace
from typing import Any, Final

from locust import User, constant, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from bench import guard
from bench.load_ceiling import ceiling
from bench.load_report import Loads, Sizes, render
from bench.patient import Order, PatientUpload
from bench.payload import Payload
from bench.units import shown

payload: Final = Payload.in_memory()
turns: Final = itertools.count()
"""Each process's; the first chunk size goes to its first user."""

loads: Final = Loads()


@events.init_command_line_parser.add_listener
def options(parser: LocustArgumentParser) -> None:
    """The options that locust does not have."""
    ours = parser.add_argument_group("uploads")
    ours.add_argument("--chunk-size", default="8MiB", help="Bytes per chunk, or a list: 1MiB,8MiB,32MiB")
    ours.add_argument("--file-size", default="64MiB", help="Bytes per file")
    ours.add_argument("--ceiling-seconds", type=float, default=2.0, help="To measure this client; 0: not")
    ours.add_argument("--summary-json", default="", help="A file for the table by chunk size")
    ours.add_argument(guard.FLAG, action="store_true", help="The host is another machine, and it is yours")


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """Before anything is sent: may this address be loaded? And how fast is this client by itself?"""
    given = _given(environment)
    try:
        guard.check(environment.host or "http://127.0.0.1", given.remote_is_mine)
        sizes = Sizes.parse(given.chunk_size, given.file_size)
    except (guard.NotYours, OSError, ValueError) as error:
        sys.exit(f"locust: {error}")
    if given.ceiling_seconds > 0 and not isinstance(environment.runner, WorkerRunner):
        users = max(1, min(int(given.num_users or 4), 64))
        loads.ceiling = ceiling(payload, max(sizes.chunks), users, given.ceiling_seconds)


@events.test_start.add_listener
def begin(environment: Environment, **_: Any) -> None:
    """Forget the last run. The web UI lets people type another host: it is looked at again."""
    guard.check(environment.host or "", _given(environment).remote_is_mine)
    loads.begin()


@events.report_to_master.add_listener
def tell_master(client_id: str, data: dict[str, Any]) -> None:
    """A worker's figures since it told last."""
    del client_id
    data["uploads"] = loads.hand_over()


@events.worker_report.add_listener
def hear_worker(client_id: str, data: dict[str, Any]) -> None:
    """The master adds them up."""
    del client_id
    loads.add_all(data.get("uploads", {}))


@events.quitting.add_listener
def report(environment: Environment, **_: Any) -> None:
    """The table by chunk size."""
    if isinstance(environment.runner, WorkerRunner):
        return
    print(render(loads, workers=isinstance(environment.runner, MasterRunner)), flush=True)
    path = _given(environment).summary_json
    if path:
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(loads.as_json(), file, indent=2)
    if loads.nothing_confirmed and environment.process_exit_code is None:
        environment.process_exit_code = 1


def _given(environment: Environment) -> Namespace:
    given = environment.parsed_options
    assert isinstance(given, Namespace), "started without a command line"
    return given


class Uploader(User):
    """One client: file after file, each with content of its own."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Draw a chunk size."""
        given = _given(self.environment)
        sizes = Sizes.parse(given.chunk_size, given.file_size)
        self.chunk_size = sizes.chunks[next(turns) % len(sizes.chunks)]
        self.file_size = sizes.file

    @task
    def upload(self) -> None:
        """One file, from init to complete."""
        name = f"chunk {shown(self.chunk_size)}"
        order = Order(self.host or "", self.file_size, self.chunk_size)

        def confirmed(seconds: float, length: int) -> None:
            loads.of(self.chunk_size).chunk(seconds, length)
            self._tell("PUT", name, seconds, length)

        def failed(error: Exception) -> None:
            self._tell("PUT", name, 0, 0, error)

        outgoing = PatientUpload(order, payload, confirmed, failed)
        try:
            outcome = outgoing.run()
        finally:  # also when locust ends its users, in the middle of a chunk
            loads.of(self.chunk_size).upload(outgoing.outcome)
            outgoing.abandon()
        if outcome.completed is not None:
            self._tell("POST", f"complete {shown(self.chunk_size)}", outcome.completed, 0)

    def _tell(
        self, kind: str, name: str, seconds: float, length: int, error: Exception | None = None
    ) -> None:
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=seconds * 1000,
            response_length=length,
            exception=error,
            context={},
        )
