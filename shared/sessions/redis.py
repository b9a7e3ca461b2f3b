"""Sessions in Redis: compare-and-set is one script, which Redis runs as a whole.

Redis answers from memory and syncs its log a little later. With ``appendonly yes`` and ``appendfsync always``
it syncs first, and forgets nothing. With ``everysec`` a power cut forgets up to a second, and so does a
failover to a replica. A session from before such a restart is ``doubtful``: the core asks the byte store how
many bytes there are before anybody is told a number, and gives the session up if the two do not fit.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.allowance import UNBOUNDED, Allowance
from shared.clock import SharedClock
from shared.errors import InsufficientStorage, StorageFailure, StorageUnavailable
from shared.session import Event, Session, State
from shared.sessions import redis_scripts
from shared.sessions.record import FIELDS, from_record, to_record
from shared.settings import SettingError

log = logging.getLogger(__name__)

DEFAULT_PREFIX: Final = "upload-levels:"
CONNECTIONS: Final = 16
PATIENCE: Final = 5.0
"""Seconds to wait for a connection, and for an answer, before the client is told to come again."""

MAX_LOOKS: Final = 20


class RedisSessionStore:
    """:class:`~shared.ports.SessionStore` over one Redis server, or one with replicas; not over a cluster.

    Args:
        url: ``redis://user:password@host:port/number?prefix=…``, also ``rediss://`` (TLS) and ``unix://``.
            All keys begin with the prefix, so that several services may share a server.

    Raises:
        SettingError: no such URL, or Redis does not let us in.
        StorageUnavailable: it is away.
    """

    durable = True
    shared = True

    def __init__(self, url: str) -> None:
        address, self._prefix = _split(url)
        try:
            pool = redis.BlockingConnectionPool.from_url(
                address,
                decode_responses=True,
                max_connections=CONNECTIONS,
                timeout=PATIENCE,
                socket_timeout=PATIENCE,
                socket_connect_timeout=PATIENCE,
                socket_keepalive=True,
                # A script that ran, and whose answer was lost, must not run again: it would find its own work
                # and take it for a rival's. The client is told to come again instead, and asks.
                retry=Retry(NoBackoff(), 0),
            )
        except (ValueError, TypeError) as error:
            raise SettingError(f"sessions: {error}") from error
        self._client = redis.Redis(connection_pool=pool)
        names = ("insert", "room", "get", "replace", "delete", "in_state", "expired")
        self._scripts = {
            name: self._client.register_script(getattr(redis_scripts, name.upper())) for name in names
        }
        try:
            self.clock = SharedClock(self._now)
            self._warn_of_forgetting()
        except StorageUnavailable as error:
            self.close()
            if isinstance(error.__cause__, redis.AuthenticationError):
                raise SettingError(f"sessions: Redis does not let us in: {error.__cause__}") from error
            raise

    def insert(self, session: Session, allowance: Allowance = UNBOUNDED) -> None:
        bounds = (allowance.sessions, allowance.owner_bytes)
        counts = int(session.is_unfinished)
        values = (
            *(session.session_id, *_stored(session)),
            *(counts, session.owner, session.declared_size),
            *("" if bound is None else bound for bound in bounds),
        )
        for _ in range(MAX_LOOKS):
            said, *there = self._run("insert", *values)
            if said == "taken":
                raise StorageFailure("A session of this id exists already.")
            if said == "added":
                return
            allowance.check(*_tally(there), session.declared_size)
        raise StorageUnavailable("Too many uploads begin at once.", retry_after=1)

    def check_room(self, owner: str, declared_size: int, allowance: Allowance) -> None:
        allowance.check(*_tally(self._run("room", owner)), declared_size)

    def get(self, session_id: str) -> Session | None:
        found = self._sessions("get", session_id)
        return found[0] if found else None

    def replace(self, current: Session, new: Session, receipt: str | None = None) -> bool:
        values = (
            *_condition(current),
            *(*_declared(current), *_declared(new)),
            *(*_stored(new), int(new.doubtful)),
            *(() if receipt is None else (current.chunk_number, receipt)),
        )
        return bool(self._run("replace", *values))

    def receipts(self, session_id: str) -> Sequence[str]:
        with translated():
            found: Any = self._client.hgetall(f"{self._prefix}receipts:{session_id}")
        return [found[number] for number in sorted(found, key=int)]

    def delete(self, current: Session) -> bool:
        return bool(self._run("delete", *_condition(current), *_declared(current)))

    def count(self, state: State, at_most: int) -> int:
        with translated():
            there: Any = self._client.zcard(f"{self._prefix}lease:{state.value}")
        return min(int(there), at_most)

    def in_state(self, state: State, limit: int) -> Sequence[Session]:
        return self._sessions("in_state", state.value, limit)

    def expired(self, now: float, limit: int) -> Sequence[Session]:
        return self._sessions("expired", repr(now), limit)

    def close(self) -> None:
        self._client.close()
        self._client.connection_pool.disconnect()

    def _sessions(self, script: str, *values: Any) -> list[Session]:
        return [
            from_record(json.loads(data), doubtful=bool(doubtful))
            for data, doubtful in self._run(script, *values)
        ]

    def _run(self, script: str, *values: Any) -> Any:
        with translated():
            return self._scripts[script](keys=[self._prefix], args=values)

    def _now(self) -> float:
        with translated():
            seconds, microseconds = self._client.time()
        return float(seconds + microseconds / 1e6)

    def _warn_of_forgetting(self) -> None:
        """Say once, at the start, what this Redis would lose. Where it does not tell, nothing is said."""
        try:
            with translated():
                said: Any = self._client.config_get("append*", "maxmemory*")
        except (StorageFailure, StorageUnavailable):
            return
        if said.get("appendonly") != "yes":
            log.warning("Redis keeps no log (appendonly no): a restart forgets sessions")
        if said.get("maxmemory", "0") != "0" and said.get("maxmemory-policy") != "noeviction":
            log.warning("Redis may throw sessions away when memory is short (maxmemory-policy noeviction)")


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the Redis client raises into what the core understands."""
    try:
        yield
    except redis.AuthenticationError as error:
        raise StorageUnavailable("Redis does not let us in.", retry_after=10) from error
    except (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError) as error:
        raise StorageUnavailable("Redis is away or busy.", retry_after=1) from error
    except redis.OutOfMemoryError as error:
        raise InsufficientStorage(retry_after=30) from error
    except redis.ResponseError as error:
        # It cannot write its log; somebody's script runs too long; it is a replica, or has too few of them.
        if str(error).startswith(("MISCONF", "BUSY", "MASTERDOWN", "NOREPLICAS", "LOADING")):
            raise StorageUnavailable("Redis takes no changes now.", retry_after=1) from error
        raise StorageFailure() from error
    except redis.RedisError as error:
        raise StorageFailure() from error


def _split(url: str) -> tuple[str, str]:
    """The address for the client, and the prefix of our keys."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    prefix = query.pop("prefix", [DEFAULT_PREFIX])[-1]
    return urlunsplit(parts._replace(query=urlencode(query, doseq=True))), prefix


def _condition(session: Session) -> tuple[Any, ...]:
    return (
        *(session.session_id, session.state.value, session.committed_offset, session.writer_epoch),
        int(session.doubtful),
    )


def _declared(session: Session) -> tuple[str, str]:
    """Whose room it takes and how much; no size: none."""
    return session.owner, str(session.declared_size) if session.is_unfinished else ""


def _stored(session: Session) -> tuple[Any, ...]:
    record = to_record(session)
    data = json.dumps([record[name] for name in FIELDS])
    expiry = repr(session.expires_at) if session.allows(Event.EXPIRE) else ""
    return (
        *(data, session.state.value, session.committed_offset, session.writer_epoch),
        *(repr(session.lease_until), expiry),
    )


def _tally(there: Sequence[Any]) -> tuple[int, int]:
    return int(there[0]), int(Decimal(there[1]))
