"""Two services, two applications, and three callbacks out of ten going wrong: two hundred uploads make two
hundred records, and nothing is left over."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Final

import pytest

from tests.level4.go_between import HANG_UP, Forward, Reply, between
from tests.level4.halves import Halves, free_port, within
from tests.oracle import Upload

UPLOADS: Final = 200
FAILING: Final = 0.3


class BadLuck:
    """Fails three deliveries out of ten: before the effect, after it, or by an error; takes turns between
    the applications."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.happened: Counter[str] = Counter()

    def __call__(self, forward: Forward) -> Reply:
        with self._lock:
            what = self._random.choice(("500", "hang up", "lose the answer"))
            what = what if self._random.random() < FAILING else "forward"
            self.happened[what] += 1
        if what == "500":
            return Reply(500)
        if what == "hang up":
            return HANG_UP
        reply = forward()
        return HANG_UP if what == "lose the answer" else reply


@pytest.mark.timeout(300)
def test_two_hundred_uploads_make_two_hundred_records(tmp_path: Path) -> None:
    ports = (free_port(), free_port())
    luck = BadLuck(seed=7)
    with between(ports[0]) as first, between(ports[1]) as second:
        first.always = second.always = luck
        halves = Halves(tmp_path, application_port=ports[0])
        try:
            for port in ports:
                halves.application(port=port)
            services = [
                halves.service("--callback-url", go_between.url, "--complete-wait", "20s")
                for go_between in (first, second)
            ]
            ticket = halves.ticket()
            others: list[threading.Thread] = []

            def upload(number: int) -> Upload:
                data = f"upload {number} ".encode() * 50
                service, other = services[number % 2], services[(number + 1) % 2]
                sent = halves.sent(service, f"{number}.bin", data, ticket=ticket)
                if number % 5 == 0:  # asked for at both, in the same moment
                    there = Upload(other, sent.session_id, data, "", 1)
                    others.append(threading.Thread(target=there.complete))
                    others[-1].start()
                answer = sent.complete(patience=120.0)
                assert answer.status == HTTPStatus.OK, answer
                return sent

            with ThreadPoolExecutor(8) as pool:
                uploads = list(pool.map(upload, range(UPLOADS)))
            for thread in others:
                thread.join()
            names = sorted(file["fileName"] for file in halves.files())
            assert names == sorted(upload.name for upload in uploads)
            within(lambda: halves.staged() == [], lambda: f"still staged: {halves.staged()}")
            assert len(halves.kept()) == UPLOADS
            failed = sum(luck.happened.values()) - luck.happened["forward"]
            assert failed > UPLOADS / 5, f"too lucky: {luck.happened}"
        finally:
            halves.close()
