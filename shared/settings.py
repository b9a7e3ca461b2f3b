"""Every setting once: its name, its default and what it means.

A setting is a field of :class:`Settings`. From that one line come the command-line option
(``--max-file-size``), the environment variable (``UPLOAD_MAX_FILE_SIZE``) and the help text; the command
line wins over the environment, which wins over the default. Sizes are bytes and are written ``8MiB``, times
are seconds and are written ``24h``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

import bitmath
from pytimeparse.timeparse import timeparse as parse_time

from shared.backoff import Backoff
from shared.limits import MIB, Limits
from shared.uploads import Lifetimes

Kind = Literal["text", "count", "size", "time"]
ENVIRONMENT_PREFIX: Final = "UPLOAD_"

CHOICES: Final = {
    "s3_addressing": ("auto", "path", "virtual"),
    "s3_checksum": ("auto", "md5", "crc32", "none"),
    "s3_parts": ("stream", "boto3"),
    "downloads": ("stream", "redirect"),
    "log_format": ("text", "json"),
    "log_level": ("auto", "debug", "info", "warning", "error"),
    "only": ("both", "service", "application"),
}
"""Settings that are one of a few words."""


class SettingError(ValueError):
    """A setting's text has no meaning; the message names the setting and what it takes."""


def parse_size(text: str) -> int:
    """``8MiB`` → 8388608 (bytes). ``MB`` is 10⁶, ``MiB`` is 2²⁰, a plain number is bytes.

    Raises:
        SettingError: no size, or a negative one.
    """
    try:
        size = int(text) if text.strip().isdecimal() else int(bitmath.parse_string(text.strip()).bytes)
    except ValueError as error:
        raise SettingError(f"{text!r} is no size; write 8MiB, 50MB or a number of bytes") from error
    if size < 0:
        raise SettingError(f"{text!r}: a size cannot be negative")
    return size


def parse_duration(text: str) -> float:
    """``24h`` → 86400.0 (seconds). A plain number is seconds.

    Raises:
        SettingError: no duration, or a negative one.
    """
    try:
        seconds: float | None = float(text)
    except ValueError:
        seconds = parse_time(text)
    if seconds is None or not 0 <= seconds < float("inf"):
        raise SettingError(f"{text!r} is no duration; write 30s, 30min, 24h or a number of seconds")
    return float(seconds)


def _setting(default: Any, meaning: str, kind: Kind = "text") -> Any:
    return field(default=default, metadata={"meaning": meaning, "kind": kind})


@dataclass(frozen=True)
class Settings:
    """What a server is told. Every level takes the same settings; a level ignores what it has no use for."""

    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int | None = _setting(None, "Port to listen on; 0 takes a free one.  [default: 800N]", "count")
    data: str = _setting("upload-data", "Folder for everything that is stored; level N uses levelN in it.")
    sessions: str = _setting(
        "sqlite",
        "Where sessions live: memory://, sqlite:///PATH, sqlite (a file in the data folder), "
        "postgresql://… or redis://….",
    )
    catalogue: str = _setting(
        "sqlite",
        "Where the records of files live: sqlite:///PATH, sqlite (a file in the data folder) or "
        "postgresql://….",
    )
    max_file_size: int = _setting(100 * 1024 * MIB, "Largest file accepted (level 1: always 50MiB).", "size")
    chunk_size: int = _setting(8 * MIB, "Chunk size when the client has no wish.", "size")
    min_chunk_size: int = _setting(1024, "Smallest chunk size a client may wish for.", "size")
    max_chunk_size: int = _setting(64 * MIB, "Largest chunk size a client may wish for.", "size")
    session_ttl: float = _setting(24 * 3600.0, "Life of a session after its last committed chunk.", "time")
    sweep_interval: float = _setting(30 * 60.0, "How often expired sessions are removed.", "time")
    max_sessions: int = _setting(
        10_000, "Unfinished sessions allowed at once; one more is answered 429.", "count"
    )
    allowed_types: str = _setting(
        "", "MIME types accepted, comma-separated, read from the bytes; empty: all."
    )
    complete_wait: float = _setting(10.0, "How long 'complete' waits for finalization before 202.", "time")
    lease: float = _setting(10.0, "Silence after which what a server finalizes is taken over.", "time")
    retry_for: float = _setting(24 * 3600.0, "How long a failing finalization is retried, at least.", "time")
    read_timeout: float = _setting(30.0, "How long a client may be silent before it is cut off.", "time")
    threads: int = _setting(1024, "Requests served at once; threads are started when needed.", "count")
    grace: float = _setting(8.0, "How long requests in flight may go on after SIGTERM.", "time")
    on_shutdown: str = _setting(
        "auto", "Sessions at SIGTERM: keep, abort, or auto (abort those that nobody could resume)."
    )
    s3_endpoint: str = _setting("embedded", "Level 3's store: embedded, aws, or an address (https://…).")
    s3_region: str = _setting("", "Region of the store; empty: the one in the AWS configuration.")
    s3_bucket: str = _setting("uploads", "Bucket for everything that level 3 stores.")
    s3_prefix: str = _setting("files/", "Begins every key of ours; nothing else is touched.")
    s3_addressing: Literal["auto", "path", "virtual"] = _setting(
        "auto", "How the bucket is named: path, virtual (as a host), or auto."
    )
    s3_checksum: Literal["auto", "md5", "crc32", "none"] = _setting(
        "auto",
        "How a part is checked on its way: md5 (against the ETag), crc32 (by the store), none; "
        "auto: crc32 at AWS, none with the embedded store, md5 elsewhere.",
    )
    s3_parts: Literal["stream", "boto3"] = _setting(
        "stream", "How a part is sent: stream, or boto3 (holds a chunk in memory)."
    )
    s3_min_part: int = _setting(5 * MIB, "Smallest part the store takes, and so the smallest chunk.", "size")
    s3_timeout: float = _setting(30.0, "How long the store may be silent before it counts as away.", "time")
    downloads: Literal["stream", "redirect"] = _setting(
        "stream", "Level 3's downloads: stream, or redirect to the store."
    )
    log_format: Literal["text", "json"] = _setting(
        "text", "What is logged on stderr: text, or json (an object a line)."
    )
    log_level: Literal["auto", "debug", "info", "warning", "error"] = _setting(
        "auto",
        "Logged from: debug, info (a line a request), warning, error; auto: info for json, else warning.",
    )
    metrics: str = _setting(
        "", "Address and port to show metrics at, such as 127.0.0.1:9102; empty: nowhere."
    )
    only: Literal["both", "service", "application"] = _setting(
        "both", "Level 4: start both halves, or only the service or the application."
    )
    application_port: int | None = _setting(
        None, "Level 4: the application's port.  [default: the one after the service's]", "count"
    )
    service_url: str = _setting("", "Level 4: the service as browsers reach it.  [default: host and port]")
    application_url: str = _setting(
        "", "Level 4: the application as browsers reach it.  [default: host and application-port]"
    )
    callback_url: str = _setting(
        "", "Level 4: where the service calls.  [default: application-url and /internal/finalize]"
    )
    callback_timeout: float = _setting(30.0, "Level 4: how long the service waits for an answer.", "time")
    allowed_origins: str = _setting(
        "", "Level 4: origins whose pages may upload, comma-separated.  [default: the application's]"
    )
    ticket_secrets_file: str = _setting("", "Level 4: file with the secrets of tickets, newest first.")
    callback_secrets_file: str = _setting("", "Level 4: file with the secrets of callbacks, newest first.")
    ticket_lifetime: float = _setting(15 * 60.0, "Level 4: how long a ticket opens uploads.", "time")
    owner_quota: int = _setting(1024 * 1024 * MIB, "Level 4: what one owner may store altogether.", "size")
    demo_owner: str = _setting(
        "demo", "Level 4: whom the application, which has no login, takes everybody for."
    )
    staging_bucket: str = _setting("", "Level 4: bucket of staged objects; empty: s3-bucket.")
    staging_prefix: str = _setting("staged/", "Level 4: begins every staged key.")

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise SettingError(f"{name.replace('_', '-')} is {' or '.join(choices)}")
        for name in ("s3_prefix", "staging_prefix"):
            if not getattr(self, name).strip("/"):
                # Sweeping removes what nobody knows below the prefix: without one, that is the whole bucket.
                raise SettingError(f"{name.replace('_', '-')} must not be empty")
        if self.on_shutdown not in ("auto", "keep", "abort"):
            raise SettingError(f"on-shutdown is auto, keep or abort, not {self.on_shutdown!r}")
        self.metrics_address()
        for name in (
            "session_ttl",
            "sweep_interval",
            "read_timeout",
            "lease",
            "s3_timeout",
            "ticket_lifetime",
            "callback_timeout",
        ):
            if getattr(self, name) <= 0:
                raise SettingError(f"{name.replace('_', '-')} must be longer than nothing")
        for name in ("threads", "max_sessions"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name.replace('_', '-')} must be at least 1")
        self.limits()

    def data_folder(self, level: int) -> Path:
        """Where level ``level`` keeps bytes and databases; made when missing, for its owner only."""
        folder = Path(self.data).expanduser().absolute() / f"level{level}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def limits(self, smallest: int = 0) -> Limits:
        """The sizes a chunked level works with.

        Args:
            smallest: bytes that a chunk must have at least, whatever was set.

        Raises:
            SettingError: they contradict each other.
        """
        if self.chunk_size < smallest:
            raise SettingError(f"chunk-size must be {smallest:,} bytes or more: the store takes no less")
        try:
            minimum = max(self.min_chunk_size, smallest)
            return Limits(self.max_file_size, self.chunk_size, minimum, self.max_chunk_size)
        except ValueError as error:
            raise SettingError(str(error)) from error

    def lifetimes(self) -> Lifetimes:
        """Everything that ends by itself, and the bound on unfinished sessions."""
        return Lifetimes(
            self.session_ttl, self.lease, Backoff(at_least=self.retry_for), max_sessions=self.max_sessions
        )

    def type_allow_list(self) -> frozenset[str]:
        """The MIME types accepted; empty for all."""
        return frozenset(name.strip().lower() for name in self.allowed_types.split(",") if name.strip())

    def port_for(self, level: int) -> int:
        """The port asked for, or the level's own: 8001 for level 1, 8002 for level 2."""
        return 8000 + level if self.port is None else self.port

    def level_of_log(self) -> str:
        """What is logged: this and everything graver."""
        if self.log_level != "auto":
            return self.log_level
        return "info" if self.log_format == "json" else "warning"

    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port to show metrics at; None: nowhere.

        Raises:
            SettingError: no address.
        """
        if not self.metrics:
            return None
        host, _, port = self.metrics.rpartition(":")
        if not host or not port.isdecimal() or not port.isascii() or not 0 <= int(port) < 2**16:
            raise SettingError(f"metrics is an address and a port, 127.0.0.1:9102, not {self.metrics!r}")
        return host.strip("[]"), int(port)

    def application_port_for(self, level: int) -> int:
        """The port of level 4's application: the one asked for, or the one after the service's."""
        if self.application_port is not None:
            return self.application_port
        return self.port_for(level) + 1 if self.port != 0 else 0

    def listening_port(self, level: int) -> int:
        """The port that this process listens on."""
        return self.application_port_for(level) if self.only == "application" else self.port_for(level)


SETTINGS: Final[tuple[Field[Any], ...]] = fields(Settings)


def environment_name(name: str) -> str:
    """``max_file_size`` → ``UPLOAD_MAX_FILE_SIZE``."""
    return ENVIRONMENT_PREFIX + name.upper()


def parse_setting(setting: Field[Any], text: str) -> Any:
    """Turn a setting's text into its value.

    Raises:
        SettingError: the text has no meaning for this setting.
    """
    kind: Kind = setting.metadata["kind"]
    match kind:
        case "size":
            return parse_size(text)
        case "time":
            return parse_duration(text)
        case "count":
            if not text.strip().isdecimal():
                raise SettingError(f"{text!r} is no whole number")
            return int(text)
        case "text":
            return text


def settings_from(environment: Mapping[str, str], given: Mapping[str, str | None]) -> Settings:
    """Settings from the environment, overridden by what the command line gave.

    Args:
        environment: usually ``os.environ``.
        given: texts by field name; ``None`` stands for "not given".

    Raises:
        SettingError: a text has no meaning; the message names the option or variable.
    """
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        assert setting.default is not MISSING  # noqa: S101 - every setting has a default, by construction
        name, text = "--" + setting.name.replace("_", "-"), given.get(setting.name)
        if text is None:
            name = environment_name(setting.name)
            text = environment.get(name)
        if text is None:
            continue
        try:
            values[setting.name] = parse_setting(setting, text)
        except SettingError as error:
            raise SettingError(f"{name}: {error}") from error
    return Settings(**values)
