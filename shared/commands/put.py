"""`upload-levels put`: send files, and go on where an earlier run stopped."""

from __future__ import annotations

import json
from pathlib import Path

import click

from shared.commands.terminal import (
    Bars,
    Exit,
    check_address,
    exit_for,
    human_size,
    problem_json,
    say_problem,
)
from shared.settings import SettingError, parse_size
from shared.uploader.errors import ClientError
from shared.uploader.state import STATE_DIR_VARIABLE, SessionFiles, default_state_folder
from shared.uploader.upload import Result, Uploader


def _chunk_size(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """``8MiB`` → bytes."""
    if value is None:
        return None
    try:
        size = parse_size(value)
    except SettingError as error:
        raise click.BadParameter(str(error), context, parameter) from error
    if size < 1:
        raise click.BadParameter("a chunk has at least one byte", context, parameter)
    return size


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--to",
    "server",
    required=True,
    metavar="URL",
    envvar="UPLOAD_TO",
    show_envvar=True,
    callback=check_address,
    help="The server, http://127.0.0.1:8002.",
)
@click.option(
    "--chunk-size",
    metavar="SIZE",
    callback=_chunk_size,
    envvar="UPLOAD_CHUNK_SIZE",
    show_envvar=True,
    help="Wish for bytes per chunk, as 8MiB; the server decides.",
)
@click.option(
    "--resume/--no-resume",
    default=True,
    envvar="UPLOAD_RESUME",
    show_envvar=True,
    help="Go on with what an earlier run began.  [default: resume]",
)
@click.option(
    "--fingerprint/--no-fingerprint",
    default=True,
    envvar="UPLOAD_FINGERPRINT",
    show_envvar=True,
    help="Hash first, so that a file the server has is not sent.  [default: fingerprint]",
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar=STATE_DIR_VARIABLE,
    show_envvar=True,
    help="Folder that remembers unfinished uploads.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout, no progress bar.")
@click.pass_context
def put(
    context: click.Context,
    *,
    files: tuple[Path, ...],
    server: str,
    chunk_size: int | None,
    resume: bool,
    fingerprint: bool,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Send files to a server. Interrupted, the same command goes on where it stopped.

    \b
    Exit codes: 0 every file is there; 1 a file was refused or could not be read;
    2 wrong usage; 3 the server could not be reached; 130 Ctrl-C.
    """
    worst = Exit.DONE
    with Bars(quiet=as_json) as bars:
        uploader = Uploader(
            server,
            chunk_size=chunk_size,
            fingerprint=fingerprint,
            resume=resume,
            state=SessionFiles(state_dir or default_state_folder()),
            observer=bars,
        )
        for path in files:
            bars.begin(path.name)
            try:
                result = uploader.upload(path)
            except ClientError as error:
                bars.end()
                worst = max(worst, exit_for(error))
                _report_problem(path, error, bars, as_json=as_json)
            except KeyboardInterrupt:
                bars.end()
                click.echo(f"{path}: interrupted. {_advice(bars)}", err=True)
                context.exit(Exit.INTERRUPTED)
            else:
                bars.end()
                click.echo(_result_json(path, result) if as_json else _result_line(path, result))
    context.exit(worst)


def _report_problem(path: Path, error: ClientError, bars: Bars, *, as_json: bool) -> None:
    if as_json:
        click.echo(problem_json(str(path), error))
        return
    again = ""
    if exit_for(error) is Exit.AWAY:
        resumable = error.resumable and not bars.state_lost
        again = f"Run the same command to {'resume' if resumable else 'start again'}."
    say_problem(str(path), error, again=again)


def _advice(bars: Bars) -> str:
    """What the same command will do after Ctrl-C."""
    if bars.confirmed is None:
        return "Nothing of it was confirmed yet; run the same command again."
    if bars.state_lost:
        return "Run the same command to start again."
    return f"{human_size(bars.confirmed)} are confirmed: run the same command to resume."


def _result_json(path: Path, result: Result) -> str:
    return json.dumps(
        {
            "path": str(path),
            "how": result.how,
            "file": result.file.as_json(),
            "bytesSent": result.bytes_sent,
            "chunks": result.chunks,
            "resumedAt": result.resumed_at,
            "seconds": round(result.seconds, 3),
            "conflicts": result.conflicts,
            "retries": result.retries,
        }
    )


def _result_line(path: Path, result: Result) -> str:
    size = human_size(result.file.file_size)
    match result.how:
        case "already-there":
            story = f"already there ({size}), not sent"
        case "resumed":
            at = ", ".join(human_size(offset) for offset in result.resumed_at)
            story = f"sent ({size} in {result.seconds:.1f} s, resumed at {at})"
        case "sent":
            story = f"sent ({size} in {result.seconds:.1f} s)"
    return f"{path}: {story}  {result.file.file_id}"
