"""`upload-levels serve LEVEL`: its options are the settings, made from their one table."""

from __future__ import annotations

import importlib
import os
from typing import Any, Final

import click

from shared.settings import SETTINGS, SettingError, environment_name, settings_from

LEVELS: Final = {
    "1": "level1_single_request.app",
    "2": "level2_disk_chunks.app",
    "3": "level3_s3_multipart.app",
    "4": "level4_dedicated_service.app",
}
"""Named, not imported: what is shared never imports a level, and level 1 starts without level 3's SDK."""


def _with_settings(command: Any) -> Any:
    for setting in reversed(SETTINGS):
        command = click.option(
            "--" + setting.name.replace("_", "-"),
            metavar=setting.metadata["kind"].upper(),
            help=f"{setting.metadata['meaning']}  [{environment_name(setting.name)}]",
        )(command)
    return command


@click.command()
@click.argument("level", type=click.Choice(sorted(LEVELS)))
@_with_settings
def serve(level: str, **given: str | None) -> None:
    """Serve one level until Ctrl-C. Prints one line when it is ready.

    Sizes are written 8MiB, times 24h. Every option is also an environment variable.
    """
    try:
        settings = settings_from(os.environ, given)
    except SettingError as error:
        raise click.UsageError(str(error)) from error
    if level == "4" and settings.only == "both":
        importlib.import_module("level4_dedicated_service.both").serve_both(settings, given)
        return
    from shared.server import serve as run  # noqa: PLC0415 - `put` and `ls` need no server

    create_app = importlib.import_module(LEVELS[level]).create_app
    try:
        run(create_app, settings, int(level))
    except SettingError as error:
        raise click.UsageError(str(error)) from error
