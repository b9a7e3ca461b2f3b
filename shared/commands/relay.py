"""`upload-levels relay`: a line that breaks once, at a byte of your choice, for trying out what happens."""

from __future__ import annotations

import subprocess
import threading

import click

from shared.commands.terminal import human_size
from shared.relay import Relay
from shared.settings import SettingError, parse_size

PORT = click.IntRange(1, 65535)


def _position(context: click.Context, parameter: click.Parameter, value: str) -> int:
    try:
        return parse_size(value)
    except SettingError as error:
        raise click.BadParameter(str(error), context, parameter) from error


@click.command()
@click.option("--listen", type=PORT, required=True, metavar="PORT", help="Where clients connect.")
@click.option("--to", "server", type=PORT, required=True, metavar="PORT", help="The server's port.")
@click.option(
    "--at",
    "position",
    required=True,
    metavar="SIZE",
    callback=_position,
    help="After how many bytes towards the server, headers included, it happens; 20MiB.",
)
@click.option(
    "--run",
    "command",
    metavar="COMMAND",
    help="Run this in a shell instead of cutting the connection; the line stands still meanwhile.",
)
def relay(listen: int, server: int, position: int, command: str | None) -> None:
    """Forward a port of 127.0.0.1 to another, and cut the connection once. Ctrl-C ends it."""
    try:
        line = Relay(server, port=listen)
    except OSError as error:
        raise click.ClickException(f"Port {listen} cannot be listened on: {error.strerror}.") from error
    at = human_size(position)

    def run() -> None:
        click.echo(f"relay: after {at}: {command}")
        subprocess.run(str(command), shell=True, check=False)  # noqa: S602 - the person's own command

    with line:
        if command is None:
            line.call_after(position, lambda: click.echo(f"relay: cut after {at}"))
            line.cut_after(position)
        else:
            line.call_after(position, run)
        click.echo(f"relay: port {listen} leads to port {server}")
        threading.Event().wait()
