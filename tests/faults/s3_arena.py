"""A level-3 server whose S3 breaks when it is told to, for tests that leave it as it was."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from tests.oracle import CHUNK, CHUNKS, Upload, begin_upload
from tests.raw_http import Answer, exchange
from tests.s3.endpoint import Endpoint, fresh_bucket
from tests.s3.faults import Fault
from tests.s3.oracle import Level3
from tests.s3.proxy import S3Proxy
from tests.s3.rules import S3_MINIMUM, Rules
from tests.s3.serving import serving
from tests.s3.stores import LARGE_PARTS

LONGEST_WAIT: Final = 30.0
"""Seconds; half of what the proxy lets a client wait, and generous to a busy machine."""

_seeds: Final = itertools.count(1)


@dataclass(frozen=True)
class Arena:
    """The server, its bucket, and the proxy between them."""

    level3: Level3
    proxy: S3Proxy

    def begin(self, name: str = "film.bin", size: int | None = None) -> Upload:
        """Init, for bytes that no other upload has; four chunks of them."""
        large = LARGE_PARTS in self.level3.bucket.endpoint.traits
        chunk = S3_MINIMUM if large else CHUNK
        wanted = CHUNKS * chunk if size is None else size
        return begin_upload(self.level3.server, name, size=wanted, chunk_size=chunk, seed=next(_seeds))

    def request(self, method: str, path: str) -> Answer:
        """Ask the server something."""
        return exchange(self.level3.server.port, method, path)

    @contextmanager
    def broken_by(self, *faults: Fault) -> Iterator[None]:
        """S3 is like this inside the context, and well again behind it.

        Every fault must have happened, and no client may have waited for S3 much longer than the server was
        told to: each try a second, and there are three.
        """
        began = time.monotonic()
        self.proxy.plan(*faults)
        try:
            yield
        finally:
            self.proxy.heal()
        assert time.monotonic() - began < LONGEST_WAIT
        assert all(fault.happened for fault in faults), "the operation was never asked for"


Arenas = Callable[[Endpoint], Arena]


@contextmanager
def arenas(folder: Path) -> Iterator[Arenas]:
    """Makes one arena for each S3 server, when it is first asked for."""
    made: dict[str, Arena] = {}
    with ExitStack() as stack:

        def arena(endpoint: Endpoint) -> Arena:
            if endpoint.name not in made:
                bucket = stack.enter_context(fresh_bucket(endpoint))
                proxy = stack.enter_context(S3Proxy(endpoint.url, Rules()))
                place = folder / endpoint.name
                place.mkdir()
                level3 = stack.enter_context(serving(place, bucket, proxy.url, "--complete-wait", "2"))
                made[endpoint.name] = Arena(level3, proxy)
            return made[endpoint.name]

        yield arena
        for done in made.values():
            assert done.proxy.rules.violations == []


def come_again(answer: Answer, *good: HTTPStatus) -> bool:
    """Whether the client is told to come again; if not, ``answer`` must be one of ``good``."""
    if answer.status in good:
        return False
    told = (answer.status, answer.code, answer.header("retry-after") is not None)
    assert told == (HTTPStatus.SERVICE_UNAVAILABLE, "storage-unavailable", True), answer
    return True
