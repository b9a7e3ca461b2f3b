"""`upload-levels get` and `ls`: what is there, and back it comes."""

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
from shared.uploader.download import Downloader
from shared.uploader.errors import ClientError
from shared.uploader.listing import list_files
from shared.uploader.names import printable

at_option = click.option(
    "--at",
    "server",
    required=True,
    metavar="URL",
    envvar="UPLOAD_AT",
    show_envvar=True,
    callback=check_address,
    help="The server, http://127.0.0.1:8002.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")


@click.command()
@at_option
@json_option
@click.pass_context
def ls(context: click.Context, server: str, as_json: bool) -> None:
    """List a server's files, newest first: id, size, type, time, name."""
    try:
        with Bars(quiet=as_json) as bars:
            for file in list_files(server, observer=bars):
                if as_json:
                    click.echo(json.dumps(file.as_json()))
                    continue
                columns = f"{file.file_id}  {human_size(file.file_size):>10}  {file.mime_type:<26}"
                click.echo(printable(f"{columns} {file.created_at}  {file.file_name}"))
    except ClientError as error:
        if as_json:
            click.echo(problem_json(server, error))
        else:
            say_problem(server, error)
        context.exit(exit_for(error))


@click.command()
@click.argument("file_id", metavar="ID")
@at_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="PATH",
    help="File or folder to write; by default the server's name for it, in this folder.",
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@json_option
@click.pass_context
def get(
    context: click.Context, *, file_id: str, server: str, output: Path, force: bool, as_json: bool
) -> None:
    """Fetch a file, check its SHA-256, and only then let it appear. Interrupted, the same command goes on."""
    with Bars(quiet=as_json) as bars:
        bars.begin(file_id)
        try:
            download = Downloader(server, observer=bars).fetch(file_id, output, force=force)
        except ClientError as error:
            bars.end()
            if as_json:
                click.echo(problem_json(file_id, error))
            else:
                again = "Run the same command to resume." if error.resumable else ""
                say_problem(file_id, error, again=again)
            context.exit(exit_for(error))
        except KeyboardInterrupt:
            bars.end()
            click.echo(f"{file_id}: interrupted. Run the same command to resume.", err=True)
            context.exit(Exit.INTERRUPTED)
    if as_json:
        told = {
            "path": str(download.path),
            "file": download.file.as_json(),
            "bytesReceived": download.bytes_received,
            "resumedAt": download.resumed_at,
        }
        click.echo(json.dumps(told))
    else:
        size = human_size(download.file.file_size)
        click.echo(printable(f"{download.path}: {size}, SHA-256 verified"))
