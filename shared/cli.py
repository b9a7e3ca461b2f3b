"""`upload-levels`: the command line. Each command stands in a file of its own."""

from __future__ import annotations

import click

from shared.get_command import get, ls
from shared.put_command import put
from shared.relay_command import relay
from shared.serve_command import serve
from shared.tour import tour


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="upload-levels")
def main() -> None:
    """Chunked, resumable file uploads in four levels."""


main.add_command(serve)
main.add_command(put)
main.add_command(ls)
main.add_command(get)
main.add_command(tour)
main.add_command(relay)
