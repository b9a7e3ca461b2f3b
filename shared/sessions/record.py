"""A session as plain values, which any store can keep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from shared.files import FileRecord
from shared.session import Session, State

FIELDS: Final = tuple(field.name for field in fields(Session) if field.compare)
"""What is kept of a session, by name. What is no part of its value is not kept."""


def to_record(session: Session) -> dict[str, Any]:
    """The kept values of ``session``, by name: texts, numbers, a boolean, None."""
    record = {name: getattr(session, name) for name in FIELDS}
    record["state"] = session.state.value
    # As JSON, once completed: only ever read as a whole.
    record["file"] = None if session.file is None else json.dumps(asdict(session.file))
    return record


def from_record(values: Sequence[Any], *, doubtful: bool = False) -> Session:
    """The session whose kept values these are, in the order of FIELDS."""
    record = dict(zip(FIELDS, values, strict=True))
    record["state"] = State(record["state"])
    if record["file"] is not None:
        record["file"] = FileRecord(**json.loads(record["file"]))
    return Session(**record, doubtful=doubtful)
