"""`upload-levels`: the command line. Each command stands in a file of its own."""

from __future__ import annotations

import importlib
from typing import Final

import click

COMMANDS: Final = {
    "serve": "shared.commands.serve",
    "put": "shared.commands.put",
    "ls": "shared.commands.get",
    "get": "shared.commands.get",
    "callbacks": "shared.commands.callbacks",
    "conformance": "tests.conformance.command",
    "tour": "shared.commands.tour",
    "relay": "shared.commands.relay",
}
"""Command → the module that has it. Imported when called for: a server's memory holds no progress bars."""


class Commands(click.Group):
    """The commands of :data:`COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the table's order, which is the order a reader meets them in."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, from its module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="upload-levels")
def main() -> None:
    """Chunked, resumable file uploads in four levels."""
