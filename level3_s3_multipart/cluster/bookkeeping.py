"""What a request's bookkeeping costs, with few and with many idle sessions: `make bench-sessions`.

Talks to the session stores themselves, not over HTTP: this is about their indices, and a server around them
would only add noise. Every operation is measured in turns on two stores of the same kind, one with 100 idle
sessions in it and one with 100,000.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from level3_s3_multipart.cluster.postgresql import PostgreSqlServer
from level3_s3_multipart.cluster.redis import RedisServer
from shared.allowance import Allowance
from shared.ports import SessionStore
from shared.session import Session, State
from shared.sessions import open_session_store

FEW: Final = 100
ROOM: Final = Allowance(sessions=10**9, owner_bytes=2**62)
BATCH: Final = 500
"""Sessions that a sweep fetches at once."""


def a_session(name: str, owner: str = "ann", expires_at: float = 4e9) -> Session:
    """Idle, half of it sent."""
    return Session(
        session_id=f"{name:_<32}",
        file_name="holiday.mp4",
        declared_size=80 << 20,
        chunk_size=8 << 20,
        created_at=time.time(),
        expires_at=expires_at,
        owner=owner,
        committed_offset=40 << 20,
    )


def fill(store: SessionStore, count: int) -> None:
    """Idle sessions of a hundred owners; a tenth of them completed."""

    def add(number: int) -> None:
        session = a_session(f"idle-{number}", owner=f"owner-{number % 100}", expires_at=4e9 + number)
        store.insert(session if number % 10 else replace(session, state=State.COMPLETED))

    # SQLite commits many in one go; the others' own connections are the bound.
    with ThreadPoolExecutor(64 if store.durable and not store.shared else 8) as pool:
        for _ in pool.map(add, range(count)):
            pass


@contextmanager
def waiting_for_no_disk(postgresql: PostgreSqlServer, redis: RedisServer) -> Iterator[None]:
    """Within: stores that are being filled sync nothing. Afterwards every commit is synced."""
    with postgresql.connect() as connection:
        connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        connection.execute("SELECT pg_reload_conf()")
        with redis.connect() as client:
            client.config_set("appendfsync", "everysec")
        yield
        connection.execute("ALTER SYSTEM RESET synchronous_commit")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("VACUUM ANALYZE")  # as its own daemon does some minutes later
    with redis.connect() as client:
        client.config_set("appendfsync", "always")


def operations(store: SessionStore, tag: str) -> Iterator[tuple[str, Callable[[int], object]]]:
    """What a request does to the store, by the name of the request."""

    def init(number: int) -> None:
        store.check_room("ann", 80 << 20, ROOM)
        store.insert(a_session(f"{tag}-init-{number}"), ROOM)

    def put(number: int) -> None:
        session = store.get(f"{tag}-init-{number}".ljust(32, "_"))
        assert session is not None
        writer = session.claimed()
        assert store.replace(session, writer)
        assert store.replace(writer, writer.appended(8 << 20, 4e9), "receipt")

    def get(number: int) -> None:
        assert store.get(f"{tag}-init-{number}".ljust(32, "_")) is not None

    def sweep(_number: int) -> None:
        assert not store.expired(time.time(), BATCH)
        assert not store.in_state(State.FINALIZING, BATCH)

    yield from {"init": init, "PUT": put, "GET": get, "sweep": sweep}.items()


def microseconds(operation: Callable[[int], object], numbers: Sequence[int]) -> float:
    """The median of single calls."""
    times = []
    for number in numbers:
        started = time.perf_counter()
        operation(number)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def measure(few: SessionStore, many: SessionStore, rounds: int, calls: int) -> dict[str, tuple[float, float]]:
    """Microseconds by operation: with few and with many, medians over rounds that take turns."""
    pairs = list(zip(operations(few, "few"), operations(many, "many"), strict=True))
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for (name, _), _ in pairs}
    for round_ in range(rounds):
        numbers = range(round_ * calls, (round_ + 1) * calls)
        for (name, with_few), (_, with_many) in pairs:
            # Whoever comes first finds caches that the operation before has left: each is first as often.
            for which, operation in ((0, with_few), (1, with_many))[:: 1 if round_ % 2 else -1]:
                found[name][which].append(microseconds(operation, numbers))
    return {name: (statistics.median(one), statistics.median(other)) for name, (one, other) in found.items()}


@click.command()
@click.option("--many", default=100_000, help="Idle sessions in the larger store.")
@click.option("--rounds", default=8, help="Turns; an even number.")
@click.option("--calls", default=60, help="Calls in a turn.")
def main(many: int, rounds: int, calls: int) -> None:
    """Measure every kind of session store."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgresql = stack.enter_context(PostgreSqlServer())
        redis = stack.enter_context(RedisServer())
        urls: dict[str, Callable[[Path], str]] = {
            "memory": lambda _: "memory://",
            "SQLite": lambda _: "sqlite",
            "PostgreSQL": postgresql.url_for,
            "Redis": redis.url_for,
        }
        print(f"µs with {FEW} → {many:,} idle sessions (ratio): init | PUT | GET | sweep", flush=True)
        for kind, url in urls.items():
            stores: list[SessionStore] = []
            with waiting_for_no_disk(postgresql, redis):
                for count in (FEW, many):
                    place = folder / f"{kind}-{count}"
                    stores.append(stack.enter_context(closing(open_session_store(url(place), place))))
                    fill(stores[-1], count)
            found = measure(stores[0], stores[1], rounds, calls)
            cells = [f"{one:,.0f} → {other:,.0f} ({other / one:.2f})" for one, other in found.values()]
            print(f"{kind:10} | " + " | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
