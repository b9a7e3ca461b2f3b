"""`upload-levels conformance URL`: run the suite from the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from tests.conformance import report_files, report_html, report_terminal
from tests.conformance.cases import CASES
from tests.conformance.hooks import HOOKS, Hooks
from tests.conformance.messages import Address, NoAnswer
from tests.conformance.probe import find_target
from tests.conformance.runner import exit_code, run, select
from tests.conformance.stand_in import listening

NOTHING_TO_SAY: Final = 2
FILE: Final = click.Path(dir_okay=False, path_type=Path)


def parse_headers(given: Sequence[str]) -> dict[str, str]:
    """``Name: value`` texts as a mapping.

    Raises:
        click.BadParameter: one without a colon.
    """
    headers = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{text!r} is no 'Name: value'")
        headers[name.strip()] = value.strip()
    return headers


def parse_hooks(given: Sequence[str]) -> dict[str, str]:
    """``NAME=COMMAND`` texts as a mapping.

    Raises:
        click.BadParameter: no such hook.
    """
    commands = {}
    for text in given:
        name, equals, command = text.partition("=")
        if not equals or name not in HOOKS:
            raise click.BadParameter(f"{text!r} is no NAME=COMMAND with NAME one of {', '.join(HOOKS)}")
        commands[name] = command
    return commands


@click.command(
    epilog="Exit status: 0: every MUST held. 1: one did not. 2: no server, nothing ran, a fault here."
)
@click.argument("url", required=False)
@click.option("--strict", is_flag=True, help="SHOULD counts like MUST.")
@click.option("--only", "patterns", multiple=True, metavar="GLOB", help="Cases or sections, e.g. 'chunk/*'.")
@click.option("--list", "listing", is_flag=True, help="Show the cases and run nothing.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Sent with every request.")
@click.option("--hook", "hooks", multiple=True, metavar="NAME=COMMAND", help=f"One of {', '.join(HOOKS)}.")
@click.option("--restart-command", metavar="COMMAND", help="Short for --hook restart=COMMAND.")
@click.option("--ttl", type=float, metavar="SECONDS", help="The server's session lifetime, if short.")
@click.option("--callback-port", type=int, metavar="PORT", help="Where the server's callbacks arrive: here.")
@click.option("--callback-secret", metavar="SECRET", help="What they are signed with.")
@click.option("--workers", type=click.IntRange(1, 32), default=4, show_default=True, help="Cases at once.")
@click.option("--junit", type=FILE, help="Write a JUnit report.")
@click.option("--html", type=FILE, help="Write a page with every request and answer.")
@click.option("--json", "json_file", type=FILE, help="Write the results as JSON.")
@click.pass_context
def conformance(
    context: click.Context,
    url: str | None,
    *,
    strict: bool,
    patterns: tuple[str, ...],
    listing: bool,
    headers: tuple[str, ...],
    hooks: tuple[str, ...],
    restart_command: str | None,
    ttl: float | None,
    callback_port: int | None,
    callback_secret: str | None,
    workers: int,
    junit: Path | None,
    html: Path | None,
    json_file: Path | None,
) -> None:
    """Find out whether the server at URL keeps the protocol. Any server, in any language."""
    cases = select(CASES, patterns)
    if listing:
        report_terminal.show_cases(cases)
        return
    if url is None:
        raise click.UsageError("The URL of a server is needed.")
    commands = parse_hooks(hooks) | ({"restart": restart_command} if restart_command else {})
    if (callback_port is None) is not (callback_secret is None):
        raise click.UsageError("--callback-port and --callback-secret go together.")
    try:
        application = None
        if callback_port is not None and callback_secret is not None:
            application = context.with_resource(listening(callback_port, callback_secret))
        address, fields = Address.of(url), parse_headers(headers)
        target = find_target(address, Hooks(commands, ttl, application), fields)
    except (ValueError, OSError, NoAnswer) as error:
        click.echo(f"No server to judge: {error}", err=True)
        context.exit(NOTHING_TO_SAY)
    if not cases:
        click.echo(f"No case matches {', '.join(patterns)}.", err=True)
        context.exit(NOTHING_TO_SAY)
    with report_terminal.progress(len(cases)) as advance:
        results = run(cases, target, workers=workers, on_result=advance)
    report_terminal.show_results(results, url, strict=strict)
    if junit:
        report_files.write_junit(junit, results)
    if json_file:
        report_files.write_json(json_file, results, url, target.capabilities, strict=strict)
    if html:
        report_html.write_html(html, results, url, strict=strict)
    context.exit(exit_code(results, strict=strict))


if __name__ == "__main__":
    sys.exit(conformance())
