"""What a server says on stderr: lines for people, or JSON for whatever collects logs. Never a secret.

A session id is all it takes to go on with somebody's upload, and a ticket or a signing secret is worth more.
Our own lines name a session by six characters of its id. But a traceback repeats whatever the exception
quotes, a path for example, and the path of an upload is its id. So every line passes :func:`without_secrets`
on its way out, whoever wrote it.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from typing import Any, Final

from gunicorn import glogging
from pythonjsonlogger.json import JsonFormatter

TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"

SECRETS: Final = re.compile(
    r"(?P<known>\bwhsec_|\bBearer\s+)[^\s\"',;]+"
    # A long run of what random ids are made of. Words with nothing but small letters and _ in them are our
    # functions' names; of random ids not one in a billion looks like that.
    r"|(?<![\w-])(?=[a-z_]*[A-Z0-9-])(?P<shown>[\w-]{6})[\w-]{18,}",
    re.ASCII,
)
"""Tokens of 24 characters on: the shortest secret here is a file id of 22, which is none."""


def without_secrets(text: str) -> str:
    """``text`` with every token that may be a secret cut to its beginning."""
    return SECRETS.sub(lambda found: (found["known"] or found["shown"]) + "…", text)


class TextFormatter(logging.Formatter):
    """A line for people; what a line is about follows its message as ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """See :class:`logging.Formatter`."""
        text, fields = super().format(record), getattr(record, "fields", {})
        return without_secrets(" ".join([text, *(f"{name}={value}" for name, value in fields.items())]))


class JsonLines(JsonFormatter):
    """A line a record, one JSON object each."""

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """See :class:`JsonFormatter`; called before the object is written."""
        flat = log_data | log_data.pop("fields", {})
        flat.pop("fields", None)
        return {name: without_secrets(v) if isinstance(v, str) else v for name, v in flat.items()}


class GunicornLog(glogging.Logger):
    """gunicorn's own words go the same way as ours."""

    def setup(self, cfg: Any) -> None:
        """See :class:`gunicorn.glogging.Logger`; called at the start."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def set_up_logs(log_format: str, level: str) -> None:
    """Send everything that is logged in this process to stderr, also what threads die of.

    Args:
        log_format: ``text`` or ``json``.
        level: ``debug``, ``info`` (a line a request), ``warning`` or ``error``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        TextFormatter(TEXT)
        if log_format == "text"
        else JsonLines(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
            json_ensure_ascii=False,
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for library in ("boto3", "botocore", "s3transfer", "urllib3"):
        # Their debugging says every header of every request, signatures and all.
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_death


def _log_death(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit or args.exc_value is None:
        return
    name = args.thread.name if args.thread else "?"
    logging.getLogger(__name__).critical("thread %s died", name, exc_info=args.exc_value)
