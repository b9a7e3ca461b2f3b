"""`upload-levels callbacks`: what waits to be finalized, why, and "try again now".

Works on the session store, beside the servers, which need not run: what is due is theirs to find.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import click

from shared.outbox import send_again
from shared.ports import SessionStore
from shared.session import Session, State
from shared.sessions import open_session_store
from shared.settings import SettingError, settings_from
from shared.wire import timestamp

MOST: Final = 10_000
"""Sessions listed at once."""


@click.group()
@click.option("--level", default=4, show_default=True, type=click.IntRange(2, 4), help="Whose sessions.")
@click.option("--data", help="The servers' data folder.  [UPLOAD_DATA]")
@click.option("--sessions", help="Where the servers keep sessions.  [UPLOAD_SESSIONS]")
@click.pass_context
def callbacks(ctx: click.Context, /, level: int, **given: str | None) -> None:
    """Uploads that wait for the application: list them, or have them tried again."""
    try:
        settings = settings_from(os.environ, given)
    except SettingError as error:
        raise click.UsageError(str(error)) from error
    if settings.sessions == "memory://":
        raise click.UsageError("sessions in memory are known to their server alone")
    ctx.obj = (settings.sessions, settings.data_folder(level))


@callbacks.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--stalled", is_flag=True, help="Only those that are not tried any more.")
@click.pass_obj
def list_callbacks(target: Any, as_json: bool, stalled: bool) -> None:
    """What waits, the one that is due first at the top."""
    with _opened(target) as sessions:
        waiting = [s for s in sessions.in_state(State.FINALIZING, MOST) if s.is_stalled or not stalled]
    if as_json:
        for session in waiting:
            click.echo(json.dumps(_document(session)))
        return
    if not waiting:
        click.echo("Nothing waits.")
        return
    for session in waiting:  # a line each, whatever the terminal's width: ids are there to be copied
        due = "not tried any more" if session.is_stalled else f"next {_from_now(session.lease_until)}"
        since = timestamp(session.finalizing_since)
        click.echo(
            f"{session.session_id}  {session.file_name}  since {since}, {session.attempts} failed, {due}"
            + (f": {session.last_error}" if session.last_error else "")
        )


@callbacks.command("retry")
@click.argument("session_ids", nargs=-1, metavar="[SESSION]...")
@click.option("--stalled", is_flag=True, help="All that are not tried any more.")
@click.option("--all", "everything", is_flag=True, help="All that wait.")
@click.pass_obj
def retry_callbacks(target: Any, session_ids: tuple[str, ...], stalled: bool, everything: bool) -> None:
    """Have them tried again at once, as if none had failed. A running server does it within a second."""
    if sum((bool(session_ids), stalled, everything)) != 1:
        raise click.UsageError("name sessions, or say --stalled or --all")
    with _opened(target) as sessions:
        if session_ids:
            found = [_found(sessions, session_id) for session_id in session_ids]
        else:
            waiting = sessions.in_state(State.FINALIZING, MOST)
            found = [session for session in waiting if everything or session.is_stalled]
        again = sum(send_again(sessions, session) for session in found)
    click.echo(f"{again} of {len(found)} will be tried again now.")


@contextmanager
def _opened(target: Any) -> Iterator[SessionStore]:
    try:
        opened = open_session_store(*target)
    except SettingError as error:
        raise click.UsageError(str(error)) from error
    with closing(opened) as sessions:
        yield sessions


def _found(sessions: SessionStore, session_id: str) -> Session:
    session = sessions.get(session_id)
    if session is None or session.state is not State.FINALIZING:
        raise click.ClickException(f"{session_id} does not wait for anything")
    return session


def _document(session: Session) -> dict[str, object]:
    return {
        "sessionId": session.session_id,
        "owner": session.owner,
        "fileName": session.file_name,
        "fileSize": session.declared_size,
        "since": timestamp(session.finalizing_since),
        "tries": session.attempts,
        "nextTry": None if session.is_stalled else timestamp(session.lease_until),
        "lastFailure": session.last_error,
    }


def _from_now(moment: float) -> str:
    seconds = moment - time.time()
    return "now" if seconds <= 0 else f"in {seconds:.0f} s"
